// Reading what history_file.cpp writes.
#include <limits>

#include "history_file_impl.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

HistorySample read_sample(SQLite::Statement& row) {
  HistorySample sample;
  sample.time_ms = row.getColumn(1).getInt64();
  sample.came_ms = row.getColumn(2).getInt64();
  sample.type = row.getColumn(3).getString();
  const Code code = base::code_of(row.getColumn(4).getString());
  if (code != Code::ok) sample.quality = Status(code, row.getColumn(5).getString());
  sample.value = row.getColumn(6).getString();
  return sample;
}

std::size_t size_of(const HistorySample& sample) {
  return 64 + sample.value.size() + sample.quality.text().size();
}

}  // namespace

std::string HistoryPlace::to_token() const {
  return cat(newest_first ? 'd' : 'a', time_ms, '.', sequence);
}

Result<HistoryPlace> HistoryPlace::of(std::string_view token) {
  HistoryPlace place;
  const std::size_t dot = token.find('.');
  if (token.empty() || (token[0] != 'a' && token[0] != 'd') || dot == token.npos ||
      !base::parse_int(token.substr(1, dot - 1), place.time_ms) ||
      !base::parse_int(token.substr(dot + 1), place.sequence)) {
    return Status(Code::invalid, "continue: not a token of an earlier answer");
  }
  place.newest_first = token[0] == 'd';
  return place;
}

HistoryPage HistoryFile::Impl::read(const HistorySeries& from, const HistoryQuery& query,
                                    const HistoryPlace& after, std::int64_t now_ms) {
  SQLite::Statement& rows = query.newest_first ? read_down : read_up;
  const std::int64_t last = std::numeric_limits<std::int64_t>::max();
  rows.bind(1, from.id);
  rows.bind(2, query.from_ms.value_or(-last));
  rows.bind(3, query.to_ms ? std::max(*query.to_ms, -last) - 1 : last);
  rows.bind(4, now_ms - from.rule.age_ms);
  rows.bind(5, after.time_ms);
  rows.bind(6, after.sequence);
  rows.bind(7, static_cast<std::int64_t>(query.limit) + 1);
  HistoryPage page;
  std::size_t bytes = 0;
  HistoryPlace place{query.newest_first, 0, 0};
  while (rows.executeStep()) {
    HistorySample sample = read_sample(rows);
    const std::size_t size = size_of(sample);
    if (page.samples.size() == query.limit ||
        (bytes + size > query.max_bytes && !page.samples.empty())) {
      page.token = place.to_token();
      break;
    }
    bytes += size;
    place.time_ms = sample.time_ms;
    place.sequence = rows.getColumn(0).getInt64();
    page.samples.push_back(std::move(sample));
  }
  rows.reset();
  return page;
}

Result<HistoryPage> HistoryFile::read(const HistoryQuery& query, std::int64_t now_ms) {
  const std::int64_t last = std::numeric_limits<std::int64_t>::max();
  HistoryPlace after{query.newest_first, query.newest_first ? last : -last - 1,
                     query.newest_first ? last : -last - 1};
  if (!query.token.empty()) {
    const auto place = HistoryPlace::of(query.token);
    if (!place) return place.status();
    if (place->newest_first != query.newest_first) {
      return Status(Code::invalid, "continue: the token is of an answer in the other order");
    }
    after = *place;
  }
  const auto found = impl_->series.find({query.device.space, query.device.name, query.property});
  if (found == impl_->series.end()) return Status(Code::not_found, "no samples");
  try {
    return impl_->read(found->second, query, after, now_ms);
  } catch (const SQLite::Exception& error) {
    impl_->read_up.tryReset();
    impl_->read_down.tryReset();
    return sqlite_failed(impl_->file, error);
  }
}

}  // namespace devicetwin

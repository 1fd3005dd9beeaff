#include "history_file.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <limits>

#include "base/log.hpp"
#include "base/text.hpp"
#include "history_file_impl.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// Samples of a series lie together in order of arrival, which no clock disturbs and by which they
// go; by_time is the order of answers.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS series(
  id INTEGER PRIMARY KEY, space TEXT NOT NULL, name TEXT NOT NULL, property TEXT NOT NULL,
  age_ms INTEGER NOT NULL, count INTEGER NOT NULL,
  UNIQUE(space, name, property));
CREATE TABLE IF NOT EXISTS samples(
  series INTEGER NOT NULL, sequence INTEGER NOT NULL,
  time_ms INTEGER NOT NULL, came_ms INTEGER NOT NULL,
  type TEXT NOT NULL, quality TEXT NOT NULL, quality_text TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY(series, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON samples(series, time_ms, sequence);
)";

// What of all sequence numbers goes at once when the file is over its quota.
constexpr std::int64_t quota_step = 64;

}  // namespace

// Reads a page or two of each series, not its samples: they are counted later (count_some).
void HistoryFile::Impl::load() {
  SQLite::Statement all(db, "SELECT id,space,name,property,age_ms,count FROM series");
  while (all.executeStep()) {
    const std::int64_t id = all.getColumn(0).getInt64();
    HistoryKey key{all.getColumn(1).getString(), all.getColumn(2).getString(),
                   all.getColumn(3).getString()};
    HistorySeries& known = series[key];
    known.id = id;
    known.rule = {all.getColumn(4).getInt64(), all.getColumn(5).getInt64()};
    known.counted = false;
    uncounted.push_back(std::move(key));
    next_id = std::max(next_id, id + 1);
  }
  lowest_sequence = std::numeric_limits<std::int64_t>::max();
  SQLite::Statement ends(db,
                         "SELECT (SELECT MIN(sequence) FROM samples WHERE series=?1),"
                         "(SELECT MAX(sequence) FROM samples WHERE series=?1)");
  for (const auto& [key, known] : series) {
    ends.bind(1, known.id);
    if (ends.executeStep() && !ends.getColumn(0).isNull()) {
      lowest_sequence = std::min(lowest_sequence, ends.getColumn(0).getInt64());
      next_sequence = std::max(next_sequence, ends.getColumn(1).getInt64() + 1);
    }
    ends.reset();
  }
  lowest_sequence = std::min(lowest_sequence, next_sequence);
}

// Counts on in one series. What goes from it meanwhile makes it begin anew there.
void HistoryFile::Impl::count_some() {
  const auto found = series.find(uncounted.back());
  if (found == series.end() || found->second.counted) return uncounted.pop_back();
  HistorySeries& target = found->second;
  count_on.bind(1, target.id);
  count_on.bind(2, target.counted_to);
  if (!count_on.executeStep()) return;
  const std::int64_t more = count_on.getColumn(0).getInt64();
  target.count += more;
  if (more > 0) target.counted_to = count_on.getColumn(1).getInt64();
  target.counted = more < count_step;
  count_on.reset();
  if (target.counted) uncounted.pop_back();
}

// After samples of it went.
void HistoryFile::Impl::went(HistorySeries& from, std::int64_t gone) {
  if (from.counted) {
    from.count -= gone;
  } else if (gone > 0) {
    from.count = from.counted_to = 0;
  }
}

bool HistoryFile::Impl::is_empty(const HistorySeries& of) {
  if (of.counted) return of.count == 0;
  cut.bind(1, of.id);
  cut.bind(2, 0);
  const bool some = cut.executeStep();
  cut.reset();
  return !some;
}

HistorySeries& HistoryFile::Impl::touch(const HistoryKey& key) {
  const auto found = series.find(key);
  touched.try_emplace(key, found == series.end() ? std::nullopt : std::optional(found->second));
  return series[key];
}

void HistoryFile::Impl::forget(const HistoryKey& key) {
  const HistorySeries was = touch(key);
  delete_samples.bind(1, was.id);
  removed += static_cast<std::uint64_t>(delete_samples.exec());
  delete_samples.reset();
  delete_series.bind(1, was.id);
  delete_series.exec();
  delete_series.reset();
  series.erase(key);
}

void HistoryFile::Impl::forget(const dmi::ObjectId& device) {
  for (;;) {
    const auto found = series.lower_bound({device.space, device.name, ""});
    if (found == series.end() || std::get<0>(found->first) != device.space ||
        std::get<1>(found->first) != device.name) {
      return;
    }
    forget(HistoryKey(found->first));
  }
}

void HistoryFile::Impl::add(const NewSample& added) {
  const HistoryKey key{added.device.space, added.device.name, added.property};
  HistorySeries& target = touch(key);
  const HistorySample& sample = added.sample;
  if (target.id == 0 || target.rule != added.rule) {
    if (target.id == 0) target.id = next_id++;
    target.rule = added.rule;
    put_series.bind(1, target.id);
    put_series.bind(2, added.device.space);
    put_series.bind(3, added.device.name);
    put_series.bind(4, added.property);
    put_series.bind(5, target.rule.age_ms);
    put_series.bind(6, target.rule.count);
    put_series.exec();
    put_series.reset();
  }
  put_sample.bind(1, target.id);
  put_sample.bind(2, next_sequence++);
  put_sample.bind(3, sample.time_ms);
  put_sample.bind(4, sample.came_ms);
  put_sample.bind(5, sample.type);
  put_sample.bind(6, std::string(base::name(sample.quality.code())));
  put_sample.bind(7, sample.quality.text());
  put_sample.bind(8, sample.value);
  put_sample.exec();
  put_sample.reset();
  const std::int64_t came_ms = sample.came_ms == 0 ? never_ms : sample.came_ms;
  const bool first = target.counted && target.count == 0;
  target.oldest_ms = first ? came_ms : std::min(target.oldest_ms, came_ms);
  if (!target.counted) return;  // it will be counted with the rest
  ++target.count;
  trim_count(key);
}

void HistoryFile::Impl::trim_count(const HistoryKey& key) {
  HistorySeries& target = touch(key);
  const std::int64_t most = target.rule.count;
  // Some at a time: a step costs more than a sample.
  if (target.count <= most + most / 16) return;
  cut.bind(1, target.id);
  cut.bind(2, target.count - most);
  const std::int64_t first_kept = cut.executeStep() ? cut.getColumn(0).getInt64() : next_sequence;
  cut.reset();
  delete_below.bind(1, target.id);
  delete_below.bind(2, first_kept);
  removed += static_cast<std::uint64_t>(delete_below.exec());
  delete_below.reset();
  target.count = most;
}

// Returns how many went.
int HistoryFile::Impl::trim_age(const HistoryKey& key, std::int64_t now_ms, int most) {
  HistorySeries& target = touch(key);
  const std::int64_t limit = now_ms - target.rule.age_ms;
  std::int64_t last_over = 0;
  int over = 0;
  target.oldest_ms = never_ms;
  oldest.bind(1, target.id);
  oldest.bind(2, now_ms);
  oldest.bind(3, most + 1);
  while (oldest.executeStep()) {
    target.oldest_ms = oldest.getColumn(1).getInt64();
    if (target.oldest_ms >= limit || over++ == most) break;
    last_over = oldest.getColumn(0).getInt64();
    target.oldest_ms = never_ms;
  }
  oldest.reset();
  delete_below.bind(1, target.id);
  delete_below.bind(2, last_over + 1);
  const int gone = delete_below.exec();
  removed += static_cast<std::uint64_t>(gone);
  delete_below.reset();
  went(target, gone);
  if (is_empty(target)) forget(key);
  return gone;
}

std::uint64_t HistoryFile::Impl::used_bytes() {
  std::uint64_t pages = 0;
  if (page_count.executeStep())
    pages = static_cast<std::uint64_t>(page_count.getColumn(0).getInt64());
  page_count.reset();
  if (free_count.executeStep())
    pages -= static_cast<std::uint64_t>(free_count.getColumn(0).getInt64());
  free_count.reset();
  return pages * sqlite_page_bytes;
}

std::int64_t HistoryFile::Impl::first_arrival(const HistorySeries& of) {
  oldest.bind(1, of.id);
  oldest.bind(2, never_ms);
  oldest.bind(3, 1);
  const std::int64_t came_ms = oldest.executeStep() ? oldest.getColumn(1).getInt64() : never_ms;
  oldest.reset();
  return came_ms;
}

// The oldest of all series, a step of everything that came.
void HistoryFile::Impl::trim_quota() {
  const std::int64_t step =
      std::max<std::int64_t>(1, (next_sequence - lowest_sequence) / quota_step);
  const std::int64_t below = lowest_sequence + step;
  std::vector<HistoryKey> empty;
  for (auto& [key, target] : series) {
    delete_below.bind(1, target.id);
    delete_below.bind(2, below);
    const int gone = delete_below.exec();
    delete_below.reset();
    if (gone == 0) continue;
    removed += static_cast<std::uint64_t>(gone);
    went(touch(key), gone);
    if (is_empty(target)) empty.push_back(key);
  }
  for (const HistoryKey& key : empty) forget(key);
  lowest_sequence = below;
}

HistoryFile::HistoryFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HistoryFile::~HistoryFile() = default;

Result<std::unique_ptr<HistoryFile>> HistoryFile::open(const std::filesystem::path& file,
                                                       std::uint64_t quota_bytes) {
  for (const bool second_try : {false, true}) {
    Status status;
    try {
      SQLite::Database db = open_sqlite(file, {.survives_power_loss = false});
      if (schema_of(db, schema_version) == 0) {
        db.exec(schema);
        db.exec(cat("PRAGMA user_version=", schema_version));
      }
      auto impl = std::make_unique<Impl>(file, quota_bytes, std::move(db));
      impl->load();
      return std::unique_ptr<HistoryFile>(new HistoryFile(std::move(impl)));
    } catch (const SQLite::Exception& error) {
      status = sqlite_failed(file, error);
    }
    if (second_try || status.code() != Code::malformed) return status;
    if (Status moved = replace(file, status); !moved.ok()) return moved;
  }
  return Status(Code::internal, "not reached");
}

Status HistoryFile::replace(const std::filesystem::path& file, const Status& why) {
  const auto aside = move_sqlite_aside(file);
  if (!aside && aside.status().code() != Code::not_found) return aside.status();
  base::log_error(cat("HISTORY DAMAGED: ", why.text(), aside.ok() ? "; it is kept as " : "",
                      aside.ok() ? aside->string() : "", "; a new one begins"));
  return Status();
}

Status HistoryFile::write(const std::set<dmi::ObjectId>& gone,
                          const std::deque<NewSample>& samples) {
  return impl_->transact([&] {
    for (const dmi::ObjectId& device : gone) impl_->forget(device);
    for (const NewSample& sample : samples) impl_->add(sample);
    // A step takes a part of what is there; so many steps take all of it.
    for (std::int64_t step = 0; step < 8 * quota_step; ++step) {
      if (impl_->used_bytes() <= impl_->quota_bytes || impl_->series.empty()) break;
      impl_->trim_quota();
    }
  });
}

Status HistoryFile::retain(const std::set<dmi::ObjectId>& devices) {
  std::set<dmi::ObjectId> gone;
  for (const auto& [key, unused] : impl_->series) {
    dmi::ObjectId device{std::get<0>(key), std::get<1>(key)};
    if (!devices.contains(device)) gone.insert(std::move(device));
  }
  return gone.empty() ? Status() : write(gone, {});
}

Result<std::int64_t> HistoryFile::nothing_over_ms() {
  std::int64_t least = never_ms;
  try {
    for (auto& [key, series] : impl_->series) {
      if (series.oldest_ms == 0) series.oldest_ms = impl_->first_arrival(series);
      if (series.oldest_ms != never_ms) {
        least = std::min(least, series.oldest_ms + series.rule.age_ms);
      }
    }
  } catch (const SQLite::Exception& error) {
    impl_->oldest.tryReset();
    return sqlite_failed(impl_->file, error);
  }
  return least;
}

Result<bool> HistoryFile::count_some() {
  try {
    if (!impl_->uncounted.empty()) impl_->count_some();
    return !impl_->uncounted.empty();
  } catch (const SQLite::Exception& error) {
    impl_->count_on.tryReset();
    return sqlite_failed(impl_->file, error);
  }
}

Result<bool> HistoryFile::prune(std::optional<std::int64_t> now_ms) {
  std::vector<HistoryKey> over;
  for (const auto& [key, series] : impl_->series) {
    if (now_ms && series.oldest_ms < *now_ms - series.rule.age_ms) over.push_back(key);
  }
  int left = prune_step;
  Status status;
  if (!over.empty()) {
    status = impl_->transact([&] {
      for (const HistoryKey& key : over) {
        if (left > 0) left -= impl_->trim_age(key, *now_ms, left);
      }
    });
  }
  if (!status.ok()) return status;
  if (left <= 0) return true;
  bool above = false;
  status = impl_->transact([&] {
    above = impl_->used_bytes() > impl_->quota_bytes && !impl_->series.empty();
    if (above) impl_->trim_quota();
  });
  if (!status.ok()) return status;
  return above;
}

Status HistoryFile::sync() {
  try {
    impl_->db.exec("PRAGMA wal_checkpoint(PASSIVE)");
    return Status();
  } catch (const SQLite::Exception& error) {
    return sqlite_failed(impl_->file, error);
  }
}

std::uint64_t HistoryFile::removed() const { return impl_->removed; }
std::uint64_t HistoryFile::series() const { return impl_->series.size(); }
std::uint64_t HistoryFile::bytes() const { return impl_->used_bytes(); }

}  // namespace devicetwin

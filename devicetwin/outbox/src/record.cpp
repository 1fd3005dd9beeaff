#include "record.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "dmi/json.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::array<std::pair<unsigned, std::string_view>, 6> words = {
    {{Gap::quota, "quota"},
     {Gap::disk, "disk"},
     {Gap::size, "size"},
     {Gap::damage, "damage"},
     {Gap::crash, "crash"},
     {Gap::refused, "refused"}}};

unsigned causes_of(std::string_view text) {
  unsigned causes = 0;
  for (const std::string_view part : base::split(text, '+')) {
    for (const auto& [bit, word] : words) {
      if (part == word) causes |= bit;
    }
  }
  return causes;
}

// Numbers stay below 2^53, which every JSON reader can hold.
constexpr std::int64_t max_number = (std::int64_t{1} << 53) - 1;

bool number(const dmi::Json& json, const char* key, std::uint64_t& out) {
  const auto found = json.find(key);
  std::int64_t value = 0;
  if (found == json.end() || !dmi::to_int64(*found, value)) return false;
  if (value < 0 || value > max_number) return false;
  out = static_cast<std::uint64_t>(value);
  return true;
}

std::int64_t time_of(const dmi::Json& json, const char* key) {
  const auto found = json.find(key);
  std::int64_t ms = 0;
  if (found != json.end()) dmi::to_int64(*found, ms);
  return ms;
}

}  // namespace

std::string cause_text(unsigned causes) {
  std::string text;
  for (const auto& [bit, word] : words) {
    if ((causes & bit) == 0) continue;
    if (!text.empty()) text += '+';
    text += word;
  }
  return text;
}

std::string gap_text(const Gap& gap) {
  return cat("{\"from\":", gap.from, ",\"to\":", gap.to, ",\"count\":", gap.count,
             ",\"at_least\":", gap.at_least, ",\"bytes\":", gap.bytes, ",\"first\":", gap.first_ms,
             ",\"last\":", gap.last_ms, ",\"cause\":\"", cause_text(gap.causes), "\"}");
}

namespace outbox {

std::uint64_t cost(const Record& record) {
  return Outbox::row_bytes + (record.gap ? 0 : record.topic.size() + record.payload.size());
}

Row encode(const Record& record) {
  const auto sequence = static_cast<std::int64_t>(record.sequence);
  if (record.gap) return {sequence, 1, record.gap->first_ms, "", gap_text(*record.gap)};
  return {sequence, 0, record.time_ms, record.topic, record.payload};
}

Record decode(Row row) {
  Record record;
  record.sequence = static_cast<std::uint64_t>(std::max<std::int64_t>(row.sequence, 0));
  if (row.kind == 0) {
    record.time_ms = row.time_ms;
    record.topic = std::move(row.topic);
    record.payload = std::move(row.payload);
    return record;
  }
  if (row.kind == 1) {
    const auto gap = parse_gap(row.payload);
    if (gap.ok() && gap->to == record.sequence) {
      record.gap = *gap;
      return record;
    }
  }
  record.gap = Gap{.from = record.sequence,
                   .to = record.sequence,
                   .count = 0,
                   .at_least = true,
                   .causes = Gap::damage};
  return record;
}

Result<Gap> parse_gap(std::string_view text) {
  const auto json = dmi::parse_json(text);
  Gap gap;
  if (!json.ok() || !json->is_object() || !number(*json, "from", gap.from) ||
      !number(*json, "to", gap.to) || !number(*json, "count", gap.count) ||
      !number(*json, "bytes", gap.bytes) || gap.from > gap.to || gap.from == 0) {
    return Status(Code::malformed, "a stored gap is none");
  }
  gap.first_ms = time_of(*json, "first");
  gap.last_ms = time_of(*json, "last");
  const auto at_least = json->find("at_least");
  gap.at_least = at_least != json->end() && at_least->is_boolean() && at_least->get<bool>();
  const auto cause = json->find("cause");
  if (cause != json->end() && cause->is_string()) {
    gap.causes = causes_of(cause->get_ref<const std::string&>());
  }
  return gap;
}

void join(Gap& gap, const Gap& later) {
  if (gap.first_ms == 0) gap.first_ms = later.first_ms;
  if (later.last_ms != 0) gap.last_ms = later.last_ms;
  gap.to = later.to;
  gap.count += later.count;
  gap.bytes += later.bytes;
  gap.at_least = gap.at_least || later.at_least;
  gap.causes |= later.causes;
}

Gap gap_of(const Record& record, unsigned cause) {
  if (record.gap) return *record.gap;
  return {.from = record.sequence,
          .to = record.sequence,
          .count = 1,
          .at_least = false,
          .bytes = record.topic.size() + record.payload.size(),
          .first_ms = record.time_ms,
          .last_ms = record.time_ms,
          .causes = cause};
}

Gap after(Gap gap, std::uint64_t number) {
  if (number < gap.from) return gap;
  gap.from = number + 1;
  gap.count = std::min(gap.count, gap.to - number);
  return gap;
}

}  // namespace outbox
}  // namespace devicetwin

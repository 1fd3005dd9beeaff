// Gaps and stored rows, put together and taken apart. Pure; any thread.
#pragma once

#include <string_view>

#include "base/status.hpp"
#include "devicetwin/outbox.hpp"

namespace devicetwin::outbox {

// One row of the file, whoever wrote it.
struct Row {
  std::int64_t sequence = 0;  // as stored
  std::int64_t kind = 0;      // 0: a record; 1: a gap, its JSON in the payload
  std::int64_t time_ms = 0;
  std::string topic = {};
  std::string payload = {};
};

// What a record costs the quota.
std::uint64_t cost(const Record& record);
Row encode(const Record& record);
// A row that makes no sense is a gap of its own number, with cause damage: never an error, because
// the queue must go on.
Record decode(Row row);
// malformed: not gap_text's form.
base::Result<Gap> parse_gap(std::string_view text);
// Adds a later loss to a gap: numbers are joined, sums added, causes united.
void join(Gap& gap, const Gap& later);
Gap gap_of(const Record& record, unsigned cause);
// The part of a gap after a number; the sums stay those of the whole.
Gap after(Gap gap, std::uint64_t number);

}  // namespace devicetwin::outbox

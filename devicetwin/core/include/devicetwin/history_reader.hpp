// Reading a property's past, whoever keeps it: what the event bus and the HTTPS endpoint need of
// devicetwin/history. Confined to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"

namespace devicetwin {

struct HistorySample {
  std::int64_t time_ms = 0;  // source time
  std::int64_t came_ms = 0;  // when devicetwin had it
  std::string value;
  std::string type;      // as in TwinRow
  base::Status quality;  // why the value is not to be trusted; ok otherwise
  friend bool operator==(const HistorySample&, const HistorySample&) = default;
};

struct HistoryQuery {
  // One answer's samples and bytes of text; the rest comes with the continue token.
  static constexpr std::size_t max_limit = 10'000;
  static constexpr std::size_t default_limit = 1'000;
  static constexpr std::size_t most_bytes = 4u << 20;

  dmi::ObjectId device = {};
  std::string property = {};
  std::optional<std::int64_t> from_ms = {};  // source time, inclusive
  std::optional<std::int64_t> to_ms = {};    // exclusive, so that ranges join without overlap
  std::size_t limit = default_limit;         // 1..max_limit
  std::size_t max_bytes = most_bytes;        // at least one sample is answered whatever its size
  bool newest_first = false;
  std::string token = {};  // of the answer before, of the same query
};

struct HistoryPage {
  std::vector<HistorySample> samples;
  std::string token;  // "": that was all
};

// {"samples":[{"time":ms,"value":"…","type":"…","status":"ok","came":ms}],"continue":"…"}; a sample
// whose status is not ok has its reason too; continue is absent when that was all.
std::string to_json(const HistoryPage& page);

// The parameters of a query as every wire writes them; invalid or out_of_range: key and remedy.
base::Status read_history_time(std::string_view key, std::string_view text,
                               std::optional<std::int64_t>& ms);  // ms since 1970 or RFC 3339
base::Status check_history_limit(std::int64_t limit);
base::Status read_history_order(std::string_view word, bool& newest_first);  // asc, desc; "": asc

class HistoryReader {
 public:
  using Done = std::function<void(base::Result<HistoryPage>)>;
  virtual ~HistoryReader() = default;
  // done is called on the loop, never before this returns, with everything that changed before the
  // call. not_found: no such device, or the property keeps no history; invalid: the token;
  // out_of_range: the limit; unavailable: too many queries wait, or the disk fails.
  virtual void query(HistoryQuery query, Done done) = 0;
};

}  // namespace devicetwin

// How much of a property's past the edge core keeps: the keys historyAge and historyCount in
// visitors.configData. They are flat because stock EdgeCore takes no nested value there, and they
// are the edge core's, not the driver's. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.hpp"
#include "dmi/config.hpp"

namespace dmi {

struct HistoryRule {
  std::int64_t age_ms = 0;  // older samples go; 0: no history is kept
  std::int64_t count = 0;   // past so many the oldest go; 0: no history is kept

  bool keeps() const { return age_ms > 0 && count > 0; }
  friend bool operator==(const HistoryRule&, const HistoryRule&) = default;
};

inline constexpr std::string_view history_age_key = "historyAge";
inline constexpr std::string_view history_count_key = "historyCount";
// Of a property that states one key only: a day; one sample every nine seconds of it.
inline constexpr HistoryRule default_history{24 * 3'600'000, 10'000};
inline constexpr std::int64_t min_history_age_ms = 1'000;
inline constexpr std::int64_t max_history_age_ms = std::int64_t{366} * 24 * 3'600'000;
// A series is a curve to look at, not an archive: a sample a second for eleven days.
inline constexpr std::int64_t max_history_count = 1'000'000;

// "500ms", "90s", "15m", "24h", "7d", or "0". out_of_range: neither 0 nor 1 s .. 366 d.
base::Result<std::int64_t> parse_history_age(std::string_view text);
// "24h" or "24h,10000", as in the flag --history.
base::Result<HistoryRule> parse_history_rule(std::string_view text);
// What a property's visitors.configData asks for; fallback when it has neither key. Either key as
// 0: none. invalid, out_of_range: with the key's path.
base::Result<HistoryRule> read_history_rule(const Config& visitor, HistoryRule fallback);

}  // namespace dmi

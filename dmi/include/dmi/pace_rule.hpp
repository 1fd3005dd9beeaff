// How densely the edge core takes a property's reports: the keys deadband, minInterval and
// maxInterval in visitors.configData. They are the edge core's, not the driver's. Pure; any thread.
#pragma once

#include <chrono>
#include <string_view>

#include "base/status.hpp"
#include "dmi/config.hpp"

namespace dmi {

struct PaceRule {
  // A number that differs by less from the last one taken counts as the same; 0: none.
  double deadband = 0;
  // A change sooner than this after the last one taken waits, the newest of them; 0: none.
  std::chrono::milliseconds least{0};
  // A report later than this after the last one told is told again although it says the same; 0:
  // never.
  std::chrono::milliseconds most{0};

  bool paces() const { return deadband > 0 || least.count() > 0 || most.count() > 0; }
  friend bool operator==(const PaceRule&, const PaceRule&) = default;
};

inline constexpr std::string_view deadband_key = "deadband";
inline constexpr std::string_view min_interval_key = "minInterval";  // milliseconds
inline constexpr std::string_view max_interval_key = "maxInterval";  // milliseconds
inline constexpr std::int64_t max_pace_ms = 24 * 3'600'000;

// What a property's visitors.configData asks for; nothing where it has none of the keys. invalid,
// out_of_range: with the key's path; also when minInterval is above maxInterval.
base::Result<PaceRule> read_pace_rule(const Config& visitor);

}  // namespace dmi

// What this program was built from, and with it the earliest time that a right clock can show: a
// program is not run before it is written. Nodes without a clock battery start in 1970; what they
// stamp, expire and renew by such a calendar cannot be taken back (docs/decisions/0018).
// Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/loop.hpp"

namespace base {

struct Build {
  std::string_view version;  // of the file VERSION: "0.6.0"
  std::string_view commit;   // of HEAD, 12 digits; "no commit": built outside of a repository
  Time date;                 // SOURCE_DATE_EPOCH of the build, else the commit's
};
const Build& build();

// "devicetwin 0.6.0 (0123456789ab)": what every program says to --version.
std::string version_text(std::string_view program);

// Whether a calendar may decide what cannot be taken back: it shows no time before build().date.
bool believable(Time wall);
// wall, or build().date where that is later.
Time believed(Time wall);

}  // namespace base

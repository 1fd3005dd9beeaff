// The one file that a commit compiles anew.
#include "base/build.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "build_facts.hpp"

namespace base {

const Build& build() {
  static constexpr Build facts{BUILD_VERSION, BUILD_COMMIT, Time(BUILD_DATE)};
  return facts;
}

std::string version_text(std::string_view program) {
  return cat(program, ' ', build().version, " (", build().commit, ')');
}

bool believable(Time wall) { return wall >= build().date; }
Time believed(Time wall) { return std::max(wall, build().date); }

}  // namespace base

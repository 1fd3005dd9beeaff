#include "tools/units.hpp"

#include <bitset>

#include "base/text.hpp"

namespace modbus_tools {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

Result<std::vector<std::uint8_t>> parse_units(std::string_view text) {
  std::vector<std::uint8_t> units;
  std::bitset<256> seen;
  for (const std::string_view part : base::split(text, ',')) {
    const std::size_t dots = part.find("..");
    std::int64_t first = -1;
    std::int64_t last = -1;
    const bool good = base::parse_int(part.substr(0, dots), first) &&
                      (dots == part.npos || base::parse_int(part.substr(dots + 2), last));
    if (dots == part.npos) last = first;
    if (!good || first < 0 || last > 255 || first > last) {
      return Status(Code::invalid, cat('"', base::cut(part, 20),
                                       "\" is no unit (0..255) and no range of them (1..247)"));
    }
    for (std::int64_t unit = first; unit <= last; ++unit) {
      const auto index = static_cast<std::size_t>(unit);
      if (!seen.test(index)) units.push_back(static_cast<std::uint8_t>(unit));
      seen.set(index);
    }
  }
  return units;
}

std::string shown(const std::vector<std::uint8_t>& units) {
  std::string text;
  for (std::size_t i = 0; i < units.size();) {
    std::size_t end = i + 1;
    while (end < units.size() && units[end] == units[end - 1] + 1) ++end;
    text += cat(text.empty() ? "" : ", ", int{units[i]});
    if (end - i > 1) text += cat(end - i > 2 ? ".." : ", ", int{units[end - 1]});
    i = end;
  }
  return text;
}

std::string counted(std::size_t count, std::string_view word) {
  return cat(count, " ", word, count == 1 ? "" : "s");
}

}  // namespace modbus_tools

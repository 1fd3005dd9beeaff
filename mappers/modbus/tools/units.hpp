// Lists of units as people type them, and counts of things. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"

namespace modbus_tools {

// "7", "1..247", "1,5,10..20": in that order, each once. 0..255.
base::Result<std::vector<std::uint8_t>> parse_units(std::string_view text);

// "1, 2, 5..9"; units in rising order.
std::string shown(const std::vector<std::uint8_t>& units);

// "1 unit", "3 units".
std::string counted(std::size_t count, std::string_view word);

}  // namespace modbus_tools

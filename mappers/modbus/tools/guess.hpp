// What registers may mean: every type and every order of bytes, and which of them make sense. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "modbus/pdu.hpp"

namespace modbus_tools {

// What the user knows of the value.
struct Plausible {
  std::optional<double> low;  // --plausible 20..30
  std::optional<double> high;
  std::vector<double> expected;  // --expect 21.5: within 1 %

  bool says_something() const { return low || high || !expected.empty(); }
  bool holds(double value) const;
};

struct Guess {
  std::string visitor;  // "{register: HoldingRegister, offset: 100, dataType: float32}"
  std::string data;     // "float32"
  std::string order;    // "ABCD", "CDAB" …; "AB", "BA" for one register
  std::uint16_t offset = 0;
  std::string value;  // "" when these bits have none
  double scale = 1;   // with which an integer is plausible
  bool plausible = false;
};

// Every reading of words, which were read from table at first: all types that fit, at every
// position. An integer is also tried as tenths, hundredths and thousandths. When plausible says
// nothing, a float between a millionth and a thousand million in size counts as plausible: wrong
// orders of bytes rarely give one.
std::vector<Guess> guesses(modbus::Table table, std::uint16_t first,
                           std::span<const std::uint16_t> words, const Plausible& plausible);

}  // namespace modbus_tools

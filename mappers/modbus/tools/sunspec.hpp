// SunSpec information models: the public definitions (model_N.json) and what stands in a device.
// Pure; any thread. Definitions and registers are a stranger's: absurd ones are refused with a
// text. Source: SunSpec Device Information Model Specification V1.1, sections 4 (types, "not
// implemented" values, scale factors) and 6 (discovery, models one after the other, end model
// 0xFFFF).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "dmi/json.hpp"

namespace modbus_tools::sunspec {

// Where the marker "SunS" may stand: 40000 in nearly every device.
inline constexpr std::array<std::uint16_t, 3> bases = {40000, 0, 50000};
inline constexpr std::uint32_t marker = 0x53756e53;
inline constexpr std::uint16_t end_model = 0xffff;
// Models of one device. Real ones have some 20; more is a chain that was misread.
inline constexpr std::size_t max_models = 256;

// A model as it stands in a device.
struct Found {
  std::uint16_t id = 0;
  std::uint16_t address = 0;         // of its ID register
  std::uint16_t length = 0;          // L: registers after ID and L
  std::vector<std::uint16_t> words;  // ID and L included
};

struct Symbol {
  std::int64_t value = 0;
  std::string label;
};

// A scale factor: fixed, or the address of its register.
struct Scale {
  int exponent = 0;
  std::optional<std::uint16_t> address;
};

// A point of a model at its address in the device.
struct Point {
  std::string model;  // the name of the model's group: "inverter"
  std::string name;   // within the model: "W", "module-1-DCA"
  std::string type;   // SunSpec's: "uint16", "enum16" …
  std::string description;
  std::string units;
  std::uint16_t address = 0;
  std::uint16_t size = 1;  // registers
  bool writable = false;
  std::optional<Scale> scale;
  std::vector<Symbol> symbols;
  std::size_t found = 0;  // the position of its model in the device
};

using Note = std::function<void(const std::string& text)>;

// The points of a model, laid over its registers: those that carry values, without ID, L, pads and
// scale factors. note hears what is left out, and why. invalid: no definition of this model, or one
// that makes no sense: the text names the file's place.
base::Result<std::vector<Point>> points_of(const dmi::Json& definition, const Found& found,
                                           const Note& note);

// The text of a string point: "" when it is not implemented.
std::string text_of(const Found& found, const Point& point);

}  // namespace modbus_tools::sunspec

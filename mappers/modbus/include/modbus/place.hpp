// Where a point lies in a unit and how its bits become a value. Parsed once from the visitor's
// configData. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.hpp"
#include "mapper/driver.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

// How the registers of a point are to be read.
enum class DataType : std::uint8_t {
  boolean,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  float32,
  float64,
};
std::string_view name(DataType type);  // "bool", "int16" ...
std::uint16_t words_of(DataType type);

struct Place {
  Range range;  // of the value
  DataType data = DataType::uint16;
  dmi::Type type = dmi::Type::integer;  // what the value becomes
  bool swap_bytes = false;              // isSwap: the two bytes of every word
  bool swap_words = false;              // isRegisterSwap: the order of the words
  // range and what must be read with it (its scale factor): one request, one table.
  Range hull = {};
  std::string pin = {};  // points with the same one are read in one request; "" with any or none
  friend bool operator==(const Place&, const Place&) = default;
};

// Keys: register, offset, limit, dataType, isSwap, isRegisterSwap (scale and valueOffset are the
// SDK's). Every error is invalid or unsupported and carries the path and the limit it broke.
base::Result<Place> parse_place(const mapper::Point& point);

}  // namespace modbus

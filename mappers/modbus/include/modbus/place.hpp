// Where a point lies in a unit and how its bits become a value; and the settings of a device.
// Parsed once from the visitor's and the protocol's configData. Pure.
#pragma once

#include <chrono>
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
  Range range;
  DataType data = DataType::uint16;
  dmi::Type type = dmi::Type::integer;  // what the value becomes
  bool swap_bytes = false;              // isSwap: the two bytes of every word
  bool swap_words = false;              // isRegisterSwap: the order of the words
};

// Keys: register, offset, limit, dataType, isSwap, isRegisterSwap (scale and valueOffset are the
// SDK's). Every error is invalid or unsupported and carries the path and the limit it broke.
base::Result<Place> parse_place(const mapper::Point& point);

// Keys: ip, port, slaveID, timeout, maxRegisters, maxBits, maxGap.
struct Settings {
  std::string host;  // name or address
  std::uint16_t port = 502;
  std::uint8_t unit = 1;
  std::chrono::milliseconds timeout{1000};  // from sending a request to its whole answer
  std::uint16_t max_registers = max_read_registers;
  std::uint16_t max_bits = max_read_bits;
  // Registers nobody asked for that are read to save a request. A second request costs a round
  // trip, 1 to 50 ms at real controllers; 16 registers cost 32 bytes. Not more, because the wider
  // a gap, the likelier an address in it that the unit does not have.
  std::uint16_t max_gap = 16;
};
base::Result<Settings> parse_settings(const dmi::Config& protocol);

}  // namespace modbus

// Places for tests, parsed as a mapper would, and registers as bytes.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>
#include <vector>

#include "modbus/codec.hpp"
#include "modbus/points.hpp"

namespace modbus_test {

using modbus::DataType;

// The visitor of holding register 40 with more keys laid over it.
inline Json visitor(Json keys) {
  Json made = at("HoldingRegister", 40);
  made.update(keys);
  return made;
}

inline modbus::Place place(dmi::Type type, Json keys, bool writable = false) {
  const auto made = modbus::parse_place(point(type, visitor(std::move(keys)), writable));
  EXPECT_TRUE(made.ok()) << made.status().text();
  return made ? *made : modbus::Place();
}

// The type a property of these data naturally has.
inline dmi::Type natural(DataType data) {
  if (data == DataType::boolean) return dmi::Type::boolean;
  if (data == DataType::float32) return dmi::Type::float32;
  return data == DataType::float64 ? dmi::Type::float64 : dmi::Type::integer;
}

inline std::vector<std::uint8_t> wire(const std::vector<std::uint16_t>& words) {
  std::vector<std::uint8_t> bytes;
  for (const std::uint16_t word : words) {
    bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    bytes.push_back(static_cast<std::uint8_t>(word & 0xff));
  }
  return bytes;
}

// What place reads from these registers, the first of its hull first.
inline base::Result<dmi::Value> read(const modbus::Place& place,
                                     const std::vector<std::uint16_t>& words) {
  return modbus::decode(place, wire(words), 0);
}

inline std::vector<std::uint16_t> written(const modbus::Place& place, const dmi::Value& value) {
  const auto made = modbus::encode(place, value, std::nullopt);
  EXPECT_TRUE(made.ok()) << made.status().text();
  return made ? made->words : std::vector<std::uint16_t>();
}

inline std::string refused(const modbus::Place& place, const dmi::Value& value) {
  const auto made = modbus::encode(place, value, std::nullopt);
  EXPECT_FALSE(made.ok());
  return made.status().to_string();
}

}  // namespace modbus_test

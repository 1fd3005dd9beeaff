// Characters, bytes and labels of registers. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/status.hpp"
#include "dmi/value.hpp"
#include "modbus/codec.hpp"
#include "modbus/place.hpp"

namespace modbus {

// bytes: all registers of place. malformed: not of its encoding; the text names the byte.
base::Result<dmi::Value> decode_text(const Place& place, Bytes bytes);
// out_of_range: too long, or characters that the encoding has not; invalid: of another type, or
// it would be read back without its end.
base::Result<Written> encode_text(const Place& place, const dmi::Value& value);

// "off, on": at most ten.
std::string list_of(const std::vector<Label>& labels);

// What the elements of an array become before they are written as JSON.
inline dmi::Type element_type(DataType data) {
  if (data == DataType::boolean) return dmi::Type::boolean;
  if (data == DataType::float32) return dmi::Type::float32;
  return data == DataType::float64 ? dmi::Type::float64 : dmi::Type::integer;
}

}  // namespace modbus

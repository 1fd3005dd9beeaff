// Registers and bits to values, and back. Pure; nothing allocates but error texts.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "dmi/value.hpp"
#include "modbus/pdu.hpp"
#include "modbus/place.hpp"

namespace modbus {

// Registers of one value on their way out, in wire order.
struct Words {
  std::array<std::uint16_t, 4> words{};
  std::size_t count = 0;
  std::span<const std::uint16_t> view() const { return std::span(words).first(count); }
};

// The value of place in the payload of a read answer, index addresses after the answer's first.
// The value is of place.type: bool, int64 or double. A float register of an INT property stays a
// double, for the SDK to scale and round.
// out_of_range: an unsigned 64-bit number beyond int64; a float that is not finite.
base::Result<dmi::Value> decode(const Place& place, Bytes payload, std::size_t index);

// The registers that make place hold value; what decode() gives is taken back unchanged. A number
// for integer registers is rounded to the nearest, because undoing a scale of 0.1 leaves 215.00…03.
// A bit is set by true or 1. out_of_range: it does not fit, the text names the limits;
// invalid: not a number.
base::Result<Words> encode(const Place& place, const dmi::Value& value);
base::Result<bool> encode_bit(const dmi::Value& value);

}  // namespace modbus

// Numbers as the registers of a place hold them: limits, names, BCD. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "modbus/place.hpp"

namespace modbus {

struct NumberSpan {
  std::int64_t low;
  std::int64_t high;
};
// Of one value of place that is a whole number. uint64: up to what a property holds.
NumberSpan span_of(const Place& place);
// "int16", "3 bits", "a coil": what one value of place is called in texts.
std::string kind_of(const Place& place);

// Bytes of one value on the wire: 2, 4, 6 or 8.
inline std::size_t width_of(DataType data) { return std::size_t{2} * words_of(data); }
// The bits that one value can have.
inline std::uint64_t mask_of(const Place& place) {
  const std::size_t bits = place.shape == Shape::field ? place.bit_count : 8 * width_of(place.data);
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

inline constexpr int max_exponent = 10;  // of a scale factor, either way: SunSpec's own limits
// 10^|exponent|.
std::int64_t power_of_ten(int exponent);

// A number to its decimal digits, one per nibble; it must have at most 16 (asserts).
std::uint64_t to_bcd(std::uint64_t number);

}  // namespace modbus

#include "number.hpp"

#include <cassert>

#include "base/text.hpp"

namespace modbus {

using base::cat;

NumberSpan span_of(const Place& place) {
  if (place.shape == Shape::field) return {0, static_cast<std::int64_t>(mask_of(place))};
  switch (place.data) {
    case DataType::boolean:
      return {0, 1};
    case DataType::int16:
      return {INT16_MIN, INT16_MAX};
    case DataType::uint16:
      return {0, UINT16_MAX};
    case DataType::int32:
      return {INT32_MIN, INT32_MAX};
    case DataType::uint32:
      return {0, UINT32_MAX};
    case DataType::int48:
      return {-(std::int64_t{1} << 47), (std::int64_t{1} << 47) - 1};
    case DataType::uint48:
      return {0, (std::int64_t{1} << 48) - 1};
    case DataType::uint64:
      return {0, INT64_MAX};
    case DataType::bcd16:
      return {0, 9'999};
    case DataType::bcd32:
      return {0, 99'999'999};
    case DataType::bcd64:
      return {0, 9'999'999'999'999'999};
    default:
      return {INT64_MIN, INT64_MAX};
  }
}

std::string kind_of(const Place& place) {
  const bool coils = is_bits(place.range.table);
  if (place.shape == Shape::field) {
    return cat(static_cast<int>(place.bit_count), coils                  ? " coils"
                                                  : place.bit_count == 1 ? " bit"
                                                                         : " bits");
  }
  return coils ? "a coil" : std::string(name(place.data));
}

std::int64_t power_of_ten(int exponent) {
  static constexpr std::int64_t powers[max_exponent + 1] = {
      1,         10,         100,         1'000,         10'000,        100'000,
      1'000'000, 10'000'000, 100'000'000, 1'000'000'000, 10'000'000'000};
  return powers[exponent < 0 ? -exponent : exponent];
}

std::uint64_t to_bcd(std::uint64_t number) {
  std::uint64_t bits = 0;
  for (int shift = 0; number != 0; shift += 4) {
    assert(shift < 64);
    bits |= number % 10 << shift;
    number /= 10;
  }
  return bits;
}

}  // namespace modbus

#include "modbus/codec.hpp"

#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

std::uint16_t swapped(std::uint16_t word) {
  return static_cast<std::uint16_t>(word << 8 | word >> 8);
}

// Words to one number, the first word the highest unless swapped.
std::uint64_t gather(const Place& place, Bytes bytes) {
  const std::size_t count = place.range.count;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t word = word_at(bytes, place.swap_words ? count - 1 - i : i);
    if (place.swap_bytes) word = swapped(word);
    bits = bits << 16 | word;
  }
  return bits;
}

Words scatter(const Place& place, std::uint64_t bits) {
  Words out;
  out.count = place.range.count;
  for (std::size_t i = 0; i < out.count; ++i) {
    auto word = static_cast<std::uint16_t>(bits >> (16 * (out.count - 1 - i)) & 0xffff);
    if (place.swap_bytes) word = swapped(word);
    out.words[place.swap_words ? out.count - 1 - i : i] = word;
  }
  return out;
}

Value integer_value(const Place& place, std::int64_t number) {
  if (place.type == dmi::Type::boolean) return number != 0;
  if (place.type == dmi::Type::integer) return number;
  return static_cast<double>(number);
}

Result<Value> float_value(const Place& place, double number) {
  if (!std::isfinite(number)) {
    return Status(Code::out_of_range, cat(name(place.data), " in ", place.range.to_string(),
                                          " is not a finite number"));
  }
  if (place.type == dmi::Type::boolean) return Value(number != 0);
  return Value(number);
}

Result<Value> unsigned64_value(const Place& place, std::uint64_t number) {
  if (place.type == dmi::Type::float32 || place.type == dmi::Type::float64) {
    return Value(static_cast<double>(number));
  }
  if (place.type == dmi::Type::boolean) return Value(number != 0);
  if (number > static_cast<std::uint64_t>(INT64_MAX)) {
    return Status(Code::out_of_range, cat(number, " in ", place.range.to_string(), " is above ",
                                          INT64_MAX, ", the largest integer a property holds"));
  }
  return Value(static_cast<std::int64_t>(number));
}

struct Span {
  std::int64_t low;
  std::int64_t high;
};
Span span_of(DataType data) {
  switch (data) {
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
    case DataType::uint64:
      return {0, INT64_MAX};
    default:
      return {INT64_MIN, INT64_MAX};
  }
}

Status does_not_fit(const std::string& number, std::string_view what, Span span) {
  return Status(Code::out_of_range,
                cat(number, " does not fit in ", what, " (", span.low, "..", span.high, ")"));
}

// The whole number to write.
Result<std::int64_t> whole(const Value& value, std::string_view what, Span span) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (*integer < span.low || *integer > span.high) return does_not_fit(cat(*integer), what, span);
    return *integer;
  }
  double number = 0;
  if (!dmi::to_number(value, number)) {
    return Status(Code::invalid, cat("only a number can be written to ", what));
  }
  const double rounded = std::round(number);
  // Compared as doubles first: a cast of what int64 cannot hold is undefined. 2^63 itself is out.
  if (!(rounded >= static_cast<double>(span.low) && rounded <= static_cast<double>(span.high)) ||
      rounded >= 9223372036854775808.0) {
    return does_not_fit(cat(number), what, span);
  }
  return static_cast<std::int64_t>(rounded);
}

Result<Words> encode_float(const Place& place, const Value& value) {
  double number = 0;
  if (!dmi::to_number(value, number)) {
    return Status(Code::invalid, cat("only a number can be written to ", name(place.data)));
  }
  if (place.data == DataType::float64) return scatter(place, std::bit_cast<std::uint64_t>(number));
  const auto narrow = static_cast<float>(number);
  if (std::isfinite(number) && !std::isfinite(narrow)) {
    return Status(Code::out_of_range, cat(number, " does not fit in float32"));
  }
  return scatter(place, std::bit_cast<std::uint32_t>(narrow));
}

}  // namespace

Result<Value> decode(const Place& place, Bytes payload, std::size_t index) {
  if (is_bits(place.range.table)) return integer_value(place, bit_at(payload, index) ? 1 : 0);
  const std::uint64_t bits = gather(place, payload.subspan(2 * index));
  switch (place.data) {
    case DataType::boolean:
      return integer_value(place, bits != 0 ? 1 : 0);
    case DataType::int16:
      return integer_value(place, static_cast<std::int16_t>(bits));
    case DataType::uint16:
    case DataType::uint32:
      return integer_value(place, static_cast<std::int64_t>(bits));
    case DataType::int32:
      return integer_value(place, static_cast<std::int32_t>(bits));
    case DataType::int64:
      return integer_value(place, static_cast<std::int64_t>(bits));
    case DataType::uint64:
      return unsigned64_value(place, bits);
    case DataType::float32:
      return float_value(
          place, static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))));
    case DataType::float64:
      break;
  }
  return float_value(place, std::bit_cast<double>(bits));
}

Result<Words> encode(const Place& place, const Value& value) {
  assert(!is_bits(place.range.table));
  if (place.data == DataType::float32 || place.data == DataType::float64) {
    return encode_float(place, value);
  }
  const Result<std::int64_t> number = whole(value, name(place.data), span_of(place.data));
  if (!number) return number.status();
  return scatter(place, static_cast<std::uint64_t>(*number));
}

Result<bool> encode_bit(const Value& value) {
  const Result<std::int64_t> number = whole(value, "a coil", {0, 1});
  if (!number) return number.status();
  return *number != 0;
}

}  // namespace modbus

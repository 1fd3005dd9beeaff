// Decoding. The way of a plain number is short: gather() and plain_value(), nothing allocated.
#include "modbus/codec.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/text.hpp"
#include "codec_text.hpp"
#include "number.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

template <std::size_t width>
inline std::uint64_t gather(const Place& place, const std::uint8_t* at) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < width; ++i) bits = bits << 8 | at[place.order[i]];
  return bits;
}

inline std::uint64_t gather(const Place& place, const std::uint8_t* at) {
  switch (words_of(place.data)) {
    case 1:
      return gather<2>(place, at);
    case 2:
      return gather<4>(place, at);
    case 3:
      return gather<6>(place, at);
    default:
      return gather<8>(place, at);
  }
}

inline bool set(dmi::Type as, std::int64_t number, Value& out) {
  if (as == dmi::Type::boolean) {
    out = number != 0;
  } else if (as == dmi::Type::float32 || as == dmi::Type::float64) {
    out = static_cast<double>(number);
  } else {
    out = number;
  }
  return true;
}

inline bool set(dmi::Type as, double number, Value& out) {
  if (!std::isfinite(number)) return false;
  if (as == dmi::Type::boolean) {
    out = number != 0;
  } else {
    out = number;
  }
  return true;
}

// The highest nibble first; its position of a digit above 9, or -1.
int bad_nibble(std::uint64_t bits, std::size_t width) {
  for (std::size_t i = 0; i < 2 * width; ++i) {
    if ((bits >> (4 * (2 * width - 1 - i)) & 15) > 9) return static_cast<int>(i);
  }
  return -1;
}

bool from_bcd(std::uint64_t bits, std::size_t width, std::int64_t& number) {
  if (bad_nibble(bits, width) >= 0) return false;
  number = 0;
  for (std::size_t i = 2 * width; i-- > 0;) {
    number = number * 10 + static_cast<std::int64_t>(bits >> (4 * i) & 15);
  }
  return true;
}

// The whole number in bits; false: it is none, or beyond int64.
inline bool whole(DataType data, std::uint64_t bits, std::int64_t& out) {
  switch (data) {
    case DataType::boolean:
      out = bits != 0 ? 1 : 0;
      return true;
    case DataType::int16:
      out = static_cast<std::int16_t>(bits);
      return true;
    case DataType::int32:
      out = static_cast<std::int32_t>(bits);
      return true;
    case DataType::int48:
      out = static_cast<std::int64_t>(bits << 16) >> 16;
      return true;
    case DataType::uint64:
      out = static_cast<std::int64_t>(bits);
      return out >= 0;
    case DataType::bcd16:
    case DataType::bcd32:
    case DataType::bcd64:
      return from_bcd(bits, width_of(data), out);
    default:
      out = static_cast<std::int64_t>(bits);
      return true;
  }
}

// The value in bits; false: there is none, why_not() says why.
inline bool plain_value(DataType data, std::uint64_t bits, dmi::Type as, Value& out) {
  if (data == DataType::float32) {
    return set(as, static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits))),
               out);
  }
  if (data == DataType::float64) return set(as, std::bit_cast<double>(bits), out);
  std::int64_t number = 0;
  if (whole(data, bits, number)) return set(as, number, out);
  const bool too_big =
      data == DataType::uint64 && as != dmi::Type::integer && as != dmi::Type::string;
  return too_big && set(as, static_cast<double>(bits), out);
}

std::string hex(std::uint64_t bits, std::size_t digits) {
  std::string text = "0x";
  for (std::size_t i = digits; i-- > 0;) text += "0123456789ABCDEF"[bits >> (4 * i) & 15];
  return text;
}

std::string hex_of(const Place& place, std::uint64_t bits) {
  const bool field = place.shape == Shape::field;
  return hex(bits, field ? (place.bit_count + 3u) / 4u : 2 * width_of(place.data));
}

// range: where this value lies; of an array, its element.
Status why_not(const Place& place, const Range& range, std::uint64_t bits) {
  const std::string where = range.to_string();
  if (is_float(place.data)) {
    return Status(Code::out_of_range,
                  cat(name(place.data), " in ", where, " is not a finite number"));
  }
  if (is_bcd(place.data)) {
    const std::size_t width = width_of(place.data);
    return Status(Code::malformed,
                  cat(hex(bits, 2 * width), " in ", where, " is not ", name(place.data),
                      ": nibble ", bad_nibble(bits, width) + 1, " of ", 2 * width, " is above 9"));
  }
  return Status(Code::out_of_range, cat(bits, " in ", where, " is above ", INT64_MAX,
                                        ", the largest integer a property holds"));
}

// Integers exactly: divided by a power of ten, not multiplied by 0.1, so that 215 is 21.5.
bool scale(std::int64_t number, int exponent, dmi::Type as, Value& out) {
  if (exponent < 0)
    return set(as, static_cast<double>(number) / static_cast<double>(power_of_ten(exponent)), out);
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(number, power_of_ten(exponent), &product))
    return set(as, product, out);
  return as != dmi::Type::integer && as != dmi::Type::string &&
         set(as, static_cast<double>(number) * static_cast<double>(power_of_ten(exponent)), out);
}

Status scaled_value(const Place& place, const Range& range, std::uint64_t bits, int exponent,
                    dmi::Type as, Value& out) {
  std::int64_t number = 0;
  if (whole(place.data, bits, number)) {
    if (scale(number, exponent, as, out)) return Status();
    return Status(Code::out_of_range,
                  cat(number, " × 10^", exponent, " in ", range.to_string(), " is above ",
                      INT64_MAX, ", the largest integer a property holds"));
  }
  if (!plain_value(place.data, bits, dmi::Type::float64, out)) return why_not(place, range, bits);
  const double power = static_cast<double>(power_of_ten(exponent));
  const double real = std::get<double>(out);
  if (exponent > 0 && as != dmi::Type::float32 && as != dmi::Type::float64) {
    return why_not(place, range, bits);
  }
  out = exponent < 0 ? real / power : real * power;
  return Status();
}

bool is_not_available(const Place& place, std::uint64_t bits) {
  const Extra* const extra = place.extra.get();
  if (extra == nullptr) return false;
  if (std::ranges::find(extra->not_available, bits) != extra->not_available.end()) return true;
  if (!extra->nan_not_available) return false;
  return place.data == DataType::float64
             ? std::isnan(std::bit_cast<double>(bits))
             : std::isnan(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
}

Status not_available(const Place& place, const Range& range, std::uint64_t bits) {
  return Status(Code::out_of_range,
                cat("not available (", hex_of(place, bits), " in ", range.to_string(), ")"));
}

Result<Value> labelled(const Place& place, std::uint64_t bits) {
  std::int64_t number = 0;
  if (!whole(place.shape == Shape::field ? DataType::uint32 : place.data, bits, number)) {
    return why_not(place, place.range, bits);
  }
  const std::vector<Label>& labels = place.extra->labels;
  const auto found = std::ranges::lower_bound(labels, number, {}, &Label::number);
  if (found != labels.end() && found->number == number) return Value(found->text);
  return Status(Code::out_of_range, cat(number, " in ", place.range.to_string(), " has no label (",
                                        list_of(labels), ")"));
}

// at: the first byte of this value.
Status one_value(const Place& place, const Range& range, const std::uint8_t* at, int exponent,
                 dmi::Type as, Value& out) {
  const std::uint64_t bits = gather(place, at);
  if (is_not_available(place, bits)) return not_available(place, range, bits);
  if (place.extra && place.extra->scale_offset) {
    return scaled_value(place, range, bits, exponent, as, out);
  }
  return plain_value(place.data, bits, as, out) ? Status() : why_not(place, range, bits);
}

Result<Value> decode_array(const Place& place, Bytes payload, std::size_t first, int exponent) {
  const bool coils = is_bits(place.range.table);
  const std::uint16_t step = coils ? std::uint16_t{1} : words_of(place.data);
  const dmi::Type as = element_type(place.data);
  std::string text = "[";
  Value value;
  for (std::uint16_t i = 0; i < place.elements; ++i) {
    if (i != 0) text += ',';
    const auto offset = static_cast<std::uint16_t>(i * step);
    const Range range{place.range.table, static_cast<std::uint16_t>(place.range.first + offset),
                      step};
    if (coils) {
      value = bit_at(payload, first + i);
    } else {
      const std::uint8_t* const at = payload.data() + 2 * (first + offset);
      // One element that the device has not does not hide the others.
      if (is_not_available(place, gather(place, at))) {
        text += "null";
        continue;
      }
      if (Status read = one_value(place, range, at, exponent, as, value); !read.ok()) return read;
    }
    // An integer times a negative power of ten is a double.
    text += dmi::to_text(value, std::holds_alternative<double>(value) && as == dmi::Type::integer
                                    ? dmi::Type::float64
                                    : as);
  }
  return Value(text + "]");
}

Result<Value> decode_field(const Place& place, Bytes payload, std::size_t first) {
  std::uint64_t bits = 0;
  if (is_bits(place.range.table)) {
    for (std::size_t i = 0; i < place.bit_count; ++i) {
      bits |= std::uint64_t{bit_at(payload, first + i)} << i;
    }
  } else {
    bits = gather(place, payload.data() + 2 * first) >> place.bit & mask_of(place);
  }
  if (is_not_available(place, bits)) return not_available(place, place.range, bits);
  if (place.extra && !place.extra->labels.empty()) return labelled(place, bits);
  Value out;
  set(place.type, static_cast<std::int64_t>(bits), out);
  return out;
}

// Whatever is not a plain number.
Result<Value> decode_rare(const Place& place, Bytes payload, std::size_t index) {
  const std::size_t first = index + place.range.first - place.hull.first;
  if (place.shape == Shape::text) {
    return decode_text(place, payload.subspan(2 * first, std::size_t{2} * place.range.count));
  }
  if (place.shape == Shape::field) return decode_field(place, payload, first);
  const Result<int> exponent = exponent_of(place, payload, index);
  if (!exponent) return exponent.status();
  if (place.shape == Shape::array) return decode_array(place, payload, first, *exponent);
  const bool coil = is_bits(place.range.table);
  const std::uint8_t* const at = coil ? nullptr : payload.data() + 2 * first;
  if (place.extra && !place.extra->labels.empty()) {
    const std::uint64_t bits = coil ? std::uint64_t{bit_at(payload, first)} : gather(place, at);
    if (is_not_available(place, bits)) return not_available(place, place.range, bits);
    return labelled(place, bits);
  }
  Value out;
  if (coil) {
    set(place.type, std::int64_t{bit_at(payload, first)}, out);
    return out;
  }
  if (Status read = one_value(place, place.range, at, *exponent, place.type, out); !read.ok()) {
    return read;
  }
  return out;
}

// Whether the hull that starts index addresses after the payload's first lies in it.
bool holds(const Place& place, Bytes payload, std::size_t index) {
  const std::size_t end = index + place.hull.count;
  return is_bits(place.range.table) ? (end + 7) / 8 <= payload.size() : 2 * end <= payload.size();
}

}  // namespace

bool decode_plain(const Place& place, Bytes payload, std::size_t index, Value& out) {
  assert(holds(place, payload, index));
  if (place.shape != Shape::number || place.extra || is_bits(place.range.table)) return false;
  const std::uint64_t bits = gather(place, payload.data() + 2 * index);
  return plain_value(place.data, bits, place.type, out);
}

Result<Value> decode(const Place& place, Bytes payload, std::size_t index) {
  Value out;
  if (decode_plain(place, payload, index, out)) return out;
  return decode_rare(place, payload, index);
}

Result<int> exponent_of(const Place& place, Bytes payload, std::size_t index) {
  if (!place.extra || !place.extra->scale_offset) return 0;
  assert(holds(place, payload, index));
  const std::uint16_t address = *place.extra->scale_offset;
  const std::uint16_t word = word_at(payload, index + address - place.hull.first);
  const int exponent = static_cast<std::int16_t>(word);
  if (exponent >= -max_exponent && exponent <= max_exponent) return exponent;
  const std::string where = Range{place.range.table, address, 1}.to_string();
  if (word == 0x8000) {
    return Status(Code::out_of_range,
                  cat("the scale factor is not available (0x8000 in ", where, ")"));
  }
  return Status(Code::out_of_range, cat("the scale factor ", exponent, " in ", where,
                                        " is outside ", -max_exponent, "..", max_exponent));
}

}  // namespace modbus

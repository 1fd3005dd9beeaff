// Values to registers, and the requests that write them.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <memory>

#include "base/number.hpp"
#include "base/text.hpp"
#include "codec_text.hpp"
#include "dmi/json.hpp"
#include "modbus/codec.hpp"
#include "number.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;
using dmi::Value;

namespace {

Status does_not_fit(const std::string& number, const Place& place, int exponent) {
  const NumberSpan span = span_of(place);
  const std::string scaled = exponent == 0 ? "" : cat(", with the scale factor 10^", exponent);
  return Status(Code::out_of_range, cat(number, " does not fit in ", kind_of(place), " (", span.low,
                                        "..", span.high, ")", scaled));
}

// number / 10^exponent, rounded to the nearest; false: beyond int64.
bool undo(std::int64_t number, int exponent, std::int64_t& out) {
  const std::int64_t power = power_of_ten(exponent);
  if (exponent <= 0) return !__builtin_mul_overflow(number, power, &out);
  const std::int64_t rest = number % power;
  out = number / power;
  if (std::abs(rest) >= power / 2) out += rest < 0 ? -1 : 1;
  return true;
}

// The whole number to write.
Result<std::int64_t> whole(const Place& place, const Value& value, int exponent) {
  const NumberSpan span = span_of(place);
  std::int64_t raw = 0;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    if (!undo(*integer, exponent, raw) || raw < span.low || raw > span.high) {
      return does_not_fit(cat(*integer), place, exponent);
    }
    return raw;
  }
  double number = 0;
  if (!dmi::to_number(value, number)) {
    return Status(Code::invalid, cat("only a number can be written to ", kind_of(place)));
  }
  const auto power = static_cast<double>(power_of_ten(exponent));
  const double rounded = std::round(exponent < 0 ? number * power : number / power);
  if (!base::to_whole(rounded, raw) || raw < span.low || raw > span.high) {
    return does_not_fit(cat(number), place, exponent);
  }
  return raw;
}

Result<std::uint64_t> float_bits(const Place& place, const Value& value) {
  double number = 0;
  if (!dmi::to_number(value, number)) {
    return Status(Code::invalid, cat("only a number can be written to ", name(place.data)));
  }
  const auto narrow = static_cast<float>(number);
  if (!std::isfinite(number) || (place.data == DataType::float32 && !std::isfinite(narrow))) {
    return Status(Code::out_of_range, cat(number, " does not fit in ", name(place.data)));
  }
  if (place.data == DataType::float64) return std::bit_cast<std::uint64_t>(number);
  return std::uint64_t{std::bit_cast<std::uint32_t>(narrow)};
}

// The bits of one value, the least significant last.
Result<std::uint64_t> bits_of(const Place& place, const Value& value, int exponent) {
  Result<std::uint64_t> bits = std::uint64_t{0};
  if (is_float(place.data)) {
    bits = float_bits(place, value);
  } else {
    const Result<std::int64_t> number = whole(place, value, exponent);
    if (!number) return number.status();
    bits = is_bcd(place.data) ? to_bcd(static_cast<std::uint64_t>(*number))
                              : static_cast<std::uint64_t>(*number) & mask_of(place);
  }
  if (!bits || !place.extra) return bits;
  if (std::ranges::find(place.extra->not_available, *bits) != place.extra->not_available.end()) {
    return Status(Code::out_of_range,
                  cat("what would be written stands for \"not available\" in ", kind_of(place)));
  }
  return bits;
}

// Appends the registers of one value in wire order.
void scatter(const Place& place, std::uint64_t bits, std::vector<std::uint16_t>& out) {
  const std::size_t width = width_of(place.data);
  std::array<std::uint8_t, 8> wire{};
  for (std::size_t i = 0; i < width; ++i) {
    wire[place.order[i]] = static_cast<std::uint8_t>(bits >> (8 * (width - 1 - i)) & 0xff);
  }
  for (std::size_t i = 0; i < width; i += 2) {
    out.push_back(static_cast<std::uint16_t>(wire[i] << 8 | wire[i + 1]));
  }
}

Result<Written> one_value(const Place& place, const Value& value, int exponent) {
  const Result<std::uint64_t> bits = bits_of(place, value, exponent);
  if (!bits) return bits.status();
  Written out;
  if (is_bits(place.range.table)) {
    for (std::size_t i = 0; i < place.range.count; ++i) {
      out.words.push_back(static_cast<std::uint16_t>(*bits >> i & 1));
    }
    return out;
  }
  if (place.shape != Shape::field) {
    scatter(place, *bits, out.words);
    return out;
  }
  // parse_place() lets nobody write bits of two registers.
  assert(place.range.count == 1);
  std::vector<std::uint16_t> mask;
  scatter(place, mask_of(place) << place.bit, mask);
  scatter(place, *bits << place.bit, out.words);
  out.mask = mask[0];
  return out;
}

Result<Value> value_of(const Json& element) {
  if (element.is_boolean()) return Value(element.get<bool>());
  if (std::int64_t whole = 0; dmi::to_int64(element, whole)) return Value(whole);
  if (element.is_number()) return Value(element.get<double>());
  return Status(Code::invalid, cat(base::cut(dmi::to_text(element), 40), " is not a number"));
}

Result<Written> encode_array(const Place& place, const Value& value, int exponent) {
  const auto* const text = std::get_if<std::string>(&value);
  if (text == nullptr) return Status(Code::invalid, "only the JSON of an array can be written");
  const Result<Json> json = dmi::parse_json(*text);
  if (!json) return json.status();
  if (!json->is_array() || json->size() != place.elements) {
    return Status(Code::invalid, cat("an array of ", place.elements, " elements is wanted, not ",
                                     json->is_array() ? cat(json->size()) : "another value"));
  }
  Place element = place;
  element.shape = Shape::number;
  element.range.count = is_bits(place.range.table) ? std::uint16_t{1} : words_of(place.data);
  Written out;
  for (std::size_t i = 0; i < json->size(); ++i) {
    const Result<Value> number = value_of((*json)[i]);
    const Result<Written> one = number ? one_value(element, *number, exponent) : number.status();
    if (!one) {
      return Status(one.status().code(), cat("element ", i, ": ", one.status().text()));
    }
    out.words.insert(out.words.end(), one->words.begin(), one->words.end());
  }
  return out;
}

Result<Written> encode_label(const Place& place, const Value& value) {
  const std::vector<Label>& labels = place.extra->labels;
  const auto* const text = std::get_if<std::string>(&value);
  const auto found =
      text == nullptr ? labels.end() : std::ranges::find(labels, *text, &Label::text);
  if (found == labels.end()) {
    return Status(Code::invalid, cat("\"", text == nullptr ? "" : base::cut(*text, 40),
                                     "\" is none of ", list_of(labels)));
  }
  return one_value(place, Value(found->number), 0);
}

}  // namespace

Result<Written> encode(const Place& place, const Value& value, std::optional<int> exponent) {
  assert(exponent || !place.extra || !place.extra->scale_offset);
  if (place.shape == Shape::text) return encode_text(place, value);
  if (place.shape == Shape::array) return encode_array(place, value, exponent.value_or(0));
  if (place.extra && !place.extra->labels.empty()) return encode_label(place, value);
  return one_value(place, value, exponent.value_or(0));
}

Pdu write_request(const Place& place, const Written& written) {
  const std::uint16_t first = place.range.first;
  assert(written.words.size() == place.range.count);
  if (written.mask != 0xffff) {
    return mask_write_request(first, static_cast<std::uint16_t>(~written.mask), written.words[0]);
  }
  const bool one =
      written.words.size() == 1 && write_rule(place).function != WriteFunction::multiple;
  if (!is_bits(place.range.table)) {
    return one ? write_register_request(first, written.words[0])
               : write_registers_request(first, written.words);
  }
  if (one) return write_coil_request(first, written.words[0] != 0);
  std::array<bool, max_write_bits> coils{};
  std::ranges::transform(written.words, coils.begin(),
                         [](std::uint16_t word) { return word != 0; });
  return write_coils_request(first, std::span(coils).first(written.words.size()));
}

Written merge(const Written& written, std::uint16_t present) {
  const auto word = static_cast<std::uint16_t>((present & ~written.mask) | written.words[0]);
  return {{word}, 0xffff};
}

bool confirms(const Place& place, const Value& wanted, const Value& seen,
              std::optional<int> exponent) {
  const Result<Written> asked = encode(place, wanted, exponent);
  const Result<Written> found = encode(place, seen, exponent);
  if (asked && found && asked->words == found->words) return true;
  double one = 0;
  double other = 0;
  if (!dmi::to_number(wanted, one) || !dmi::to_number(seen, other)) return false;
  const double usual = is_float(place.data) ? 1e-6 * std::abs(one) : 0;
  return std::abs(one - other) <= write_rule(place).tolerance.value_or(usual);
}

}  // namespace modbus

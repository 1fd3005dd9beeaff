// What the numbers and characters of a visitor stand for: labels, notAvailable, encoding, padding.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/number.hpp"
#include "base/text.hpp"
#include "dmi/json.hpp"
#include "number.hpp"
#include "place_reader.hpp"

namespace modbus {

using base::cat;
using dmi::Json;

namespace {

constexpr std::size_t max_labels = 4096;       // a longer enumeration is a mistake
constexpr std::size_t max_not_available = 16;  // compared one by one at every reading

// "0x80" as the bits it shows.
bool parse_hex(std::string_view text, std::uint64_t& bits) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return false;
  text.remove_prefix(2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  return error == std::errc() && end == text.data() + text.size();
}

void parse_labels(PlaceReader& reader, const Place& place, Extra& extra) {
  if (!reader.has("labels")) return;
  if (is_float(place.data) || is_text(place.data) || place.type != dmi::Type::string) {
    return reader.wrong("labels", cat("labels are for whole numbers in a property of type STRING, "
                                      "not for ",
                                      name(place.data), " in ", dmi::name(place.type)));
  }
  const dmi::Config labels =
      reader.take(reader.config().object("labels"), dmi::Config(Json::object(), ""));
  const NumberSpan span = span_of(place);
  for (const auto& [key, value] : labels.json().items()) {
    const std::string what = cat("labels.", base::cut(key, 40));
    std::int64_t number = 0;
    if (!base::parse_int(key, number)) {
      reader.wrong(what, "the key is not a whole number");
    } else if (number < span.low || number > span.high) {
      reader.wrong(what, cat("the key does not fit in ", kind_of(place), " (", span.low, "..",
                             span.high, ")"));
    } else if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      reader.wrong(what, "the label is not a text of 1 character and more");
    } else {
      extra.labels.push_back({number, value.get<std::string>()});
    }
  }
  if (labels.json().empty()) reader.wrong("labels", "no label");
  if (extra.labels.size() > max_labels) {
    reader.wrong("labels", cat(extra.labels.size(), " labels are above ", max_labels));
  }
  std::ranges::sort(extra.labels, {}, &Label::text);
  for (std::size_t i = 1; i < extra.labels.size(); ++i) {
    if (extra.labels[i - 1].text != extra.labels[i].text) continue;
    reader.wrong("labels", cat("\"", extra.labels[i].text, "\" stands for ",
                               extra.labels[i - 1].number, " and ", extra.labels[i].number));
  }
  std::ranges::sort(extra.labels, {}, &Label::number);
}

// The bits a value of notAvailable shows as, "NaN" apart; false: the place cannot hold it.
bool parse_raw(const Place& place, const Json& value, std::uint64_t& bits) {
  const std::string text = value.is_string() ? value.get<std::string>() : dmi::to_text(value);
  if (parse_hex(text, bits)) return (bits & ~mask_of(place)) == 0;
  double real = 0;
  if (is_float(place.data)) {
    if (!base::parse_double(text, real)) return false;
    bits = place.data == DataType::float64 ? std::bit_cast<std::uint64_t>(real)
                                           : std::bit_cast<std::uint32_t>(static_cast<float>(real));
    return true;
  }
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  // uint64 reaches beyond int64.
  if (place.data == DataType::uint64 && place.shape != Shape::field) {
    const auto read = std::from_chars(text.data(), end, bits);
    if (read.ec == std::errc() && read.ptr == end) return true;
  }
  if (!base::parse_int(text, number)) {
    // DMI carries numbers as float32, so 65535 may come as 65535.0.
    if (!base::parse_double(text, real) || std::abs(real) > 9e15) return false;
    if (!base::to_whole(real, number)) return false;
  }
  const NumberSpan span = span_of(place);
  if (number < span.low || number > span.high) return false;
  bits = is_bcd(place.data) ? to_bcd(static_cast<std::uint64_t>(number))
                            : static_cast<std::uint64_t>(number) & mask_of(place);
  return true;
}

void parse_not_available(PlaceReader& reader, const Place& place, Extra& extra) {
  if (!reader.has("notAvailable")) return;
  const std::string_view key = "notAvailable";
  if (is_text(place.data) || place.data == DataType::boolean) {
    return reader.wrong(key, cat("only for numbers, not for ", name(place.data)));
  }
  Json list = reader.config().json().at(key);
  if (list.is_string() && list.get_ref<const std::string&>().starts_with('[')) {
    base::Result<Json> inner = dmi::parse_json(list.get_ref<const std::string&>());
    if (inner) list = std::move(*inner);
  }
  if (!list.is_array()) list = Json::array({list});
  if (list.size() > max_not_available) {
    return reader.wrong(key, cat(list.size(), " numbers are above ", max_not_available));
  }
  for (const Json& value : list) {
    std::uint64_t bits = 0;
    const bool text = value.is_string();
    if (text && base::lower(value.get_ref<const std::string&>()) == "nan" && is_float(place.data)) {
      extra.nan_not_available = true;
    } else if ((text || value.is_number()) && parse_raw(place, value, bits)) {
      extra.not_available.push_back(bits);
    } else {
      reader.wrong(key, cat(base::cut(dmi::to_text(value), 40), " is not a number of ",
                            kind_of(place), " (decimal, or its bits as \"0x…\"",
                            is_float(place.data) ? ", or \"NaN\")" : ")"));
    }
  }
}

}  // namespace

void parse_meaning(PlaceReader& reader, const Place& place, Extra& extra) {
  parse_labels(reader, place, extra);
  parse_not_available(reader, place, extra);
  if (place.data != DataType::string) {
    return reader.without({"encoding", "padding"}, "only for texts (dataType string)");
  }
  extra.text.encoding = reader.choice("encoding", Encoding::ascii, {"ascii", "latin1", "utf-8"});
  extra.text.padding = reader.choice("padding", Padding::nul, {"nul", "space"});
}

}  // namespace modbus

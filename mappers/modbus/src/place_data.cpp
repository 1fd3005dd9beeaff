// Which registers a visitor names and as what they are read: dataType, limit, count, bit, bitCount.
#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "place_reader.hpp"

namespace modbus {

using base::cat;

namespace {

constexpr std::uint16_t max_field_coils = 32;  // more coils than one device packs into a number

// KubeEdge reads integers unsigned, of as many registers as limit says; floats by their width.
std::optional<DataType> default_data(dmi::Type type, std::uint16_t words) {
  if (type == dmi::Type::boolean) {
    return words == 1 ? std::optional(DataType::boolean) : std::nullopt;
  }
  const bool real = type == dmi::Type::float32 || type == dmi::Type::float64;
  switch (words) {
    case 1:
      return DataType::uint16;
    case 2:
      return real ? DataType::float32 : DataType::uint32;
    case 4:
      return real ? DataType::float64 : DataType::uint64;
    default:
      return std::nullopt;
  }
}

std::uint16_t default_limit(dmi::Type type) {
  if (type == dmi::Type::float32) return 2;
  return type == dmi::Type::float64 ? 4 : 1;
}

std::optional<DataType> stated_data(PlaceReader& reader) {
  if (!reader.has("dataType")) return std::nullopt;
  return reader.choice(
      "dataType", DataType::uint16,
      {"bool", "int16", "uint16", "int32", "uint32", "int48", "uint48", "int64", "uint64",
       "float32", "float64", "bcd16", "bcd32", "bcd64", "string", "bytes"});
}

bool is_field(const PlaceReader& reader) { return reader.has("bit") || reader.has("bitCount"); }

// What the registers hold when dataType is absent.
std::optional<DataType> usual_data(PlaceReader& reader, dmi::Type type) {
  if (type == dmi::Type::bytes) return DataType::bytes;
  const bool cut = is_field(reader) || reader.has("count");
  if (type == dmi::Type::string && !cut && !reader.has("labels")) return DataType::string;
  if (reader.has("count")) return DataType::uint16;
  const std::uint16_t usual = is_field(reader) ? std::uint16_t{1} : default_limit(type);
  const auto limit = reader.integer<std::uint16_t>("limit", usual, 1, max_read_registers);
  if (is_field(reader)) {
    if (limit <= 2) return limit == 1 ? DataType::uint16 : DataType::uint32;
    reader.wrong("limit", cat(limit, " registers for bits (1, 2)"));
    return std::nullopt;
  }
  const std::optional<DataType> data = default_data(type, limit);
  if (!data) {
    reader.wrong("limit", cat(limit, " registers for one ", dmi::name(type), " (",
                              type == dmi::Type::boolean ? "1" : "1, 2, 4", ")"));
  }
  return data;
}

// Whether values of these data can become a property of that type.
void check_type(PlaceReader& reader, const Place& place) {
  const bool text = place.type == dmi::Type::string;
  const bool numbers = text && (place.shape == Shape::array || reader.has("labels"));
  if ((place.data == DataType::string && !text) ||
      (place.data == DataType::bytes && place.type != dmi::Type::bytes) ||
      (!is_text(place.data) && place.type == dmi::Type::bytes)) {
    reader.wrong("dataType", cat("a property of type ", dmi::name(place.type), " cannot hold ",
                                 name(place.data)));
  } else if (text && !is_text(place.data) && !numbers) {
    reader.wrong("dataType", cat("a property of type STRING holds ", name(place.data),
                                 " as labels or, with count, as an array"));
  } else if (place.shape == Shape::array && !text) {
    reader.wrong("count",
                 cat("an array needs a property of type STRING, not ", dmi::name(place.type)));
  }
  if (place.shape == Shape::array) {
    reader.without({"labels"}, "not beside count: the elements of an array are numbers");
  }
}

// limit may be absent: the data say it.
void check_limit(PlaceReader& reader, const Place& place, std::string_view what) {
  const std::uint16_t count = place.range.count;
  const bool bits = is_bits(place.range.table);
  const auto limit =
      reader.integer<std::uint16_t>("limit", count, 1, bits ? max_read_bits : max_read_registers);
  if (limit == count) return;
  reader.wrong("limit", cat(limit, bits ? " bits" : " registers", " for ", what, " (", count, ")"));
}

void parse_coils(PlaceReader& reader, Place& place, std::optional<DataType> stated) {
  place.data = DataType::boolean;
  if (stated && *stated != DataType::boolean) {
    reader.wrong("dataType",
                 cat(name(*stated), " does not fit in ", name(place.range.table), " (bool)"));
    return;
  }
  reader.without({"bit"}, "only for registers: a coil is one bit (bitCount takes several)");
  if (reader.has("count")) {
    reader.without({"bitCount"}, "not beside count");
    place.shape = Shape::array;
    place.elements = reader.integer<std::uint16_t>("count", 1, 1, max_read_bits);
    place.range.count = place.elements;
  } else if (reader.has("bitCount")) {
    place.shape = Shape::field;
    place.bit_count = reader.integer<std::uint8_t>("bitCount", 1, 1, max_field_coils);
    place.range.count = place.bit_count;
  }
  const std::size_t before = reader.count();
  check_type(reader, place);
  if (reader.count() == before) check_limit(reader, place, "one value");
}

void parse_field(PlaceReader& reader, Place& place, bool writable) {
  reader.without({"count"}, "not beside bit and bitCount");
  if (place.data != DataType::uint16 && place.data != DataType::uint32) {
    reader.wrong("dataType", cat("bits are taken from uint16 or uint32, not ", name(place.data)));
    return;
  }
  place.shape = Shape::field;
  place.range.count = words_of(place.data);
  const int bits = 16 * place.range.count;
  place.bit = reader.integer<std::uint8_t>("bit", 0, 0, bits - 1);
  place.bit_count = reader.integer<std::uint8_t>("bitCount", 1, 1, bits - place.bit);
  if (writable && place.range.count != 1) {
    reader.wrong("dataType", "bits are written in one register only (uint16)");
  }
  check_limit(reader, place, cat("bits of ", name(place.data)));
}

void parse_array(PlaceReader& reader, Place& place) {
  if (is_text(place.data)) {
    return reader.wrong("count", cat("an array of ", name(place.data), " cannot be read"));
  }
  place.shape = Shape::array;
  const std::uint16_t words = words_of(place.data);
  place.elements = reader.integer<std::uint16_t>("count", 1, 1, max_read_registers);
  const int registers = place.elements * words;
  if (registers > max_read_registers) {
    return reader.wrong("count", cat(place.elements, " elements of ", name(place.data), " are ",
                                     registers, " registers, above ", max_read_registers));
  }
  place.range.count = static_cast<std::uint16_t>(registers);
  check_limit(reader, place, cat(place.elements, " elements of ", name(place.data)));
}

}  // namespace

void parse_data(PlaceReader& reader, Place& place, bool writable) {
  const std::size_t before = reader.count();
  const std::optional<DataType> stated = stated_data(reader);
  if (reader.count() != before) return;
  if (is_bits(place.range.table)) return parse_coils(reader, place, stated);
  const std::optional<DataType> data = stated ? stated : usual_data(reader, place.type);
  if (!data || reader.count() != before) return;
  place.data = *data;
  if (is_field(reader)) {
    parse_field(reader, place, writable);
  } else if (reader.has("count")) {
    parse_array(reader, place);
  } else if (is_text(place.data)) {
    place.shape = Shape::text;
    place.range.count = static_cast<std::uint16_t>(
        reader.take(reader.config().need_integer("limit", 1, max_read_registers), std::int64_t{1}));
  } else {
    place.range.count = words_of(place.data);
    check_limit(reader, place, name(place.data));
  }
  if (reader.count() == before) check_type(reader, place);
}

}  // namespace modbus

#include "modbus/place.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "place_reader.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

struct Kind {
  std::string_view name;
  std::uint16_t words;
};
// In the order of DataType.
constexpr Kind kinds[] = {{"bool", 1},   {"int16", 1},   {"uint16", 1},  {"int32", 2},
                          {"uint32", 2}, {"int48", 3},   {"uint48", 3},  {"int64", 4},
                          {"uint64", 4}, {"float32", 2}, {"float64", 4}, {"bcd16", 1},
                          {"bcd32", 2},  {"bcd64", 4},   {"string", 0},  {"bytes", 0}};

void parse_keys(PlaceReader& reader) {
  // This mapper's, and after them the SDK's, which reads those itself.
  static const std::initializer_list<std::string_view> known_keys = {
      "register",  "offset",       "limit",          "isSwap",        "isRegisterSwap", "dataType",
      "byteOrder", "bit",          "bitCount",       "count",         "labels",         "encoding",
      "padding",   "scaleOffset",  "notAvailable",   "pin",           "writeFunction",  "bitWrite",
      "verify",    "verifyOffset", "verifyRegister", "verifyTimeout", "tolerance",      "broadcast",
      "scale",     "valueOffset",  "writeOnce"};
  for (const auto& [key, value] : reader.config().json().items()) {
    const dmi::Config one(dmi::Json{{key, value}}, reader.config().path());
    if (const Status known = one.only(known_keys); !known.ok()) reader.fail(known);
  }
}

void parse_address(PlaceReader& reader, Place& place, bool writable) {
  if (!reader.has("register")) {
    reader.wrong("register",
                 "missing (CoilRegister, DiscreteInputRegister, HoldingRegister, InputRegister)");
  }
  place.range.table = reader.table(Table::holding, "register");
  if (writable && !is_writable(place.range.table)) {
    reader.wrong("register", cat(name(place.range.table),
                                 " cannot be written, but the model says ReadWrite "
                                 "(CoilRegister, HoldingRegister)"));
  }
  place.range.first = static_cast<std::uint16_t>(
      reader.take(reader.config().need_integer("offset", 0, max_address), std::int64_t{0}));
}

// The permutation that a word such as "CDAB" names: the letter at a wire position is the byte that
// stands there, A the most significant.
bool parse_letters(std::string_view letters, std::array<std::uint8_t, 8>& order) {
  unsigned seen = 0;
  for (std::size_t at = 0; at < letters.size(); ++at) {
    const auto byte = static_cast<std::size_t>(letters[at] - 'A');
    if (byte >= letters.size() || (seen >> byte & 1) != 0) return false;
    seen |= 1u << byte;
    order[byte] = static_cast<std::uint8_t>(at);
  }
  return true;
}

void swap_order(bool bytes, bool words, std::size_t count, std::array<std::uint8_t, 8>& order) {
  for (std::size_t i = 0; i < 2 * count; ++i) {
    const std::size_t word = words ? count - 1 - i / 2 : i / 2;
    order[i] = static_cast<std::uint8_t>(2 * word + (bytes ? 1 - i % 2 : i % 2));
  }
}

void parse_order(PlaceReader& reader, Place& place, Extra& extra) {
  const bool bytes = reader.boolean("isSwap", false);
  const bool words = reader.boolean("isRegisterSwap", false);
  if (is_bits(place.range.table)) return reader.without({"byteOrder"}, "bits have no byte order");
  if (is_text(place.data)) {
    reader.without({"byteOrder"}, cat("not for ", name(place.data), " (isSwap)"));
    extra.text.swap_bytes = bytes;
    extra.text.swap_words = words;
    return;
  }
  const std::size_t count = words_of(place.data);
  swap_order(bytes, words, count, place.order);
  if (!reader.has("byteOrder")) return;
  if (reader.has("isSwap") || reader.has("isRegisterSwap")) {
    reader.wrong("byteOrder", "not beside isSwap and isRegisterSwap: one of them says it all");
  }
  const std::string_view natural = std::string_view("ABCDEFGH").substr(0, 2 * count);
  const std::string letters = reader.text("byteOrder");
  if (letters.size() != natural.size() || !parse_letters(letters, place.order)) {
    reader.wrong("byteOrder", cat("\"", base::cut(letters, 40), "\" is no order of the bytes ",
                                  natural, " of ", name(place.data)));
  }
}

// The least range that holds both; false: more than one request can read.
bool join(Range& hull, std::uint16_t address) {
  const std::uint16_t first = std::min(hull.first, address);
  const std::uint32_t end = std::max(hull.end(), std::uint32_t{address} + 1);
  if (end - first > max_read_registers) return false;
  hull.first = first;
  hull.count = static_cast<std::uint16_t>(end - first);
  return true;
}

void parse_scale(PlaceReader& reader, Place& place, Extra& extra) {
  place.hull = place.range;
  if (!reader.has("scaleOffset")) return;
  const std::size_t before = reader.count();
  const auto address = reader.integer<std::uint16_t>("scaleOffset", 0, 0, max_address);
  const bool whole = place.data != DataType::boolean && !is_float(place.data) &&
                     !is_text(place.data) && place.shape != Shape::field;
  if (!whole) {
    reader.wrong("scaleOffset", cat("a power of ten is for whole numbers, not for ",
                                    place.shape == Shape::field ? "bits" : name(place.data)));
  } else if (place.type == dmi::Type::boolean || reader.has("labels")) {
    reader.wrong("scaleOffset", "a power of ten is for numbers, not for booleans and labels");
  }
  if (reader.count() != before) return;
  if (address >= place.range.first && address < place.range.end()) {
    return reader.wrong("scaleOffset", cat(address, " is a register of the value itself (",
                                           place.range.to_string(), ")"));
  }
  if (!join(place.hull, address)) {
    return reader.wrong("scaleOffset",
                        cat(address, " and ", place.range.to_string(),
                            " do not fit in one request (", max_read_registers, " registers)"));
  }
  extra.scale_offset = address;
}

void parse_all(PlaceReader& reader, const mapper::Point& point, Place& place) {
  parse_keys(reader);
  if (point.type == dmi::Type::stream) {
    reader.mistakes().emplace_back(Code::unsupported,
                                   cat(reader.config().path(),
                                       ": a property of type STREAM cannot be read from registers "
                                       "(INT, FLOAT, DOUBLE, BOOLEAN, STRING, BYTES)"));
    return;
  }
  Extra extra;
  place.type = point.type;
  parse_address(reader, place, point.writable);
  const std::size_t before = reader.count();
  parse_data(reader, place, point.writable);
  // What the rest means depends on the data: no mistakes that are only the echo of another.
  if (reader.count() == before) {
    if (place.range.end() > max_address + 1) {
      reader.wrong("offset", cat(place.range.first, " and ", place.range.count,
                                 is_bits(place.range.table) ? " bits" : " registers", " end at ",
                                 place.range.end() - 1, ", above ", max_address));
    }
    parse_meaning(reader, place, extra);
    parse_order(reader, place, extra);
    parse_scale(reader, place, extra);
    parse_write_rule(reader, point, place, extra);
  }
  place.pin = reader.text("pin");
  if (extra != Extra()) place.extra = std::make_shared<const Extra>(std::move(extra));
}

}  // namespace

std::string_view name(DataType type) { return kinds[static_cast<std::size_t>(type)].name; }
std::uint16_t words_of(DataType type) { return kinds[static_cast<std::size_t>(type)].words; }

const WriteRule& write_rule(const Place& place) {
  static const WriteRule usual;
  return place.extra ? place.extra->write : usual;
}

Place read_back_place(const Place& place) {
  Place made = place;
  const WriteRule& rule = write_rule(place);
  if (!rule.verify_range) return made;
  made.range = made.hull = *rule.verify_range;
  // parse_write_rule() has seen that it fits.
  if (place.extra->scale_offset) (void)join(made.hull, *place.extra->scale_offset);
  return made;
}

Result<Place> parse_place(const mapper::Point& point) {
  PlaceReader reader(point.visitor);
  Place place;
  parse_all(reader, point, place);
  if (!reader.ok()) return std::move(reader.mistakes().front());
  return place;
}

std::vector<Status> check_place(const mapper::Point& point) {
  PlaceReader reader(point.visitor);
  Place place;
  parse_all(reader, point, place);
  return std::move(reader.mistakes());
}

}  // namespace modbus

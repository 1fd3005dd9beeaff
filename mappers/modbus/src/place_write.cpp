// The write side of a visitor.
#include <algorithm>

#include "base/text.hpp"
#include "place_reader.hpp"

namespace modbus {

using base::cat;

namespace {

void parse_functions(PlaceReader& reader, const Place& place, WriteRule& rule) {
  rule.function =
      reader.choice("writeFunction", WriteFunction::automatic, {"auto", "single", "multiple"});
  rule.bits = reader.choice("bitWrite", BitWrite::mask, {"mask", "readModifyWrite"});
  const bool bits_of_register = place.shape == Shape::field && !is_bits(place.range.table);
  if (!bits_of_register) {
    reader.without({"bitWrite"}, "only for bits of a register (bit, bitCount)");
  } else if (rule.bits == BitWrite::mask) {
    reader.without({"writeFunction"},
                   "bits are written with function 22 (bitWrite: readModifyWrite)");
  }
  if (rule.function == WriteFunction::single && place.range.count != 1) {
    reader.wrong("writeFunction", cat("single writes 1 address, not ", place.range.count));
  }
  rule.broadcast = reader.boolean("broadcast", false);
}

void parse_verify_range(PlaceReader& reader, const Place& place, Extra& extra) {
  if (!reader.has("verifyOffset")) {
    reader.without({"verifyRegister"}, "needs verifyOffset");
    return;
  }
  Range range = place.range;
  range.first = reader.integer<std::uint16_t>("verifyOffset", 0, 0, max_address);
  range.table = reader.table(range.table, "verifyRegister");
  if (is_bits(range.table) != is_bits(place.range.table)) {
    reader.wrong("verifyRegister", cat(name(range.table), " do not hold what is written to ",
                                       name(place.range.table)));
  }
  if (range.end() > max_address + 1) {
    reader.wrong("verifyOffset", cat(range.first, " and ", range.count, " addresses end at ",
                                     range.end() - 1, ", above ", max_address));
  }
  extra.write.verify_range = range;
  if (!extra.scale_offset) return;
  const std::uint32_t first = std::min(range.first, *extra.scale_offset);
  const std::uint32_t end = std::max(range.end(), std::uint32_t{*extra.scale_offset} + 1);
  if (range.table != place.range.table || end - first > max_read_registers) {
    reader.wrong("verifyOffset",
                 cat(range.to_string(), " and the scale factor in ", name(place.range.table), " ",
                     *extra.scale_offset, " do not fit in one request"));
  }
}

}  // namespace

void parse_write_rule(PlaceReader& reader, const mapper::Point& point, const Place& place,
                      Extra& extra) {
  if (!point.writable) {
    reader.without({"writeFunction", "bitWrite", "broadcast", "verify", "verifyOffset",
                    "verifyRegister", "verifyTimeout", "tolerance"},
                   "the model says ReadOnly: nothing is written");
    return;
  }
  const bool bits = is_bits(place.range.table);
  const std::uint16_t most = bits ? max_write_bits : max_write_registers;
  if (place.range.count > most) {
    reader.wrong(place.shape == Shape::array ? "count" : "limit",
                 cat(place.range.count, bits ? " coils" : " registers",
                     " cannot be written in one request (", most, ")"));
  }
  WriteRule& rule = extra.write;
  parse_functions(reader, place, rule);
  parse_verify_range(reader, place, extra);
  // The SDK reads every written property back once; waiting for the value is asked for.
  rule.verify = reader.boolean("verify", rule.verify_range.has_value());
  if (!rule.verify) {
    reader.without({"verifyOffset", "verifyTimeout", "tolerance"}, "needs verify: true");
  }
  rule.verify_timeout = std::chrono::milliseconds(
      reader.integer<std::int64_t>("verifyTimeout", rule.verify_timeout.count(), 0, 600'000));
  if (reader.has("tolerance")) {
    rule.tolerance = reader.take(reader.config().number("tolerance", 0), 0.0);
    if (*rule.tolerance < 0) {
      reader.wrong("tolerance", cat(*rule.tolerance, " is below 0"));
    }
  }
}

}  // namespace modbus

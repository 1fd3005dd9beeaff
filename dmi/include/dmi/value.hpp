// A property's value and its type. Wire text ↔ value round-trips exactly. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.hpp"

namespace dmi {

// As in DeviceModel.spec.properties[].type: INT FLOAT DOUBLE STRING BOOLEAN BYTES STREAM.
enum class Type : unsigned char { integer, float32, float64, string, boolean, bytes, stream };

using Bytes = std::vector<std::uint8_t>;
// integer → int64_t; float32 and float64 → double; string → std::string; stream carries a string
// (a reference to the stream, never its data).
using Value = std::variant<bool, std::int64_t, double, std::string, Bytes>;

// "INT" ...; and back, in any case. Also takes what MQTT clients write: int, integer, float,
// double, boolean, bool, string, bytes, stream. invalid: anything else, the text lists what is
// allowed.
std::string_view name(Type type);
base::Result<Type> type_of(std::string_view name);
// The word used in twin metadata on MQTT: int float double string boolean bytes stream.
std::string_view metadata_name(Type type);

// Wire text of a value: integers decimal; float32 the shortest text that reads back as the same
// float, float64 as the same double, always without exponent (EdgeCore's twins forbid '+');
// booleans true/false; bytes as base64url without padding; strings as they are.
std::string to_text(const Value& value, Type type);
// The value of a wire text. invalid: not of that type (the text quotes at most 40 characters);
// out_of_range: an integer beyond int64, a float beyond its type, or not finite.
// Booleans: true false 1 0, any case.
base::Result<Value> parse_value(std::string_view text, Type type);

// The number in a value: integers, floats, booleans as 0/1. false: it is not a number.
bool to_number(const Value& value, double& out);

}  // namespace dmi

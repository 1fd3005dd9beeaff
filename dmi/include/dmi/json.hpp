// JSON, as Kubernetes objects, protocol settings and MQTT payloads are written. The one library
// type that crosses folders: an own wrapper would be the same thing with fewer tests.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/status.hpp"

namespace dmi {

using Json = nlohmann::json;

// invalid: not JSON (the text says where), deeper than 64 levels, or not UTF-8. Never throws.
base::Result<Json> parse_json(std::string_view text);
// The whole number that json is, exactly. false: it is none (a text, 1.0, …) or beyond int64, into
// which the library wraps it; out is untouched.
bool to_int64(const Json& json, std::int64_t& out);
// Compact; never throws (bytes that are not UTF-8 are replaced).
std::string to_text(const Json& json);

}  // namespace dmi

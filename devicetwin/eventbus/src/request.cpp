#include "request.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace devicetwin::bus {

using base::cat;
using base::Code;
using base::Status;
using dmi::Json;

namespace {

using Property = TwinUpdate::Property;

// KubeEdge's own texts.
constexpr const char* bad_body = "Unmarshal update request body failed, please check the request";
constexpr const char* bad_key =
    "The key of twin must only include upper or lowercase letters, number, english, and special "
    "letter - _ . , : / @ # and the length of key should be less than 128 bytes";

Status too_big(std::size_t size) {
  return Status(Code::invalid, cat("the payload has ", size, " bytes, above ", max_payload_bytes));
}

// The value of key: exactly written, else in any case. nullptr: absent or null.
const Json* find(const Json& object, std::string_view key) {
  const auto exact = object.find(key);
  if (exact != object.end()) return exact->is_null() ? nullptr : &*exact;
  for (const auto& [name, value] : object.items()) {
    if (base::lower(name) == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

bool read_text(const Json& object, std::string_view key, std::string& out) {
  const Json* value = find(object, key);
  if (value == nullptr) return true;
  if (!value->is_string()) return false;
  out = value->get<std::string>();
  return true;
}

bool is_key(std::string_view key) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.,:/@#").find(c) != std::string_view::npos;
  };
  return !key.empty() && key.size() <= 128 && std::all_of(key.begin(), key.end(), allowed);
}

Status wrong() { return Status(Code::invalid, bad_body); }

// expected or actual: {"value": text}.
Status read_side(const Json& twin, std::string_view key, const std::string& name,
                 std::optional<std::string>& out) {
  const Json* side = find(twin, key);
  if (side == nullptr) return Status();
  if (!side->is_object()) return wrong();
  const Json* value = find(*side, "value");
  // This kills EdgeCore's twin worker; here it is the sender's mistake.
  if (value == nullptr)
    return Status(Code::invalid, cat("twin ", name, ": ", key, " has no value"));
  if (!value->is_string()) return wrong();
  out = value->get<std::string>();
  return Status();
}

// {"cloud": 0, "edge": 3}; a number that is absent is 0, as Go has it.
bool read_version(const Json& twin, std::string_view key, std::optional<Version>& out) {
  const Json* version = find(twin, key);
  if (version == nullptr) return true;
  if (!version->is_object()) return false;
  Version read;
  for (const auto& [name, number] :
       {std::pair("cloud", &read.cloud), std::pair("edge", &read.edge)}) {
    const Json* value = find(*version, name);
    if (value == nullptr) continue;
    if (!dmi::to_int64(*value, *number)) return false;
  }
  out = read;
  return true;
}

// Ours: who says so sees versions, and those he sends are conditions. EdgeCore reads them and takes
// no notice, and so do we without it.
bool wants_versions(const Json& json) {
  const Json* versions = find(json, "versions");
  return versions != nullptr && versions->is_boolean() && versions->get<bool>();
}

Status read_property(const std::string& name, const Json& twin, Property& property) {
  property.name = name;
  if (!is_key(name)) return Status(Code::invalid, bad_key);
  if (twin.is_null()) {
    property.remove = true;
    return Status();
  }
  if (!twin.is_object()) return wrong();
  for (const auto& [key, side] :
       {std::pair("expected", &property.expected), std::pair("actual", &property.actual)}) {
    if (const Status status = read_side(twin, key, name, *side); !status.ok()) return status;
  }
  for (const auto& [key, version] : {std::pair("expected_version", &property.expected_version),
                                     std::pair("actual_version", &property.actual_version)}) {
    if (!read_version(twin, key, *version)) return wrong();
  }
  if (const Json* optional = find(twin, "optional")) {
    if (!optional->is_boolean()) return wrong();
    property.optional = optional->get<bool>();
  }
  if (const Json* metadata = find(twin, "metadata")) {
    if (!metadata->is_object() || !read_text(*metadata, "type", property.type)) return wrong();
  }
  return Status();
}

}  // namespace

Request parse_update(std::string_view payload) {
  Request request;
  if (payload.size() > max_payload_bytes) {
    request.status = too_big(payload.size());
    return request;
  }
  const auto json = dmi::parse_json(payload);
  if (!json || !json->is_object() || !read_text(*json, "event_id", request.event_id)) {
    request.status = wrong();
    return request;
  }
  const Json* twin = find(*json, "twin");
  if (twin == nullptr) {
    request.status = Status(Code::invalid, "Update twin error, key:twin does not exist");
    return request;
  }
  if (!twin->is_object()) {
    request.status = wrong();
    return request;
  }
  request.update.event_id = request.event_id;
  request.details = wants_versions(*json);
  for (const auto& [name, value] : twin->items()) {
    Property& property = request.update.properties.emplace_back();
    request.status = read_property(name, value, property);
    if (!request.status.ok()) return request;
    if (request.details) continue;
    property.expected_version.reset();
    property.actual_version.reset();
  }
  return request;
}

Request parse_state(std::string_view payload) {
  Request request;
  const auto json =
      payload.size() > max_payload_bytes ? too_big(payload.size()) : dmi::parse_json(payload);
  if (!json || !json->is_object() || !read_text(*json, "event_id", request.event_id) ||
      !read_text(*json, "state", request.state)) {
    request.status = wrong();
  }
  return request;
}

Request parse_get(std::string_view payload, std::string_view what) {
  Request request;
  if (payload.size() > max_payload_bytes) {
    request.status = too_big(payload.size());
    return request;
  }
  const auto json = dmi::parse_json(payload);
  if (json && json->is_object() && read_text(*json, "event_id", request.event_id)) {
    request.details = wants_versions(*json);
    return request;
  }
  const std::string why = !json ? json.status().text() : "not an object with a text event_id";
  // The beginning is enough to know one's own message by; is_utf8 keeps the answer JSON.
  const std::string_view start = base::cut(payload, 64);
  request.status = Status(
      Code::invalid,
      cat("Unmarshal ", what, " ", base::is_utf8(start) ? start : "", " failed , err: ", why));
  return request;
}

}  // namespace devicetwin::bus

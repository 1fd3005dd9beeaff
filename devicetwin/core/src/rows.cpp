#include "rows.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "dmi/idle_keys.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

std::string row_type(std::string_view word) {
  const auto type = dmi::type_of(word);
  return type ? std::string(dmi::metadata_name(*type)) : "string";
}

// KubeEdge's rules and texts (dtcommon.ValidateValue), with double, bytes and stream besides.
Status check_value(std::string_view text, std::string_view type) {
  std::int64_t whole = 0;
  double number = 0;
  if (type == "int" || type == "integer") {
    if (base::parse_int(text, whole)) return Status();
    return Status(Code::invalid, "the value is not int or integer");
  }
  if (type == "float" || type == "double") {
    if (base::parse_double(text, number)) return Status();
    return Status(Code::invalid, "the value is not float");
  }
  if (type == "boolean" || type == "bool") {
    if (text == "true" || text == "false") return Status();
    return Status(Code::invalid, "the bool value must be true or false");
  }
  for (const std::string_view any : {"", "string", "deleted", "bytes", "stream", "updated"}) {
    if (base::lower(type) == any) return Status();
  }
  return Status(Code::invalid, "the value type is not allowed");
}

TwinRow tombstone(const TwinRow& row) {
  TwinRow dead;
  dead.name = row.name;
  dead.type = row.type;
  dead.deleted = true;
  dead.expected.version = row.expected.version;
  dead.actual.version = row.actual.version;
  return dead;
}

std::string actor(Origin origin, std::string_view name) {
  switch (origin) {
    case Origin::kubernetes:
      return "kubernetes";
    case Origin::mqtt:
      return "mqtt";
    case Origin::mapper:
      return name.empty() ? "mapper" : cat("mapper ", name);
    case Origin::self:
      break;
  }
  return "";
}

namespace {

std::string type_of(const State& state, const DeviceBody& body,
                    const dmi::DeviceProperty& property) {
  if (const auto model = state.models.find(body.model); model != state.models.end()) {
    const auto type = model->second.types.find(property.name);
    if (type != model->second.types.end()) return type->second;
  }
  if (!property.desired) return "string";
  const auto type = property.desired->metadata.find("type");
  return type == property.desired->metadata.end() ? "string" : row_type(type->second);
}

// The desired side of a row as the spec has it. Returns whether it changed.
bool follow_desired(TwinRow& row, const std::string& desired, std::int64_t now_ms, Origin origin) {
  Side& side = row.expected;
  if (side.present == !desired.empty() && side.value == desired) return false;
  side = {!desired.empty(),
          desired,
          now_ms,
          {side.version.cloud, side.version.edge + 1},
          actor(origin, "")};
  row.refusal = Status();
  return true;
}

// The row of one property of the spec follows it. What changed, if anything.
std::optional<Change::Row> follow_property(State& state, DeviceBody& body,
                                           const dmi::DeviceProperty& property,
                                           std::uint16_t position, bool was_in_spec,
                                           Origin origin) {
  RowTable::Row& packed = body.rows.at(property.name);
  const std::string type = type_of(state, body, property);
  const bool says_other = was_in_spec && packed.spec_type.view() != type;
  packed.position = position;
  if (packed.spec_type.view() != type) packed.spec_type = state.names.of(type);
  const std::string desired = property.desired ? property.desired->value : "";
  const bool alive = packed.alive();
  if (!alive && desired.empty()) return std::nullopt;
  const std::string_view now = packed.rare ? packed.rare->expected.value : std::string_view();
  // A report may have refined the type; only a spec that says something else overrides it.
  const bool retyped = (!alive || says_other) && packed.type.view() != type;
  if (alive && !retyped && now == desired &&
      (packed.rare && packed.rare->expected.present) == !desired.empty()) {
    return std::nullopt;
  }
  const TwinRow before = body.rows.unpack(packed);
  TwinRow row = before;
  row.deleted = false;
  if (!alive || says_other) row.type = type;
  if (!follow_desired(row, desired, state.now_ms(), origin) && alive && !retyped)
    return std::nullopt;
  body.rows.pack(packed, row);
  return Change::Row{alive ? std::optional(before) : std::nullopt, std::move(row)};
}

}  // namespace

Followed follow_spec(State& state, DeviceBody& body, const dmi::Device& device, Origin origin) {
  body.protocol = device.protocol.protocol;
  body.model = {device.id.space, device.model};
  std::vector<std::string> ignored;
  for (const dmi::IdleKey& key : dmi::idle_keys(device)) ignored.push_back(key.text());
  std::vector<std::string_view> was;
  std::vector<std::pair<std::string_view, std::uint16_t>> places;
  for (RowTable::Row& row : body.rows.rows) {
    if (row.in_spec()) was.push_back(row.name.view());
    if (row.alive()) places.emplace_back(row.name.view(), row.position);
    row.position = RowTable::Row::not_in_spec;
  }
  Followed followed;
  followed.moved = std::exchange(body.ignored, std::move(ignored)) != body.ignored;
  body.rows.add(device.properties);
  for (std::uint16_t i = 0; i < device.properties.size(); ++i) {
    const auto& property = device.properties[i];
    const bool was_in_spec = std::ranges::binary_search(was, std::string_view(property.name));
    auto row = follow_property(state, body, property, i, was_in_spec, origin);
    if (row) followed.rows.push_back(std::move(*row));
  }
  for (const std::string_view name : was) {
    RowTable::Row& row = *body.rows.find(name);
    if (row.in_spec()) continue;
    row.spec_type = Name();
    if (!row.alive()) continue;
    TwinRow before = body.rows.unpack(row);
    TwinRow dead = tombstone(before);
    body.rows.pack(row, dead);
    followed.rows.push_back({std::move(before), std::move(dead)});
  }
  for (const auto& [name, place] : places) {
    followed.moved = followed.moved || body.rows.find(name)->position != place;
  }
  body.rows.tidy();
  return followed;
}

bool follow_model(const State& state, DeviceEntry& entry) {
  const std::string missing = state.models.contains(entry.model)
                                  ? ""
                                  : cat("waiting for devicemodel ", entry.model.to_string());
  const std::string& reason = missing.empty() ? entry.link_reason : missing;
  if (entry.state.waiting == reason) return false;
  entry.state.waiting = reason;
  return true;
}

}  // namespace devicetwin

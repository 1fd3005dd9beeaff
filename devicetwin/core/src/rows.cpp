// How twins follow objects: the desired side of rows, types, and what a device waits for.
#include <algorithm>
#include <cassert>

#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "impl.hpp"

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

std::string Core::Impl::type_of(const DeviceEntry& entry,
                                const dmi::DeviceProperty& property) const {
  if (const auto model = models.find(entry.model); model != models.end()) {
    const auto type = model->second.types.find(property.name);
    if (type != model->second.types.end()) return type->second;
  }
  if (!property.desired) return "string";
  const auto type = property.desired->metadata.find("type");
  return type == property.desired->metadata.end() ? "string" : row_type(type->second);
}

namespace {

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

}  // namespace

// The row of one property of the spec follows it. What changed, if anything.
std::optional<Change::Row> Core::Impl::follow_property(DeviceEntry& entry,
                                                       const dmi::DeviceProperty& property,
                                                       std::uint16_t position, bool was_in_spec,
                                                       Origin origin) {
  RowTable::Row& packed = entry.rows.at(property.name);
  const std::string type = type_of(entry, property);
  const bool says_other = was_in_spec && packed.spec_type.view() != type;
  packed.position = position;
  if (packed.spec_type.view() != type) packed.spec_type = names.of(type);
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
  const TwinRow before = entry.rows.unpack(packed);
  TwinRow row = before;
  row.deleted = false;
  if (!alive || says_other) row.type = type;
  if (!follow_desired(row, desired, now_ms(), origin) && alive && !retyped) return std::nullopt;
  entry.rows.pack(packed, row);
  return Change::Row{alive ? std::optional(before) : std::nullopt, std::move(row)};
}

std::vector<Change::Row> Core::Impl::follow_spec(DeviceEntry& entry, const dmi::Device& device,
                                                 Origin origin) {
  entry.protocol = device.protocol.protocol;
  entry.model = {device.id.space, device.model};
  std::vector<std::string_view> was;
  for (RowTable::Row& row : entry.rows.rows) {
    if (row.in_spec()) was.push_back(row.name.view());
    row.position = RowTable::Row::not_in_spec;
  }
  std::vector<Change::Row> changed;
  entry.rows.add(device.properties);
  for (std::uint16_t i = 0; i < device.properties.size(); ++i) {
    const auto& property = device.properties[i];
    const bool was_in_spec = std::ranges::binary_search(was, std::string_view(property.name));
    auto row = follow_property(entry, property, i, was_in_spec, origin);
    if (row) changed.push_back(std::move(*row));
  }
  for (const std::string_view name : was) {
    RowTable::Row& row = *entry.rows.find(name);
    if (row.in_spec()) continue;
    row.spec_type = Name();
    if (!row.alive()) continue;
    TwinRow before = entry.rows.unpack(row);
    TwinRow dead = tombstone(before);
    entry.rows.pack(row, dead);
    changed.push_back({std::move(before), std::move(dead)});
  }
  entry.rows.tidy();
  follow_pace(entry, device);
  return changed;
}

bool Core::Impl::follow_model(DeviceEntry& entry) const {
  const std::string missing =
      models.contains(entry.model) ? "" : cat("waiting for devicemodel ", entry.model.to_string());
  const std::string& reason = missing.empty() ? entry.link_reason : missing;
  if (entry.state.waiting == reason) return false;
  entry.state.waiting = reason;
  return true;
}

std::vector<Change> Core::Impl::follow_model_change(const ObjectId& model, Origin origin) {
  std::vector<Change> changes;
  for (auto& [id, entry] : devices) {
    if (entry.model != model) continue;
    std::vector<Change::Row> rows;
    if (models.contains(model)) {
      const auto device = dmi::device_from_json(parse_own(entry.object.text));
      if (device) rows = follow_spec(entry, *device, origin);
      for (const auto& row : rows) journal.put_row(id, row.after);
    }
    const bool waiting_changed = follow_model(entry);
    if (rows.empty() && !waiting_changed) continue;
    changes.push_back(status_change(entry, std::move(rows), origin));
    changes.back().state_changed = waiting_changed;
  }
  return changes;
}

Change Core::Impl::status_change(DeviceEntry& entry, std::vector<Change::Row> rows, Origin origin) {
  entry.status_version = next_version();
  return {.kind = Kind::device_status,
          .id = entry.object.id,
          .version = entry.status_version,
          .origin = origin,
          .rows = std::move(rows)};
}

void Core::set_waiting(const ObjectId& device, const std::string& reason) {
  assert(loop_.here());
  const auto found = impl_->devices.find(device);
  if (found == impl_->devices.end()) return;
  found->second.link_reason = reason;
  if (!impl_->follow_model(found->second)) return;
  Change change = impl_->status_change(found->second, {}, Origin::self);
  change.state_changed = true;
  impl_->tell_in_order(std::move(change));
}

}  // namespace devicetwin

// How twins follow objects: the desired side of rows, types, and what a device waits for.
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
bool follow_desired(TwinRow& row, const std::string& desired, std::int64_t now_ms) {
  Side& side = row.expected;
  if (side.present == !desired.empty() && side.value == desired) return false;
  side = {!desired.empty(), desired, now_ms, {side.version.cloud, side.version.edge + 1}};
  row.refusal = Status();
  return true;
}

}  // namespace

std::vector<Change::Row> Core::Impl::follow_spec(DeviceEntry& entry, const dmi::Device& device) {
  entry.protocol = device.protocol.protocol;
  entry.model = {device.id.space, device.model};
  const auto old_spec = std::exchange(entry.spec, {});
  std::vector<Change::Row> changed;
  for (std::uint32_t i = 0; i < device.properties.size(); ++i) {
    const auto& property = device.properties[i];
    const std::string type = type_of(entry, property);
    entry.spec[property.name] = {i, type};
    const std::string desired = property.desired ? property.desired->value : "";
    const auto found = entry.rows.find(property.name);
    const bool alive = found != entry.rows.end() && !found->second.deleted;
    if (!alive && desired.empty()) continue;

    TwinRow row = found == entry.rows.end() ? TwinRow() : found->second;
    row.name = property.name;
    row.deleted = false;
    // A report may have refined the type; only a spec that says something else overrides it.
    const auto old = old_spec.find(property.name);
    const bool says_new = !alive || (old != old_spec.end() && old->second.type != type);
    const bool retyped = says_new && row.type != type;
    if (says_new) row.type = type;
    if (!follow_desired(row, desired, now_ms()) && alive && !retyped) continue;
    changed.push_back({alive ? std::optional(found->second) : std::nullopt, row});
    entry.rows[property.name] = std::move(row);
  }
  for (const auto& [name, property] : old_spec) {
    const auto found = entry.rows.find(name);
    if (entry.spec.contains(name) || found == entry.rows.end() || found->second.deleted) continue;
    TwinRow dead = tombstone(found->second);
    changed.push_back({std::move(found->second), dead});
    found->second = std::move(dead);
  }
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
      const auto device = dmi::device_from_json(parse_own(*entry.object.text));
      if (device) rows = follow_spec(entry, *device);
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

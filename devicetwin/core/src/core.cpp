#include "devicetwin/core.hpp"

#include <algorithm>
#include <cassert>

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "impl.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::Json;
using dmi::ObjectId;

namespace {
// Versions are reserved on disk ahead of their use, so that a number that a client saw never means
// something else after a crash. Half a block is far more than a second's changes.
constexpr std::uint64_t version_block = 1u << 17;
}  // namespace

std::uint64_t Core::Impl::next_version() {
  ++core.version_;
  if (core.version_ + version_block / 2 > reserved_version) {
    reserved_version = core.version_ + version_block;
    journal.put_version(reserved_version);
  }
  return core.version_;
}

const base::Status& Core::Impl::refused(const base::Status& why) {
  switch (why.code()) {
    case base::Code::not_found:
      ++counters.not_found;
      break;
    case base::Code::conflict:
      ++counters.conflict;
      break;
    case base::Code::unavailable:
      ++counters.limit;
      break;
    default:
      ++counters.invalid;
  }
  return why;
}

Status Core::Impl::disk_failed(const base::Status& disk) {
  ++counters.disk;
  return base::Status(base::Code::unavailable, cat("disk: ", disk.text()));
}

void Core::Impl::tell(Change change) {
  ++counters.changes;
  counters.rows += change.rows.size();
  untold.push_back(std::move(change));
  if (telling) return;
  telling = true;
  while (!untold.empty()) {
    const Change next = std::move(untold.front());
    untold.pop_front();
    for (Outlet* outlet : outlets) outlet->changed(next);
  }
  telling = false;
}

void Core::Impl::tell_in_order(Change change) {
  if (!pending.contains(Key(Kind::device, change.id))) return tell(std::move(change));
  journal.flush([this, life = std::weak_ptr(alive), change = std::move(change)](auto) {
    if (!life.expired()) tell(change);
  });
}

void Core::when_on_disk(std::function<void(Status)> shown) {
  if (impl_->on_their_way == 0) return shown(Status());
  impl_->journal.flush([life = std::weak_ptr(impl_->alive), shown = std::move(shown)](Status disk) {
    if (life.expired()) return;
    shown(disk.ok() ? disk : Status(Code::unavailable, cat("disk: ", disk.text())));
  });
}

void Core::set_max_value_bytes(std::size_t bytes) {
  max_value_bytes_ = std::min(bytes, dmi::max_value_bytes);
}

Core::Core(base::Loop& loop, Journal& journal, std::string node)
    : loop_(loop), node_(std::move(node)), impl_(std::make_unique<Impl>(*this, journal)) {}

Core::~Core() {
  if (!impl_->dirty.empty()) impl_->write_reports();
}

void Core::Impl::touch(DeviceEntry& entry, RowTable::Row& row) {
  row.dirty = true;
  if (std::exchange(entry.rows.dirty, true)) return;
  dirty.push_back(entry.object.id);
  if (!writing_reports && !report_timer.running())
    report_timer.start(report_window, [this] { write_reports(); });
}

// The next window begins when the disk has this one, and the longer that took the later it ends:
// rows that change meanwhile cost nothing more, and a slow disk is left a third of its time.
void Core::Impl::write_reports() {
  for (const ObjectId& id : std::exchange(dirty, {})) {
    const auto found = devices.find(id);
    if (found == devices.end() || !std::exchange(found->second.rows.dirty, false)) continue;
    std::vector<TwinRow> rows;
    for (RowTable::Row& row : found->second.rows.rows) {
      if (std::exchange(row.dirty, false)) rows.push_back(found->second.rows.unpack(row));
    }
    journal.put_rows(id, std::move(rows));
  }
  writing_reports = true;
  const base::SteadyTime began = core.loop_.now();
  journal.flush([this, life = std::weak_ptr(alive), began](const base::Status&) {
    if (life.expired()) return;
    writing_reports = false;
    const base::Duration rest = std::clamp<base::Duration>(2 * (core.loop_.now() - began),
                                                           report_window, most_report_window);
    if (!dirty.empty()) report_timer.start(rest, [this] { write_reports(); });
  });
}

void Core::add_outlet(Outlet& outlet) { impl_->outlets.push_back(&outlet); }

void Core::load(std::vector<Object> objects, std::vector<std::pair<ObjectId, TwinRow>> rows,
                std::vector<std::pair<ObjectId, DeviceState>> states, std::uint64_t version) {
  assert(impl_->devices.empty() && impl_->models.empty());
  version_ = version;
  for (const Object& object : objects) version_ = std::max(version_, object.version);
  // Models first: devices take their types from them.
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) {
    return a.kind == Kind::device_model && b.kind != Kind::device_model;
  });
  for (auto& [id, row] : rows) impl_->entry(id).rows.put(row);
  for (auto& [id, state] : states) impl_->entry(id).state = std::move(state);
  for (Object& object : objects) {
    const Json json = Json::parse(object.text.str(), nullptr, false);
    if (!json.is_object() || !json.contains("metadata")) {
      base::log_error(cat("stored object ", object.id.to_string(), " is left out: ",
                          json.is_discarded() ? "it is not JSON" : "it has no metadata"));
      continue;
    }
    if (object.kind == Kind::device_model) {
      const auto model = dmi::model_from_json(json);
      ModelEntry& entry = impl_->models[object.id];
      if (model) {
        for (const auto& property : model->properties) {
          entry.types[property.name] = row_type(property.type);
        }
        entry.paces = paces_of(*model);
      }
      entry.object = std::move(object);
      continue;
    }
    DeviceEntry& entry = impl_->entry(object.id);
    entry.created = json["metadata"].value("creationTimestamp", "");
    entry.pinned_mapper = pinned_mapper_of(json);
    entry.status_version = version_;
    entry.object = std::move(object);
    // A crash between the object and its rows cannot be: they are one transaction. Following the
    // spec again costs little and also heals rows of a database that was edited by hand.
    if (const auto device = dmi::device_from_json(json))
      (void)impl_->follow_spec(entry, *device, Origin::self);
    impl_->follow_model(entry);
  }
  std::erase_if(impl_->devices, [](const auto& entry) { return !entry.second.object.text; });
  impl_->next_version();
}

const Object* Core::find(Kind kind, const ObjectId& id) const {
  assert(kind != Kind::device_status);
  return impl_->find(Key(kind, id));
}

std::vector<const Object*> Core::list(Kind kind, std::string_view space) const {
  assert(kind != Kind::device_status);
  std::vector<const Object*> objects;
  const auto collect = [&](const auto& entries) {
    auto entry = entries.lower_bound(ObjectId{std::string(space), ""});
    for (; entry != entries.end(); ++entry) {
      if (!space.empty() && entry->first.space != space) break;
      objects.push_back(&entry->second.object);
    }
  };
  if (kind == Kind::device) {
    collect(impl_->devices);
  } else {
    collect(impl_->models);
  }
  return objects;
}

std::optional<Twins> Core::rows(const ObjectId& device) const {
  const auto found = impl_->devices.find(device);
  if (found == impl_->devices.end()) return std::nullopt;
  return Twins(found->second.rows);
}

const DeviceState* Core::state(const ObjectId& device) const {
  const auto found = impl_->devices.find(device);
  return found == impl_->devices.end() ? nullptr : &found->second.state;
}

Core::Assignment Core::assignment(std::string_view protocol) const {
  Assignment assignment;
  std::map<ObjectId, bool> models;
  for (const auto& [id, entry] : impl_->devices) {
    if (entry.protocol != protocol) continue;
    auto device = merged_device(id);
    if (!device) continue;
    const ObjectId model_id{id.space, device->model};
    if (models.try_emplace(model_id, true).second) {
      assignment.models.push_back(*model(model_id));
    }
    assignment.devices.push_back(std::move(*device));
  }
  return assignment;
}

std::optional<dmi::Device> Core::merged_device(const ObjectId& id) const {
  const Object* object = impl_->find_durable(Key(Kind::device, id));
  if (object == nullptr) return std::nullopt;
  auto device = dmi::device_from_json(parse_own(object->text));
  if (!device) return std::nullopt;
  const auto defaults = model({id.space, device->model});
  if (!defaults) return std::nullopt;
  dmi::Device merged = dmi::merge_defaults(std::move(*device), *defaults);
  const auto known = impl_->devices.find(id);
  if (known == impl_->devices.end()) return merged;
  for (const RowTable::Row& row : known->second.rows.rows) {
    if (!row.alive() || !row.rare || row.rare->observed_ms == 0) continue;
    merged.observed[std::string(row.name.view())] = {
        row.rare->observed,
        {{"type", std::string(row.type.view())}, {"timestamp", base::cat(row.rare->observed_ms)}}};
  }
  return merged;
}

std::optional<dmi::DeviceModel> Core::model(const ObjectId& id) const {
  const Object* object = impl_->find_durable(Key(Kind::device_model, id));
  if (object == nullptr) return std::nullopt;
  auto model = dmi::model_from_json(parse_own(object->text));
  if (!model) return std::nullopt;
  return std::move(*model);
}

std::vector<ObjectId> Core::devices_of_model(const ObjectId& model) const {
  std::vector<ObjectId> ids;
  for (const auto& [id, entry] : impl_->devices) {
    if (entry.model == model) ids.push_back(id);
  }
  return ids;
}

std::vector<ObjectId> Core::devices_of_protocol(std::string_view protocol) const {
  std::vector<ObjectId> ids;
  for (const auto& [id, entry] : impl_->devices) {
    if (entry.protocol == protocol) ids.push_back(id);
  }
  return ids;
}

const Core::Counters& Core::counters() const { return impl_->counters; }

std::size_t Core::twins() const {
  std::size_t twins = 0;
  for (const auto& [id, entry] : impl_->devices) twins += entry.rows.existing();
  return twins;
}

std::string Core::protocol_of(const ObjectId& device) const {
  const auto found = impl_->devices.find(device);
  return found == impl_->devices.end() ? "" : found->second.protocol;
}

std::string Core::pinned_mapper(const ObjectId& device) const {
  const auto found = impl_->devices.find(device);
  return found == impl_->devices.end() ? "" : found->second.pinned_mapper;
}

}  // namespace devicetwin

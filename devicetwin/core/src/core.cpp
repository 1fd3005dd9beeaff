#include "devicetwin/core.hpp"

#include <algorithm>
#include <cassert>
#include <span>

#include "adoption.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "loading.hpp"
#include "objects.hpp"
#include "pacing.hpp"
#include "rows.hpp"
#include "status.hpp"
#include "twins.hpp"

namespace devicetwin {

using base::cat;
using base::Status;
using dmi::Json;
using dmi::ObjectId;

struct Core::Impl {
  Impl(base::Loop& loop, Journal& journal)
      : state(loop, journal), turns(state, [this](const Key& key, Line line, const Status& disk) {
          adoption.settle(key, std::move(line), disk);
        }) {}

  State state;
  Turns turns;
  ReportWriter reports{state, turns};
  Adoption adoption{state, turns, reports};
  Objects objects{state, turns};
  TwinVerbs twins{state, turns, objects, reports, adoption};
};

Core::Core(base::Loop& loop, Journal& journal, std::string node)
    : loop_(loop), node_(std::move(node)), impl_(std::make_unique<Impl>(loop, journal)) {}

Core::~Core() { impl_->state.versions.close(); }

void Core::set_max_value_bytes(std::size_t bytes) {
  impl_->state.max_value_bytes = std::min(bytes, dmi::max_value_bytes);
}

void Core::set_report_window(base::Duration window) {
  impl_->state.report_window =
      std::clamp<base::Duration>(window, report_window, longest_report_window);
}

void Core::add_outlet(Outlet& outlet) { impl_->state.telling.add(outlet); }

namespace {

void load_one(State& state, Object object, const ReadObject& read) {
  if (!read.wrong.empty()) {
    return base::log_error(
        cat("stored object ", object.id.to_string(), " is left out: ", read.wrong));
  }
  if (object.kind == Kind::device_model) {
    const ObjectId id = object.id;
    state.models[id] = model_entry(std::move(object));
    return;
  }
  DeviceEntry& entry = state.devices.try_emplace(object.id, state.names).first->second;
  entry.created = read.created;
  entry.pinned_mapper = read.pinned_mapper;
  entry.status_version = state.versions.now();
  entry.object = std::move(object);
  // A crash between the object and its rows cannot be: they are one transaction. Following the
  // spec again costs little and also heals rows of a database that was edited by hand.
  if (read.device) {
    (void)follow_spec(state, entry, *read.device, Origin::self);
    const auto model = state.models.find(entry.model);
    Pacing::follow(entry.paces, pace_rules(*read.device,
                                           model == state.models.end() ? nullptr : &model->second));
  }
  follow_model(state, entry);
}

}  // namespace

void Core::load(std::vector<Object> objects, std::vector<std::pair<ObjectId, TwinRow>> rows,
                std::vector<std::pair<ObjectId, DeviceState>> states, std::uint64_t version) {
  State& state = impl_->state;
  assert(state.devices.empty() && state.models.empty());
  std::uint64_t seen = 0;
  for (const Object& object : objects) seen = std::max(seen, object.version);
  state.versions.load(version, seen);
  // Models first: devices take their types from them.
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) {
    return a.kind == Kind::device_model && b.kind != Kind::device_model;
  });
  const auto entry_of = [&state](const ObjectId& id) -> DeviceEntry& {
    return state.devices.try_emplace(id, state.names).first->second;
  };
  DeviceEntry* entry = nullptr;
  const ObjectId* of = nullptr;  // its rows come one after the other
  for (const auto& [id, row] : rows) {
    if (of == nullptr || *of != id) entry = &entry_of(id);
    of = &id;
    entry->rows.put(row);
  }
  for (auto& [id, device_state] : states) entry_of(id).state = std::move(device_state);
  for (std::size_t i = 0; i < objects.size(); i += read_together) {
    const std::span some(objects.data() + i, std::min(read_together, objects.size() - i));
    const std::vector<ReadObject> read = read_all(some);
    for (std::size_t k = 0; k < some.size(); ++k) load_one(state, std::move(some[k]), read[k]);
  }
  std::erase_if(state.devices, [](const auto& entry) { return !entry.second.object.text; });
  state.versions.next();
}

Core::Contents Core::contents() const {
  assert(loop_.here());
  const State& state = impl_->state;
  Contents contents;
  contents.version = state.versions.reserved();
  for (const auto& [id, model] : state.models) contents.objects.push_back(model.object);
  for (const auto& [id, device] : state.devices) {
    contents.objects.push_back(device.object);
    contents.states.emplace_back(id, device.state);
    for (const RowTable::Row& row : device.rows.rows) {
      if (row.exists) contents.rows.emplace_back(id, device.rows.unpack(row));
    }
  }
  return contents;
}

// ---- verbs ----

bool Core::in_turn(Kind kind, const ObjectId& id, std::function<void()> task) {
  assert(loop_.here() && kind != Kind::device_status);
  return impl_->turns.run(Key(kind, id), std::move(task));
}

const Object* Core::newest(Kind kind, const ObjectId& id) const {
  return impl_->turns.newest(Key(kind, id));
}

void Core::create(Kind kind, Json object, Origin origin, Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->state.counters.objects;
  impl_->objects.create(kind, std::move(object), origin, std::move(done));
}

void Core::update(Kind kind, Json object, std::uint64_t expected_version, Origin origin,
                  Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->state.counters.objects;
  impl_->objects.update(kind, std::move(object), expected_version, origin, std::move(done));
}

void Core::remove(Kind kind, const ObjectId& id, Origin origin, Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->state.counters.objects;
  impl_->objects.remove(kind, id, origin, std::move(done));
}

void Core::update_twin(const ObjectId& device, TwinUpdate update, Origin origin,
                       std::function<void(base::Result<Applied>)> done) {
  assert(loop_.here());
  impl_->twins.update(device, std::move(update), origin, std::move(done));
}

void Core::update_state(const ObjectId& device, std::string state, Origin origin,
                        const std::function<void(Status)>& done) {
  assert(loop_.here());
  // Answered first: who asked is told by that, and listeners after him.
  const Telling::Hold hold(impl_->state.telling);
  done(impl_->twins.update_state(device, std::move(state), origin));
}

void Core::set_waiting(const ObjectId& device, const std::string& reason) {
  assert(loop_.here());
  impl_->twins.set_waiting(device, reason);
}

// ---- what is shown ----

std::uint64_t Core::version() const { return impl_->state.versions.now(); }
std::uint64_t Core::shown_version() const { return impl_->turns.shown_version(); }

const Object* Core::find(Kind kind, const ObjectId& id) const {
  assert(kind != Kind::device_status);
  return impl_->state.find(Key(kind, id));
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
    collect(impl_->state.devices);
  } else {
    collect(impl_->state.models);
  }
  return objects;
}

std::optional<Twins> Core::rows(const ObjectId& device) const {
  const auto found = impl_->state.devices.find(device);
  if (found == impl_->state.devices.end()) return std::nullopt;
  return Twins(found->second.rows);
}

const DeviceState* Core::state(const ObjectId& device) const {
  const auto found = impl_->state.devices.find(device);
  return found == impl_->state.devices.end() ? nullptr : &found->second.state;
}

std::optional<Json> Core::status_object(const ObjectId& device) const {
  const DeviceEntry* entry = impl_->state.device(device);
  return entry == nullptr ? std::nullopt : std::optional(status_json(*entry));
}

Core::Assignment Core::assignment(std::string_view protocol) const {
  Assignment assignment;
  std::map<ObjectId, bool> models;
  for (const auto& [id, entry] : impl_->state.devices) {
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
  const Object* object = impl_->state.find(Key(Kind::device, id));
  if (object == nullptr) return std::nullopt;
  auto device = dmi::device_from_json(parse_own(object->text));
  if (!device) return std::nullopt;
  const auto defaults = model({id.space, device->model});
  if (!defaults) return std::nullopt;
  dmi::Device merged = dmi::merge_defaults(std::move(*device), *defaults);
  const auto known = impl_->state.devices.find(id);
  if (known == impl_->state.devices.end()) return merged;
  for (const RowTable::Row& row : known->second.rows.rows) {
    if (!row.alive() || !row.rare || row.rare->observed_ms == 0) continue;
    merged.observed[std::string(row.name.view())] = {
        row.rare->observed,
        {{"type", std::string(row.type.view())}, {"timestamp", base::cat(row.rare->observed_ms)}}};
  }
  return merged;
}

std::optional<dmi::DeviceModel> Core::model(const ObjectId& id) const {
  const Object* object = impl_->state.find(Key(Kind::device_model, id));
  if (object == nullptr) return std::nullopt;
  auto model = dmi::model_from_json(parse_own(object->text));
  if (!model) return std::nullopt;
  return std::move(*model);
}

std::vector<ObjectId> Core::devices_of_model(const ObjectId& model) const {
  std::vector<ObjectId> ids;
  for (const auto& [id, entry] : impl_->state.devices) {
    if (entry.model == model) ids.push_back(id);
  }
  return ids;
}

std::vector<ObjectId> Core::devices_of_protocol(std::string_view protocol) const {
  std::vector<ObjectId> ids;
  for (const auto& [id, entry] : impl_->state.devices) {
    if (entry.protocol == protocol) ids.push_back(id);
  }
  return ids;
}

const Core::Counters& Core::counters() const { return impl_->state.counters; }

std::size_t Core::twins() const {
  std::size_t twins = 0;
  for (const auto& [id, entry] : impl_->state.devices) twins += entry.rows.existing();
  return twins;
}

std::string Core::protocol_of(const ObjectId& device) const {
  const auto found = impl_->state.devices.find(device);
  return found == impl_->state.devices.end() ? "" : found->second.protocol;
}

std::string Core::pinned_mapper(const ObjectId& device) const {
  const auto found = impl_->state.devices.find(device);
  return found == impl_->state.devices.end() ? "" : found->second.pinned_mapper;
}

}  // namespace devicetwin

#include "twins.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <tuple>

#include "base/text.hpp"
#include "rows.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::Json;
using dmi::ObjectId;

namespace {

using Property = TwinUpdate::Property;

// An unchanged state is stored and told again when its last online time is older than this.
constexpr std::int64_t online_refresh_ms = 60'000;

Status too_long(const Property& property, std::size_t size, std::size_t max_bytes) {
  return Status(Code::invalid, cat("the value of twin ", property.name, " has ", size,
                                   " bytes, above ", max_bytes));
}

std::string_view type_for(const DeviceBody& device, const Property& property) {
  const RowTable::Row* row = device.rows.find(property.name);
  if (row != nullptr && row->alive()) return row->type.view();
  if (row != nullptr && row->in_spec()) return row->spec_type.view();
  return property.type.empty() ? std::string_view("string") : property.type;
}

// A mapper knows its device: what it says of the type counts, and its values are read as leniently
// as stock mappers write them ("1" for true).
Status check_report(const DeviceBody& device, const Property& property) {
  if (!property.actual || property.actual->empty()) return Status();
  const auto said = dmi::type_of(property.type);
  const auto type = said ? said : dmi::type_of(type_for(device, property));
  if (!type) return Status();
  const Status status = dmi::parse_value(*property.actual, *type).status();
  if (status.ok()) return Status();
  return Status(Code::invalid, cat("twin ", property.name, ": ", status.text()));
}

Status check_update(const DeviceBody& device, const Property& property) {
  const std::string_view type = type_for(device, property);
  for (const auto& value : {property.expected, property.actual}) {
    if (!value || value->empty()) continue;
    if (const Status status = check_value(*value, type); !status.ok()) return status;
  }
  return Status();
}

Status check(const DeviceBody& device, const Property& property, Origin origin,
             std::size_t max_value_bytes) {
  // 128 is KubeEdge's own limit.
  if (property.name.empty() || property.name.size() > 128 || !base::is_utf8(property.name)) {
    return Status(Code::invalid, cat("twin \"", base::cut(property.name, 40),
                                     "\": a name has 1 to 128 bytes of UTF-8"));
  }
  for (const auto& value : {property.expected, property.actual, property.observed}) {
    if (!value) continue;
    if (value->size() > max_value_bytes) {
      return too_long(property, value->size(), max_value_bytes);
    }
    if (!base::is_utf8(*value)) {
      return Status(Code::invalid, cat("the value of twin ", property.name, " is not UTF-8"));
    }
  }
  return origin == Origin::mapper ? check_report(device, property) : check_update(device, property);
}

// Optimistic concurrency: whether the row is still the one that the sender saw.
Status check_version(const DeviceBody& device, const Property& property) {
  if (!property.expected_version && !property.actual_version) return Status();
  const RowTable::Row* packed = device.rows.find(property.name);
  const TwinRow row = packed == nullptr ? TwinRow() : device.rows.unpack(*packed);
  for (const auto& [side, wanted, is] :
       {std::tuple("expected", &property.expected_version, row.expected.version),
        std::tuple("actual", &property.actual_version, row.actual.version)}) {
    if (!*wanted || **wanted == is) continue;
    return Status(Code::conflict,
                  cat("twin ", property.name, ": ", side, " was changed meanwhile: version cloud ",
                      is.cloud, " edge ", is.edge, " is there, cloud ", (*wanted)->cloud, " edge ",
                      (*wanted)->edge, " was expected"));
  }
  return Status();
}

Status check_all(const DeviceBody& device, const TwinUpdate& update, Origin origin,
                 std::size_t max_value_bytes) {
  std::size_t added = 0;
  for (const Property& property : update.properties) {
    if (device.rows.find(property.name) == nullptr) ++added;
    if (const Status status = check_version(device, property); !status.ok()) return status;
    if (property.remove) continue;
    const Status status = check(device, property, origin, max_value_bytes);
    if (!status.ok()) return status;
  }
  if (added == 0 || device.rows.rows.size() + added <= Core::max_rows) return Status();
  return Status(Code::invalid,
                cat(device.object.id.to_string(), ": ", device.rows.rows.size() + added,
                    " twins, deleted ones included, above ", Core::max_rows));
}

// Sets a side; false: nothing but the time is new. above: a version that this value's exceeds.
bool set_side(Side& side, const std::string& value, std::int64_t time_ms, const std::string& by,
              std::int64_t above = 0) {
  if (side.present && side.value == value) {
    side.time_ms = time_ms;
    return false;
  }
  std::int64_t edge = std::max(side.version.edge, above);
  if (edge < std::numeric_limits<std::int64_t>::max()) ++edge;  // of a database edited by hand
  side = {true, value, time_ms, {side.version.cloud, edge}, by};
  return true;
}

// One update on its way through a device.
struct Work {
  Origin origin = Origin::self;
  std::string actor = {};
  std::int64_t now_ms = 0;
  // Reports are told before they are stored: a process that broke off may have told one with the
  // version that would come next, but none above this.
  std::int64_t told_before = 0;
  bool again = false;  // the property at hand is told whatever it says
  Core::Applied applied = {};
  std::vector<Change::Row> changed = {};
  std::vector<TwinRow> to_write = {};  // at once: of what somebody waits for
  // Wishes for properties of the spec: nullopt withdraws.
  std::vector<std::pair<std::string, std::optional<std::string>>> wishes = {};
};

// Applies one property to its row; whether something is new. A repeated value moves the time on
// in memory and nothing else.
bool apply(TwinRow& row, const Property& property, const Work& work) {
  const std::int64_t now_ms = work.now_ms;
  bool changed = false;
  if (property.expected && set_side(row.expected, *property.expected, now_ms, work.actor)) {
    row.refusal = Status();
    changed = true;
  }
  if (property.actual) {
    changed |= set_side(row.actual, *property.actual, property.actual_ms.value_or(now_ms),
                        work.actor, work.told_before);
    changed |= row.quality != property.quality;
    row.quality = property.quality;
  }
  if (property.observed) {
    // "" is how a mapper says that the device has accepted nothing yet.
    changed |= row.observed != *property.observed || row.refusal != property.refusal;
    row.observed = *property.observed;
    row.observed_ms = row.observed.empty() ? 0 : now_ms;
    row.refusal = property.refusal;
  }
  if (property.optional == false && row.optional) {
    row.optional = false;
    changed = true;
  }
  if (work.origin == Origin::mapper && dmi::type_of(property.type)) {
    const std::string type = row_type(property.type);
    changed |= row.type != type;
    row.type = type;
  }
  return changed;
}

TwinRow fresh_row(const DeviceBody& device, const Property& property, const RowTable::Row* dead) {
  TwinRow row = dead == nullptr ? TwinRow() : device.rows.unpack(*dead);
  row.name = property.name;
  row.type = type_for(device, property);
  if (base::lower(row.type) == "updated" || row.type == "deleted") row.type = "string";
  row.deleted = false;
  row.optional = property.optional.value_or(true);
  return row;
}

void remove_row(DeviceBody& device, const std::string& name, Work& work) {
  RowTable::Row* packed = device.rows.find(name);
  if (packed == nullptr || !packed->alive() || !packed->optional) return;
  TwinRow before = device.rows.unpack(*packed);
  TwinRow dead = tombstone(before);
  ++dead.expected.version.edge;
  ++dead.actual.version.edge;
  if (packed->in_spec() && before.expected.present) work.wishes.emplace_back(name, std::nullopt);
  work.applied.removed.push_back(name);
  device.rows.pack(*packed, dead);
  work.to_write.push_back(dead);
  work.changed.push_back({std::move(before), std::move(dead)});
}

// The most frequent report: a value that is there already. Its time moves on, and that is all.
bool only_repeats(RowTable::Row* row, const Property& property, const Work& work) {
  if (row == nullptr || !row->alive() || !row->has_actual || work.origin != Origin::mapper)
    return false;
  if (property.expected || property.observed || property.optional || !property.actual) return false;
  if (row->quality != base::Code::ok || !property.quality.ok()) return false;
  if (row->actual.view() != *property.actual) return false;
  if (!property.type.empty() && row->type.view() != property.type) return false;
  row->actual_ms = property.actual_ms.value_or(work.now_ms);
  return true;
}

// touched: a row that changed and nobody waits for.
RowTable::Row* apply_property(DeviceBody& device, const Property& property, Work& work) {
  if (property.remove) {
    remove_row(device, property.name, work);
    return nullptr;
  }
  RowTable::Row* found = device.rows.find(property.name);
  if (!work.again && only_repeats(found, property, work)) return nullptr;
  const bool alive = found != nullptr && found->alive();
  std::optional<TwinRow> before;
  if (alive) before = device.rows.unpack(*found);
  TwinRow row = alive ? *before : fresh_row(device, property, found);
  const bool wished = property.expected && found != nullptr && found->in_spec() &&
                      (!alive || !row.expected.present || row.expected.value != *property.expected);
  const bool changed = apply(row, property, work) || !alive || work.again;
  RowTable::Row& packed = found != nullptr ? *found : device.rows.at(property.name);
  device.rows.pack(packed, row);
  if (wished) work.wishes.emplace_back(property.name, property.expected);
  // Who reports knows what was applied; only who asked is told.
  if (work.origin != Origin::mapper) work.applied.rows.push_back({before, row});
  if (!changed) return nullptr;
  if (property.expected) work.to_write.push_back(row);
  work.changed.push_back({std::move(before), std::move(row)});
  return property.expected ? nullptr : &packed;
}

// spec.properties[].desired of the Device's JSON.
void set_wishes(Json& object, const DeviceBody& device, const Work& work) {
  Json& properties = object["spec"]["properties"];
  for (const auto& [name, wish] : work.wishes) {
    Json& property = properties[device.rows.find(name)->position];
    assert(property["name"] == name);
    if (wish) {
      property["desired"]["value"] = *wish;
    } else {
      property.erase("desired");
    }
  }
}

}  // namespace

TwinVerbs::TwinVerbs(State& state, Turns& turns, Objects& objects, ReportWriter& reports,
                     Adoption& adoption)
    : state_(state),
      turns_(turns),
      objects_(objects),
      reports_(reports),
      adoption_(adoption),
      pacing_(state, [this](const ObjectId& device, TwinUpdate update) {
        this->update(device, std::move(update), Origin::mapper, [](const auto&) {});
      }) {}

Status TwinVerbs::not_there(const ObjectId& device) {
  return state_.refused(
      Status(Code::not_found, cat("device ", device.to_string(), " is not there")));
}

void TwinVerbs::update(const ObjectId& device, TwinUpdate update, Origin origin, Done done) {
  ++(origin == Origin::mapper ? state_.counters.reports : state_.counters.updates);
  const bool accepted = std::ranges::any_of(update.properties, [](const Property& property) {
    return property.expected || property.remove;
  });
  if (!accepted) {
    DeviceEntry* entry = state_.device(device);
    return entry == nullptr ? done(not_there(device)) : report(*entry, update, origin, done);
  }
  const Key key(Kind::device, device);
  auto decide = [=, this, update = std::move(update)] { stage(device, update, origin, done); };
  if (!turns_.run(key, std::move(decide))) done(state_.refused(objects_.too_many_wait(key)));
}

void TwinVerbs::report(DeviceEntry& entry, const TwinUpdate& update, Origin origin,
                       const Done& done) {
  if (const Status status = check_all(entry, update, origin, state_.max_value_bytes);
      !status.ok()) {
    return done(state_.refused(status));
  }
  Line* const line = turns_.device_on_its_way(entry.object.id);
  DeviceBody* const coming = line != nullptr && line->device ? &*line->device : nullptr;
  const auto told_before = static_cast<std::int64_t>(state_.versions.began());
  Work work{.origin = origin,
            .actor = actor(origin, update.actor),
            .now_ms = state_.now_ms(),
            .told_before = told_before};
  work.changed.reserve(update.properties.size());
  for (const Property& property : update.properties) {
    work.again = false;
    if (origin == Origin::mapper && !entry.paces.empty() &&
        !pacing_.takes(entry, property, update.actor, work.again)) {
      ++state_.counters.paced;
      continue;
    }
    if (RowTable::Row* touched = apply_property(entry, property, work))
      reports_.touch(entry, *touched);
    if (coming == nullptr || line->renewed) continue;
    // It is true of the device that is on its way as well, unless that has lost the property: of
    // which the version stays, so that it is not given again.
    RowTable::Row* const row = coming->rows.find(property.name);
    if (row != nullptr && row->deleted && line->touched.contains(property.name)) {
      const RowTable::Row* shown = entry.rows.find(property.name);
      if (shown == nullptr || shown->actual_edge <= row->actual_edge) continue;
      row->actual_edge = shown->actual_edge;
      reports_.touch(*coming, *row);
      continue;
    }
    Work same{.origin = origin,
              .actor = work.actor,
              .now_ms = work.now_ms,
              .told_before = told_before,
              .again = work.again};
    if (RowTable::Row* touched = apply_property(*coming, property, same))
      reports_.touch(*coming, *touched);
  }
  done(std::move(work.applied));
  if (work.changed.empty()) return;
  adoption_.tell_status(entry, std::move(work.changed), origin, false, update.event_id);
}

void TwinVerbs::stage(const ObjectId& id, const TwinUpdate& update, Origin origin,
                      const Done& done) {
  const Key key(Kind::device, id);
  if (turns_.newest(key) == nullptr) return done(not_there(id));
  const Line* line = turns_.on_its_way(key);
  const DeviceBody& before = line != nullptr ? *line->device : *state_.device(id);
  if (const Status status = check_all(before, update, origin, state_.max_value_bytes);
      !status.ok()) {
    return done(state_.refused(status));
  }
  DeviceBody& device = objects_.stage(id);
  const auto told_before = static_cast<std::int64_t>(state_.versions.began());
  Work work{.origin = origin,
            .actor = actor(origin, update.actor),
            .now_ms = state_.now_ms(),
            .told_before = told_before};
  for (const Property& property : update.properties) {
    if (RowTable::Row* touched = apply_property(device, property, work))
      work.to_write.push_back(device.rows.unpack(*touched));
  }
  StagedVerb verb{.origin = origin, .event_id = update.event_id};
  objects_.put_rows(id, std::move(work.to_write), verb);
  if (!work.wishes.empty()) {
    Json object = parse_own(device.object.text);
    set_wishes(object, device, work);
    objects_.put(key, std::move(object), origin, verb);
  }
  verb.done = [this, applied = std::move(work.applied), done](const Status& disk) {
    if (!disk.ok()) return done(state_.disk_failed(disk));
    done(applied);
  };
  turns_.line(key).verbs.push_back(std::move(verb));
}

Status TwinVerbs::update_state(const ObjectId& device, std::string state, Origin origin) {
  ++state_.counters.states;
  DeviceEntry* const found = state_.device(device);
  if (found == nullptr) return not_there(device);
  const std::string word = base::lower(state);
  constexpr std::string_view known[] = {"online", "offline", "ok", "unknown", "unhealthy"};
  if (std::find(std::begin(known), std::end(known), word) == std::end(known)) {
    return state_.refused(
        Status(Code::invalid, cat(device.to_string(), ": state \"", base::cut(state, 40),
                                  "\" is none of online, offline, ok, unknown, unhealthy")));
  }
  DeviceEntry& entry = *found;
  const bool lives = word == "online" || word == "ok";
  const bool another = entry.state.state != state;
  bool changed = another;
  if (lives) {
    const std::int64_t now = state_.now_ms();
    changed =
        changed || now - entry.online_told_ms >= online_refresh_ms || now < entry.online_told_ms;
    entry.state.last_online = base::to_rfc3339(state_.loop.wall());
    if (changed) entry.online_told_ms = now;
  }
  entry.state.state = std::move(state);
  if (!changed) return Status();
  const Line* line = turns_.device_on_its_way(device);
  // Of a device that is being removed, and perhaps made again, nothing is left on disk.
  if (line == nullptr || !line->renewed) {
    // That it is still online is no reason to write: a plant at rest would cost its card thousands
    // of fsyncs a day.
    if (another) {
      state_.journal.put_state(device, entry.state);
    } else {
      state_.journal.keep_state(device, entry.state);
    }
  }
  adoption_.tell_status(entry, {}, origin, true);
  return Status();
}

void TwinVerbs::set_waiting(const ObjectId& device, const std::string& reason) {
  DeviceEntry* const entry = state_.device(device);
  if (entry == nullptr) return;
  entry->link_reason = reason;
  if (follow_model(state_, *entry)) adoption_.tell_status(*entry, {}, Origin::self, true);
}

}  // namespace devicetwin

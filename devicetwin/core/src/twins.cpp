// update_twin and update_state: reports from mappers, updates from MQTT clients.
#include <algorithm>
#include <cassert>
#include <tuple>

#include "base/text.hpp"
#include "impl.hpp"

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

std::string_view type_for(const DeviceEntry& entry, const Property& property) {
  const RowTable::Row* row = entry.rows.find(property.name);
  if (row != nullptr && row->alive()) return row->type.view();
  if (row != nullptr && row->in_spec()) return row->spec_type.view();
  return property.type.empty() ? std::string_view("string") : property.type;
}

// A mapper knows its device: what it says of the type counts, and its values are read as leniently
// as stock mappers write them ("1" for true).
Status check_report(const DeviceEntry& entry, const Property& property) {
  if (!property.actual || property.actual->empty()) return Status();
  const auto said = dmi::type_of(property.type);
  const auto type = said ? said : dmi::type_of(type_for(entry, property));
  if (!type) return Status();
  const Status status = dmi::parse_value(*property.actual, *type).status();
  if (status.ok()) return Status();
  return Status(Code::invalid, cat("twin ", property.name, ": ", status.text()));
}

Status check_update(const DeviceEntry& entry, const Property& property) {
  const std::string_view type = type_for(entry, property);
  for (const auto& value : {property.expected, property.actual}) {
    if (!value || value->empty()) continue;
    if (const Status status = check_value(*value, type); !status.ok()) return status;
  }
  return Status();
}

Status check(const DeviceEntry& entry, const Property& property, Origin origin,
             std::size_t max_value_bytes) {
  // 128 is KubeEdge's own limit.
  if (property.name.empty() || property.name.size() > 128 || !base::is_utf8(property.name)) {
    return Status(Code::invalid, cat("twin \"", property.name.substr(0, 40),
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
  return origin == Origin::mapper ? check_report(entry, property) : check_update(entry, property);
}

// Optimistic concurrency: whether the row is still the one that the sender saw.
Status check_version(const DeviceEntry& entry, const Property& property) {
  if (!property.expected_version && !property.actual_version) return Status();
  const RowTable::Row* packed = entry.rows.find(property.name);
  const TwinRow row = packed == nullptr ? TwinRow() : entry.rows.unpack(*packed);
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

Status check_all(const DeviceEntry& entry, const TwinUpdate& update, Origin origin,
                 std::size_t max_value_bytes) {
  std::size_t added = 0;
  for (const Property& property : update.properties) {
    if (entry.rows.find(property.name) == nullptr) ++added;
    if (const Status status = check_version(entry, property); !status.ok()) return status;
    if (property.remove) continue;
    const Status status = check(entry, property, origin, max_value_bytes);
    if (!status.ok()) return status;
  }
  if (added == 0 || entry.rows.rows.size() + added <= Core::max_rows) return Status();
  return Status(Code::invalid,
                cat(entry.object.id.to_string(), ": ", entry.rows.rows.size() + added,
                    " twins, deleted ones included, above ", Core::max_rows));
}

// Sets a side; false: nothing but the time is new.
bool set_side(Side& side, const std::string& value, std::int64_t time_ms, const std::string& by) {
  if (side.present && side.value == value) {
    side.time_ms = time_ms;
    return false;
  }
  side = {true, value, time_ms, {side.version.cloud, side.version.edge + 1}, by};
  return true;
}

// One update on its way through a device.
struct Work {
  Origin origin = Origin::self;
  std::string actor = {};
  std::int64_t now_ms = 0;
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
    changed |=
        set_side(row.actual, *property.actual, property.actual_ms.value_or(now_ms), work.actor);
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

TwinRow fresh_row(const DeviceEntry& entry, const Property& property, const RowTable::Row* dead) {
  TwinRow row = dead == nullptr ? TwinRow() : entry.rows.unpack(*dead);
  row.name = property.name;
  row.type = type_for(entry, property);
  if (base::lower(row.type) == "updated" || row.type == "deleted") row.type = "string";
  row.deleted = false;
  row.optional = property.optional.value_or(true);
  return row;
}

void remove_row(DeviceEntry& entry, const std::string& name, Work& work) {
  RowTable::Row* packed = entry.rows.find(name);
  if (packed == nullptr || !packed->alive() || !packed->optional) return;
  TwinRow before = entry.rows.unpack(*packed);
  TwinRow dead = tombstone(before);
  ++dead.expected.version.edge;
  ++dead.actual.version.edge;
  if (packed->in_spec() && before.expected.present) work.wishes.emplace_back(name, std::nullopt);
  work.applied.removed.push_back(name);
  entry.rows.pack(*packed, dead);
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
RowTable::Row* apply_property(DeviceEntry& entry, const Property& property, Work& work) {
  if (property.remove) {
    remove_row(entry, property.name, work);
    return nullptr;
  }
  RowTable::Row* found = entry.rows.find(property.name);
  if (!work.again && only_repeats(found, property, work)) return nullptr;
  const bool alive = found != nullptr && found->alive();
  std::optional<TwinRow> before;
  if (alive) before = entry.rows.unpack(*found);
  TwinRow row = alive ? *before : fresh_row(entry, property, found);
  const bool wished = property.expected && found != nullptr && found->in_spec() &&
                      (!alive || !row.expected.present || row.expected.value != *property.expected);
  const bool changed = apply(row, property, work) || !alive || work.again;
  RowTable::Row& packed = found != nullptr ? *found : entry.rows.at(property.name);
  entry.rows.pack(packed, row);
  if (wished) work.wishes.emplace_back(property.name, property.expected);
  // Who reports knows what was applied; only who asked is told.
  if (work.origin != Origin::mapper) work.applied.rows.push_back({before, row});
  if (!changed) return nullptr;
  if (property.expected) work.to_write.push_back(row);
  work.changed.push_back({std::move(before), std::move(row)});
  return property.expected ? nullptr : &packed;
}

// spec.properties[].desired of the Device's JSON.
void set_wishes(Json& object, const DeviceEntry& entry, const Work& work) {
  Json& properties = object["spec"]["properties"];
  for (const auto& [name, wish] : work.wishes) {
    Json& property = properties[entry.rows.find(name)->position];
    assert(property["name"] == name);
    if (wish) {
      property["desired"]["value"] = *wish;
    } else {
      property.erase("desired");
    }
  }
}

}  // namespace

void Core::update_twin(const ObjectId& device, TwinUpdate update, Origin origin,
                       std::function<void(base::Result<Applied>)> done) {
  assert(loop_.here());
  ++(origin == Origin::mapper ? impl_->counters.reports : impl_->counters.updates);
  const auto found = impl_->devices.find(device);
  if (found == impl_->devices.end()) {
    return done(impl_->refused(
        Status(Code::not_found, cat("device ", device.to_string(), " is not there"))));
  }
  DeviceEntry& entry = found->second;
  if (const Status status = check_all(entry, update, origin, max_value_bytes_); !status.ok()) {
    return done(impl_->refused(status));
  }

  Work work{.origin = origin, .actor = actor(origin, update.actor), .now_ms = impl_->now_ms()};
  work.changed.reserve(update.properties.size());
  bool wait_for_disk = false;
  for (const Property& property : update.properties) {
    work.again = false;
    if (origin == Origin::mapper && !entry.paces.empty() &&
        !impl_->takes(entry, property, update.actor, work.again)) {
      ++impl_->counters.paced;
      continue;
    }
    if (RowTable::Row* touched = apply_property(entry, property, work))
      impl_->touch(entry, *touched);
    wait_for_disk = wait_for_disk || property.expected || property.remove;
  }
  std::vector<Change> changes;
  if (!work.wishes.empty()) {
    Json object = parse_own(entry.object.text);
    set_wishes(object, entry, work);
    changes = std::move(impl_->put(Kind::device, device, std::move(object), origin)).value();
    changes.resize(1);  // the rows follow below, with what else this update changed
  }
  for (const TwinRow& row : work.to_write) impl_->journal.put_row(device, row);
  if (!work.changed.empty()) {
    changes.push_back(impl_->status_change(entry, std::move(work.changed), origin));
    changes.back().event_id = update.event_id;
  }
  if (!wait_for_disk) {
    done(std::move(work.applied));
    for (Change& change : changes) impl_->tell_in_order(std::move(change));
    return;
  }
  if (!work.wishes.empty()) {
    const Object after = entry.object;
    return impl_->commit(Key(Kind::device, device), std::move(changes), after,
                         [applied = std::move(work.applied), done = std::move(done)](auto result) {
                           if (!result.ok()) return done(result.status());
                           done(applied);
                         });
  }
  ++impl_->on_their_way;
  impl_->journal.flush([impl = impl_.get(), life = std::weak_ptr(impl_->alive),
                        changes = std::move(changes), applied = std::move(work.applied),
                        done = std::move(done)](Status disk) {
    if (life.expired()) return;
    --impl->on_their_way;
    // The rows stay: they are the device's twins, and the journal tries again by itself.
    if (disk.ok()) {
      done(applied);
    } else {
      done(impl->disk_failed(disk));
    }
    for (const Change& change : changes) impl->tell(change);
  });
}

void Core::update_state(const ObjectId& device, std::string state, Origin origin,
                        std::function<void(Status)> done) {
  assert(loop_.here());
  ++impl_->counters.states;
  const auto found = impl_->devices.find(device);
  if (found == impl_->devices.end()) {
    return done(impl_->refused(
        Status(Code::not_found, cat("device ", device.to_string(), " is not there"))));
  }
  const std::string word = base::lower(state);
  constexpr std::string_view known[] = {"online", "offline", "ok", "unknown", "unhealthy"};
  if (std::find(std::begin(known), std::end(known), word) == std::end(known)) {
    return done(impl_->refused(
        Status(Code::invalid, cat(device.to_string(), ": state \"", state.substr(0, 40),
                                  "\" is none of online, offline, ok, unknown, unhealthy"))));
  }
  DeviceEntry& entry = found->second;
  const bool lives = word == "online" || word == "ok";
  bool changed = entry.state.state != state;
  if (lives) {
    const std::int64_t now = impl_->now_ms();
    changed =
        changed || now - entry.online_told_ms >= online_refresh_ms || now < entry.online_told_ms;
    entry.state.last_online = base::to_rfc3339(loop_.wall());
    if (changed) entry.online_told_ms = now;
  }
  entry.state.state = std::move(state);
  done(Status());
  if (!changed) return;
  impl_->journal.put_state(device, entry.state);
  Change change = impl_->status_change(entry, {}, origin);
  change.state_changed = true;
  impl_->tell_in_order(std::move(change));
}

}  // namespace devicetwin

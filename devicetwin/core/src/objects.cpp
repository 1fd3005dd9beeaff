// The verbs on objects: decide in memory, write, answer when it is on disk, then tell.
#include <cassert>

#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "impl.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;
using dmi::ObjectId;

namespace {

std::string_view word(Kind kind) { return kind == Kind::device ? "device" : "devicemodel"; }

Result<ObjectId> id_of(const Json& object) {
  const auto metadata = object.find("metadata");
  if (!object.is_object() || metadata == object.end() || !metadata->is_object()) {
    return Status(Code::invalid, "object: metadata: missing");
  }
  for (const char* key : {"name", "namespace"}) {
    if (metadata->contains(key) && !(*metadata)[key].is_string()) {
      return Status(Code::invalid, cat("object: metadata.", key, ": is not a text"));
    }
  }
  ObjectId id{metadata->value("namespace", ""), metadata->value("name", "")};
  if (id.space.empty()) id.space = "default";
  if (id.name.empty()) return Status(Code::invalid, "object: metadata.name: missing");
  return id;
}

std::int64_t generation_of(const Json& object) {
  const auto& metadata = object["metadata"];
  const auto found = metadata.find("generation");
  return found != metadata.end() && found->is_number_integer() ? found->get<std::int64_t>() : 1;
}

bool same_but_metadata_of_server(const Json& before, Json after) {
  for (const char* key : {"uid", "creationTimestamp", "generation", "resourceVersion"}) {
    const auto& metadata = before["metadata"];
    if (metadata.contains(key)) after["metadata"][key] = metadata[key];
  }
  return before == after;
}

Status check_values(const dmi::Device& device, std::size_t max_bytes) {
  for (const dmi::DeviceProperty& property : device.properties) {
    if (!property.desired || property.desired->value.size() <= max_bytes) continue;
    return Status(Code::invalid, cat(device.id.to_string(), ".properties.", property.name,
                                     ".desired.value: ", property.desired->value.size(),
                                     " bytes, above ", max_bytes));
  }
  return Status();
}

Status check_fields(Kind kind, const Json& object, std::size_t max_value_bytes) {
  if (kind == Kind::device) {
    const auto device = dmi::device_from_json(object);
    if (!device) return device.status();
    const Status values = check_values(*device, max_value_bytes);
    return values.ok() ? check_paces(*device) : values;
  }
  const auto model = dmi::model_from_json(object);
  return model ? check_paces(*model) : model.status();
}

}  // namespace

void set_metadata(Json& object, const std::string& uid, const std::string& created,
                  std::int64_t generation, std::uint64_t version) {
  Json& metadata = object["metadata"];
  metadata["uid"] = uid;
  metadata["creationTimestamp"] = created;
  metadata["generation"] = generation;
  metadata["resourceVersion"] = cat(version);
}

Text text_of(const Json& object) { return Text(dmi::to_text(object)); }

std::string pinned_mapper_of(const Json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end()) return "";
  const auto annotations = metadata->find("annotations");
  if (annotations == metadata->end() || !annotations->is_object()) return "";
  const auto mapper = annotations->find(Core::mapper_annotation);
  return mapper == annotations->end() || !mapper->is_string() ? "" : mapper->get<std::string>();
}

Json parse_own(const Text& text) {
  Json json = Json::parse(text.str(), nullptr, false);
  assert(!json.is_discarded());
  return json;
}

const Object* Core::Impl::find(const Key& key) const {
  if (key.first == Kind::device) {
    const auto found = devices.find(key.second);
    return found == devices.end() ? nullptr : &found->second.object;
  }
  const auto found = models.find(key.second);
  return found == models.end() ? nullptr : &found->second.object;
}

const Object* Core::Impl::find_durable(const Key& key) const {
  const auto found = pending.find(key);
  if (found == pending.end()) return find(key);
  return found->second.durable ? &*found->second.durable : nullptr;
}

Status Core::Impl::check_new(Kind kind, const ObjectId& id) const {
  if (find(Key(kind, id)) != nullptr) {
    return Status(Code::conflict, cat(word(kind), " ", id.to_string(), " exists already"));
  }
  const std::size_t count = kind == Kind::device ? devices.size() : models.size();
  const std::size_t most = kind == Kind::device ? max_devices : max_models;
  if (count < most) return Status();
  return Status(Code::unavailable, cat(word(kind), " ", id.to_string(), ": there are ", count,
                                       " already, the limit of this node"));
}

void Core::Impl::begin(const Key& key) {
  const auto [entry, first] = pending.try_emplace(key);
  if (first) {
    if (const Object* object = find(key)) entry->second.durable = *object;
  }
  ++entry->second.in_flight;
}

void Core::Impl::commit(const Key& key, std::vector<Change> changes, Object after, Done done) {
  const bool gone = changes.front().what == Change::What::deleted;
  ++on_their_way;
  journal.flush([this, life = std::weak_ptr(alive), key, changes = std::move(changes),
                 after = std::move(after), done = std::move(done), gone](Status disk) {
    if (life.expired()) return;
    --on_their_way;
    settle(key, disk, gone ? std::nullopt : std::optional(after));
    if (!disk.ok()) return done(disk_failed(disk));
    done(after);
    for (const Change& change : changes) tell(change);
  });
}

void Core::Impl::settle(const Key& key, const Status& disk, std::optional<Object> after) {
  const auto found = pending.find(key);
  assert(found != pending.end());
  if (disk.ok()) found->second.durable = std::move(after);
  if (--found->second.in_flight > 0) return;
  Pending last = std::move(found->second);
  pending.erase(found);
  if (!disk.ok()) revert(key, std::move(last));
}

// The newest verb of an object failed, and none is on its way: memory becomes what the disk holds.
void Core::Impl::revert(const Key& key, Pending was) {
  const auto& [kind, id] = key;
  if (kind == Kind::device_model) {
    models.erase(id);
    if (was.durable) {
      (void)put_model(id, parse_own(was.durable->text), *was.durable, Change());
    }
    follow_model_change(id, Origin::self);
    return;
  }
  if (!was.durable) {
    devices.erase(id);
    journal.delete_twins(id);
    return;
  }
  if (was.removed) devices.insert_or_assign(id, std::move(*was.removed));
  (void)put_device(id, parse_own(was.durable->text), *was.durable, Change());
  write_twins(entry(id));
}

void Core::Impl::write_twins(DeviceEntry& entry) {
  for (RowTable::Row& row : entry.rows.rows) {
    row.dirty = false;
    if (row.exists) journal.put_row(entry.object.id, entry.rows.unpack(row));
  }
  entry.rows.dirty = false;
  journal.put_state(entry.object.id, entry.state);
}

Result<std::vector<Change>> Core::Impl::put(Kind kind, const ObjectId& id, Json object,
                                            Origin origin) {
  const Object* before = find(Key(kind, id));
  Change change{.what = before == nullptr ? Change::What::added : Change::What::modified,
                .kind = kind,
                .id = id,
                .version = next_version(),
                .origin = origin,
                .spec_changed = true};
  object["apiVersion"] = dmi::api_version;
  object["kind"] = kind == Kind::device ? "Device" : "DeviceModel";
  object["metadata"]["namespace"] = id.space;
  Object stored{kind, id, "", change.version, nullptr};
  if (before == nullptr) {
    stored.uid = base::uuid();
    set_metadata(object, stored.uid, base::to_rfc3339(core.loop_.wall()), 1, stored.version);
  } else {
    const Json old = parse_own(before->text);
    change.before = before->text;
    change.spec_changed = old.value("spec", Json()) != object.value("spec", Json());
    stored.uid = before->uid;
    set_metadata(object, stored.uid, old["metadata"].value("creationTimestamp", ""),
                 generation_of(old) + (change.spec_changed ? 1 : 0), stored.version);
  }
  stored.text = text_of(object);
  change.after = stored.text;
  begin(Key(kind, id));
  journal.put_object(stored);
  return kind == Kind::device ? put_device(id, object, std::move(stored), std::move(change))
                              : put_model(id, object, std::move(stored), std::move(change));
}

Result<std::vector<Change>> Core::Impl::put_device(const ObjectId& id, const Json& object,
                                                   Object stored, Change change) {
  const auto device = dmi::device_from_json(object);
  if (!device) return device.status();
  DeviceEntry& entry = this->entry(id);
  entry.object = std::move(stored);
  entry.created = object["metadata"].value("creationTimestamp", "");
  entry.pinned_mapper = pinned_mapper_of(object);
  const Origin origin = change.origin;
  const bool added = change.what == Change::What::added;
  std::vector<Change> changes{std::move(change)};
  auto rows = follow_spec(entry, *device, origin);
  for (const auto& row : rows) journal.put_row(id, row.after);
  const bool waiting_changed = follow_model(entry);
  if (added || waiting_changed || !rows.empty()) {
    changes.push_back(status_change(entry, std::move(rows), origin));
    if (added) changes.back().what = Change::What::added;
    changes.back().state_changed = waiting_changed;
  }
  return changes;
}

Result<std::vector<Change>> Core::Impl::put_model(const ObjectId& id, const Json& object,
                                                  Object stored, Change change) {
  const auto model = dmi::model_from_json(object);
  if (!model) return model.status();
  ModelEntry& entry = models[id];
  entry.object = std::move(stored);
  entry.types.clear();
  for (const auto& property : model->properties) {
    entry.types[property.name] = row_type(property.type);
  }
  entry.paces = paces_of(*model);
  const Origin origin = change.origin;
  std::vector<Change> changes{std::move(change)};
  for (Change& follower : follow_model_change(id, origin)) changes.push_back(std::move(follower));
  return changes;
}

void Core::create(Kind kind, Json object, Origin origin, Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->counters.objects;
  const auto id = id_of(object);
  if (!id) return done(impl_->refused(id.status()));
  if (const Status status = check_fields(kind, object, max_value_bytes_); !status.ok())
    return done(impl_->refused(status));
  if (const Status status = impl_->check_new(kind, *id); !status.ok())
    return done(impl_->refused(status));
  auto changes = impl_->put(kind, *id, std::move(object), origin);
  assert(changes.ok());  // what could be wrong was checked
  const Key key(kind, *id);
  impl_->commit(key, std::move(*changes), *impl_->find(key), std::move(done));
}

void Core::update(Kind kind, Json object, std::uint64_t expected_version, Origin origin,
                  Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->counters.objects;
  const auto id = id_of(object);
  if (!id) return done(impl_->refused(id.status()));
  const Key key(kind, *id);
  const Object* before = impl_->find(key);
  if (before == nullptr) {
    return done(impl_->refused(
        Status(Code::not_found, cat(word(kind), " ", id->to_string(), " is not there"))));
  }
  if (expected_version != 0 && expected_version != before->version) {
    return done(impl_->refused(Status(
        Code::conflict, cat(word(kind), " ", id->to_string(), " was changed meanwhile: version ",
                            before->version, " is there, ", expected_version, " was expected"))));
  }
  if (const Status status = check_fields(kind, object, max_value_bytes_); !status.ok())
    return done(impl_->refused(status));
  object["metadata"]["namespace"] = id->space;
  if (same_but_metadata_of_server(parse_own(before->text), object)) {
    // What it is equal to may still be on its way: done means on disk here too.
    return impl_->journal.flush([impl = impl_.get(), life = std::weak_ptr(impl_->alive),
                                 done = std::move(done), same = *before](Status disk) {
      if (life.expired()) return;
      if (!disk.ok()) return done(impl->disk_failed(disk));
      done(same);
    });
  }
  auto changes = impl_->put(kind, *id, std::move(object), origin);
  assert(changes.ok());
  impl_->commit(key, std::move(*changes), *impl_->find(key), std::move(done));
}

void Core::remove(Kind kind, const ObjectId& id, Origin origin, Done done) {
  assert(loop_.here() && kind != Kind::device_status);
  ++impl_->counters.objects;
  const Key key(kind, id);
  const Object* found = impl_->find(key);
  if (found == nullptr) {
    return done(impl_->refused(
        Status(Code::not_found, cat(word(kind), " ", id.to_string(), " is not there"))));
  }
  const Object before = *found;
  impl_->begin(key);
  Change change{.what = Change::What::deleted,
                .kind = kind,
                .id = id,
                .version = impl_->next_version(),
                .origin = origin,
                .spec_changed = true,
                .before = before.text,
                .after = nullptr};
  impl_->journal.delete_object(kind, id);
  std::vector<Change> changes{change};
  if (kind == Kind::device) {
    impl_->journal.delete_twins(id);
    Pending& pending = impl_->pending[key];
    if (!pending.removed) pending.removed = std::move(impl_->entry(id));
    impl_->devices.erase(id);
    change.kind = Kind::device_status;
    change.before = nullptr;
    changes.push_back(std::move(change));
  } else {
    impl_->models.erase(id);
    for (Change& follower : impl_->follow_model_change(id, origin)) {
      changes.push_back(std::move(follower));
    }
  }
  impl_->commit(key, std::move(changes), before, std::move(done));
}

}  // namespace devicetwin

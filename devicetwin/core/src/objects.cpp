#include "objects.hpp"

#include <cassert>

#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "pacing.hpp"
#include "rows.hpp"

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
  std::int64_t generation = 1;
  if (found != metadata.end()) (void)dmi::to_int64(*found, generation);
  return generation;
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

ModelEntry model_entry(Object object) {
  ModelEntry entry;
  const auto model = dmi::model_from_json(parse_own(object.text));
  entry.object = std::move(object);
  if (!model) return entry;
  for (const auto& property : model->properties) {
    entry.types[property.name] = row_type(property.type);
  }
  entry.paces = paces_of(*model);
  return entry;
}

Status Objects::check_new(const Key& key) const {
  const auto& [kind, id] = key;
  if (turns_.newest(key) != nullptr) {
    return Status(Code::conflict, cat(word(kind), " ", id.to_string(), " exists already"));
  }
  const std::size_t count =
      turns_.coming(kind) + (kind == Kind::device ? state_.devices.size() : state_.models.size());
  const std::size_t most = kind == Kind::device ? Core::max_devices : Core::max_models;
  if (count < most) return Status();
  return Status(Code::unavailable, cat(word(kind), " ", id.to_string(), ": there are ", count,
                                       " already, the limit of this node"));
}

Status Objects::too_many_wait(const Key& key) {
  return Status(Code::unavailable,
                cat(word(key.first), " ", key.second.to_string(), ": ", Core::max_waiting,
                    " changes of it wait for the disk already"));
}

std::function<void(const Status&)> Objects::answer(Object after, Core::Done done) {
  return [this, after = std::move(after), done = std::move(done)](const Status& disk) {
    if (!disk.ok()) return done(state_.disk_failed(disk));
    done(after);
  };
}

DeviceBody& Objects::stage(const ObjectId& id) {
  Line& line = turns_.line(Key(Kind::device, id));
  if (line.device) return *line.device;
  const DeviceEntry* shown = line.renewed ? nullptr : state_.device(id);
  line.device = shown == nullptr ? DeviceBody(state_.names) : shown->copy();
  line.device->object.id = id;
  line.gone = false;
  return *line.device;
}

void Objects::put(const Key& key, Json object, Origin origin, StagedVerb& verb) {
  const auto& [kind, id] = key;
  const Object* before = turns_.newest(key);
  Change change{.what = before == nullptr ? Change::What::added : Change::What::modified,
                .kind = kind,
                .id = id,
                .version = state_.versions.next(),
                .origin = origin,
                .spec_changed = true};
  object["apiVersion"] = dmi::api_version;
  object["kind"] = kind == Kind::device ? "Device" : "DeviceModel";
  object["metadata"]["namespace"] = id.space;
  Object stored{kind, id, "", change.version, nullptr};
  if (before == nullptr) {
    stored.uid = base::uuid();
    set_metadata(object, stored.uid, base::to_rfc3339(state_.loop.wall()), 1, stored.version);
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
  Line& line = turns_.line(key);
  if (line.first_version == 0) line.first_version = change.version;
  state_.journal.put_object(stored);
  verb.origin = origin;
  verb.change = std::move(change);
  if (kind == Kind::device) return put_device(std::move(stored), object, verb);
  line.model = std::move(stored);
  line.gone = false;
}

void Objects::put_device(Object stored, const Json& object, StagedVerb& verb) {
  const auto device = dmi::device_from_json(object);
  assert(device.ok());  // what could be wrong was checked
  const ObjectId id = stored.id;
  DeviceBody& body = stage(id);
  body.object = std::move(stored);
  body.created = object["metadata"].value("creationTimestamp", "");
  body.pinned_mapper = pinned_mapper_of(object);
  Followed followed = follow_spec(state_, body, *device, verb.origin);
  verb.moved = followed.moved;
  std::vector<TwinRow> rows;
  for (Change::Row& row : followed.rows) rows.push_back(std::move(row.after));
  put_rows(id, std::move(rows), verb);
  const auto model = state_.models.find(body.model);
  turns_.line(Key(Kind::device, id)).paces =
      pace_rules(*device, model == state_.models.end() ? nullptr : &model->second);
}

void Objects::put_rows(const ObjectId& id, std::vector<TwinRow> rows, StagedVerb& verb) {
  Line& line = turns_.line(Key(Kind::device, id));
  for (TwinRow& row : rows) {
    state_.journal.put_row(id, row);
    ++line.touched[row.name];
    verb.rows.push_back(std::move(row));
  }
}

void Objects::create(Kind kind, Json object, Origin origin, Core::Done done) {
  const auto id = id_of(object);
  if (!id) return done(state_.refused(id.status()));
  if (const Status status = check_fields(kind, object, state_.max_value_bytes); !status.ok())
    return done(state_.refused(status));
  const Key key(kind, *id);
  auto decide = [=, this, object = std::move(object)]() mutable {
    if (const Status status = check_new(key); !status.ok()) return done(state_.refused(status));
    StagedVerb verb;
    put(key, std::move(object), origin, verb);
    verb.done = answer(*turns_.newest(key), done);
    turns_.line(key).verbs.push_back(std::move(verb));
  };
  if (!turns_.run(key, std::move(decide))) done(state_.refused(too_many_wait(key)));
}

void Objects::update(Kind kind, Json object, std::uint64_t expected_version, Origin origin,
                     Core::Done done) {
  const auto id = id_of(object);
  if (!id) return done(state_.refused(id.status()));
  const Key key(kind, *id);
  auto decide = [=, this, object = std::move(object)]() mutable {
    const Object* before = turns_.newest(key);
    if (before == nullptr) {
      return done(state_.refused(
          Status(Code::not_found, cat(word(kind), " ", key.second.to_string(), " is not there"))));
    }
    if (expected_version != 0 && expected_version != before->version) {
      return done(state_.refused(
          Status(Code::conflict,
                 cat(word(kind), " ", key.second.to_string(), " was changed meanwhile: version ",
                     before->version, " is there, ", expected_version, " was expected"))));
    }
    if (const Status status = check_fields(kind, object, state_.max_value_bytes); !status.ok())
      return done(state_.refused(status));
    object["metadata"]["namespace"] = key.second.space;
    StagedVerb verb{.origin = origin};
    const bool same = same_but_metadata_of_server(parse_own(before->text), object);
    // What it is equal to may be on its way: done means on disk here too.
    if (same && turns_.on_its_way(key) == nullptr) return done(*before);
    if (!same) put(key, std::move(object), origin, verb);
    verb.done = answer(*turns_.newest(key), done);
    turns_.line(key).verbs.push_back(std::move(verb));
  };
  if (!turns_.run(key, std::move(decide))) done(state_.refused(too_many_wait(key)));
}

void Objects::remove(Kind kind, const ObjectId& id, Origin origin, Core::Done done) {
  const Key key(kind, id);
  auto decide = [=, this] {
    const Object* found = turns_.newest(key);
    if (found == nullptr) {
      return done(state_.refused(
          Status(Code::not_found, cat(word(kind), " ", key.second.to_string(), " is not there"))));
    }
    const Object before = *found;
    StagedVerb verb{.origin = origin,
                    .change = Change{.what = Change::What::deleted,
                                     .kind = kind,
                                     .id = key.second,
                                     .version = state_.versions.next(),
                                     .origin = origin,
                                     .spec_changed = true,
                                     .before = before.text},
                    .done = answer(before, done)};
    Line& line = turns_.line(key);
    if (line.first_version == 0) line.first_version = verb.change->version;
    line.device.reset();
    line.model.reset();
    line.touched.clear();
    line.gone = line.renewed = true;
    state_.journal.delete_object(kind, key.second);
    if (kind == Kind::device) state_.journal.delete_twins(key.second);
    line.verbs.push_back(std::move(verb));
  };
  if (!turns_.run(key, std::move(decide))) done(state_.refused(too_many_wait(key)));
}

}  // namespace devicetwin

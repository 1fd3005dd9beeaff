// What Core keeps, shared by its source files. Belongs to the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devicetwin/core.hpp"
#include "pace.hpp"
#include "row_table.hpp"

namespace devicetwin {

struct DeviceEntry {
  explicit DeviceEntry(Names& names) : rows(names) {}

  Object object;
  std::string created;  // metadata.creationTimestamp
  std::string protocol;
  std::string pinned_mapper;  // "": any
  dmi::ObjectId model;
  RowTable rows;
  Paces paces;  // of properties that ask for it
  DeviceState state;
  std::string link_reason;  // what set_waiting() said
  std::uint64_t status_version = 0;
  std::int64_t online_told_ms = 0;  // when the last online time was stored and told
};

struct ModelEntry {
  Object object;
  std::map<std::string, std::string, std::less<>> types;  // property → type as in TwinRow
  // visitors.configData of properties that pace or may: those with a key of dmi::PaceRule.
  std::map<std::string, dmi::Json, std::less<>> paces;
};

using Key = std::pair<Kind, dmi::ObjectId>;

// An object whose verbs are on their way to the disk.
struct Pending {
  int in_flight = 0;
  std::optional<Object> durable;       // what the disk holds; absent: nothing
  std::optional<DeviceEntry> removed;  // the twins of a device whose removal is on its way
};

struct Core::Impl {
  Core& core;
  Journal& journal;
  std::vector<Outlet*> outlets;
  Names names;  // before the rows that use it
  std::map<dmi::ObjectId, DeviceEntry> devices;
  std::map<dmi::ObjectId, ModelEntry> models;
  std::map<Key, Pending> pending;
  std::size_t on_their_way = 0;  // verbs that answer when the disk does
  std::deque<Change> untold;
  bool telling = false;
  std::uint64_t reserved_version = 0;
  // A flush may come back after this core is gone.
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  base::Timer report_timer;
  bool writing_reports = false;
  Counters counters;
  std::vector<dmi::ObjectId> dirty;  // devices with reports that the journal was not given

  Impl(Core& owner, Journal& disk) : core(owner), journal(disk), report_timer(owner.loop_) {}

  DeviceEntry& entry(const dmi::ObjectId& id) {
    return devices.try_emplace(id, names).first->second;
  }
  // A row that a report changed: it is written at the window's end, the newest of it.
  void touch(DeviceEntry& entry, RowTable::Row& row);
  // ---- pacing.cpp ----
  void follow_pace(DeviceEntry& entry, const dmi::Device& device);
  // Whether a mapper's report is taken. again: it is told whatever it says.
  bool takes(DeviceEntry& entry, const TwinUpdate::Property& property, const std::string& actor,
             bool& again);
  void stop_waiting(const dmi::ObjectId& device, const std::string& property,
                    const std::string& actor);
  void write_reports();

  std::uint64_t next_version();
  // Counts a verb's refusal and hands it on.
  const base::Status& refused(const base::Status& why);
  base::Status disk_failed(const base::Status& disk);
  std::int64_t now_ms() const { return base::to_ms(core.loop_.wall()); }
  // Tells outlets in the order of calls, also when an outlet's reaction is another verb.
  void tell(Change change);
  // Tells after what this device has on its way to the disk.
  void tell_in_order(Change change);

  // ---- objects.cpp ----
  base::Status check_new(Kind kind, const dmi::ObjectId& id) const;
  // Parses and stores object in memory; returns the changes to be told, rows included.
  base::Result<std::vector<Change>> put(Kind kind, const dmi::ObjectId& id, dmi::Json object,
                                        Origin origin);
  base::Result<std::vector<Change>> put_device(const dmi::ObjectId& id, const dmi::Json& object,
                                               Object stored, Change change);
  base::Result<std::vector<Change>> put_model(const dmi::ObjectId& id, const dmi::Json& object,
                                              Object stored, Change change);
  const Object* find(const Key& key) const;
  // The object as it is on disk, for those who move devices; nullptr: none.
  const Object* find_durable(const Key& key) const;
  void begin(const Key& key);
  // Flushes; then done and the changes, or the object as it was.
  void commit(const Key& key, std::vector<Change> changes, Object after, Done done);
  void settle(const Key& key, const base::Status& disk, std::optional<Object> after);
  void revert(const Key& key, Pending was);
  void write_twins(DeviceEntry& entry);

  // ---- rows.cpp ----
  // Makes entry's index and the desired side of its rows follow the object.
  std::vector<Change::Row> follow_spec(DeviceEntry& entry, const dmi::Device& device,
                                       Origin origin);
  std::optional<Change::Row> follow_property(DeviceEntry& entry,
                                             const dmi::DeviceProperty& property,
                                             std::uint16_t position, bool was_in_spec,
                                             Origin origin);
  std::string type_of(const DeviceEntry& entry, const dmi::DeviceProperty& property) const;
  // Whether the reason to wait changed.
  bool follow_model(DeviceEntry& entry) const;
  // Devices of a model that came, changed or went.
  std::vector<Change> follow_model_change(const dmi::ObjectId& model, Origin origin);
  Change status_change(DeviceEntry& entry, std::vector<Change::Row> rows, Origin origin);
  std::optional<dmi::Device> merged(const DeviceEntry& entry) const;
};

// Sets what belongs to the server in metadata.
void set_metadata(dmi::Json& object, const std::string& uid, const std::string& created,
                  std::int64_t generation, std::uint64_t version);
Text text_of(const dmi::Json& object);
// Of Core::mapper_annotation; "": none.
std::string pinned_mapper_of(const dmi::Json& object);
// JSON that this process wrote itself.
dmi::Json parse_own(const Text& text);

// Keys of dmi::PaceRule in visitors; mistakes have their paths.
base::Status check_paces(const dmi::Device& device);
base::Status check_paces(const dmi::DeviceModel& model);
std::map<std::string, dmi::Json, std::less<>> paces_of(const dmi::DeviceModel& model);

// Whether text fits a row's type; the texts are KubeEdge's.
base::Status check_value(std::string_view text, std::string_view type);
// "int" for INT, Int, integer; "string" for what is no type.
std::string row_type(std::string_view word);
TwinRow tombstone(const TwinRow& row);
// Side::by of a verb. name: the mapper's.
std::string actor(Origin origin, std::string_view name);

}  // namespace devicetwin

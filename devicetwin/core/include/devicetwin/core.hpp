// The edge core's one truth: objects, twins, and the verbs that change them. Confined to the loop.
// Pure but for the Journal it is given: no sockets, no files, time as an argument from the loop.
//
// A verb is decided when its object's turn comes, written to the journal, and answers `done` when
// it is on disk; only then it is shown to anybody, and every outlet hears the Change (one that sees
// its own origin does not echo it). Reported values alone are shown and told at once: they are the
// mapper's to repeat. There is one queue per object: nothing of an object is told out of its order,
// its versions rise, and what is told last is what is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/text.hpp"
#include "devicetwin/twin_row.hpp"
#include "dmi/device.hpp"
#include "dmi/json.hpp"

namespace devicetwin {

enum class Kind : unsigned char { device, device_model, device_status };
enum class Origin : unsigned char { kubernetes, mqtt, mapper, self };

// An object as it is stored and served: its JSON text, so that a list is a concatenation and a
// hundred thousand properties do not live as DOM trees.
struct Object {
  Kind kind = Kind::device;
  dmi::ObjectId id;
  std::string uid;
  std::uint64_t version = 0;  // metadata.resourceVersion, rising over all objects
  Text text;
};

// What one accepted verb did to one object.
struct Change {
  enum class What : unsigned char { added, modified, deleted } what = What::modified;
  Kind kind = Kind::device;
  dmi::ObjectId id = {};
  std::uint64_t version = 0;
  Origin origin = Origin::self;
  bool spec_changed = false;  // kind device/device_model: generation rose
  // kind device: the object before and after (null: did not, does not exist).
  Text before = nullptr;
  Text after = nullptr;
  // kind device_status: the rows that changed, as they were (absent: new) and as they are.
  struct Row {
    std::optional<TwinRow> before;
    TwinRow after;
  };
  std::vector<Row> rows = {};
  bool state_changed = false;  // kind device_status: state or last online time
  std::string event_id = "";   // of the MQTT request that caused it; else empty
};

class Outlet {
 public:
  virtual ~Outlet() = default;
  virtual void changed(const Change& change) = 0;
};

// What a device is besides its rows.
struct DeviceState {
  std::string state;        // online offline ok unknown unhealthy, as sent; "" never told
  std::string last_online;  // RFC 3339, kept while offline
  std::string waiting;      // why nothing happens: "waiting for devicemodel default/boiler"; or ""
};

// One MQTT twin/update or DMI report, after its syntax was checked. A side that is absent is not
// touched.
struct TwinUpdate {
  struct Property {
    std::string name = {};
    bool remove = false;  // JSON null: delete
    std::optional<std::string> expected = {};
    std::optional<std::string> actual = {};
    std::optional<std::int64_t> actual_ms = {};  // source time; absent: now
    std::optional<std::string> observed = {};    // DMI: the desired value the device accepted
    base::Status quality = {};                   // DMI: of actual
    base::Status refusal = {};                   // DMI: of the desired value
    std::string type = {};                       // "" : not stated
    std::optional<bool> optional = {};
    // Optimistic concurrency: the side is only touched when this is its version now.
    std::optional<Version> expected_version = {};
    std::optional<Version> actual_version = {};
  };
  std::vector<Property> properties;
  std::string event_id;
  std::string actor;  // of a mapper's report: its name
};

// What the journal keeps; devicetwin/store implements it on SQLite.
class Journal {
 public:
  virtual ~Journal() = default;
  // All calls are queued in order and return at once.
  virtual void put_object(const Object& object) = 0;
  virtual void delete_object(Kind kind, const dmi::ObjectId& id) = 0;
  virtual void put_row(const dmi::ObjectId& device, const TwinRow& row) = 0;
  // As put_row for each: what was reported since the last time.
  virtual void put_rows(const dmi::ObjectId& device, std::vector<TwinRow> rows) {
    for (const TwinRow& row : rows) put_row(device, row);
  }
  virtual void put_state(const dmi::ObjectId& device, const DeviceState& state) = 0;
  // As put_state, but nothing is written for its sake: it goes with what is written next, or at the
  // end in order.
  virtual void keep_state(const dmi::ObjectId& device, const DeviceState& state) {
    put_state(device, state);
  }
  virtual void delete_twins(const dmi::ObjectId& device) = 0;  // its rows and its state
  // A small text of an outlet's own, by key; "" removes it. Store::Loaded has them back.
  virtual void put_note(const std::string& key, const std::string& text) { (void)key, (void)text; }
  // Where Core goes on counting versions after a restart. A journal that keeps nothing ignores it.
  virtual void put_version(std::uint64_t version) { (void)version; }
  // Calls done on the loop when everything queued before is on disk (fsync), or with the reason.
  // Without flush, queued rows reach the disk within Store's window (stated there).
  virtual void flush(std::function<void(base::Status)> done) = 0;
};

struct RowTable;

// The twins of one device, tombstones included, in order of name. Rows are made when they are
// looked at. Valid until the next verb.
class Twins {
 public:
  explicit Twins(const RowTable& table) : table_(&table) {}
  std::size_t size() const;
  std::optional<TwinRow> find(std::string_view name) const;
  bool contains(std::string_view name) const;
  TwinRow at(const std::string& name) const;  // must be there
  void for_each(const std::function<void(const TwinRow&)>& each) const;

 private:
  const RowTable* table_;
};

class Core {
 public:
  // Reported values are handed to the journal this long after they came, the newest of each: one
  // write per row and window, however often it changes.
  static constexpr auto report_window = std::chrono::milliseconds(100);
  // A disk that is slow for what it gets is given up to so long between two writes.
  static constexpr auto most_report_window = std::chrono::milliseconds(1000);
  // A node with more devices than this is several nodes.
  static constexpr std::size_t max_devices = 100'000;
  static constexpr std::size_t max_models = 10'000;
  // Rows of one device, tombstones included: its properties, and as many from MQTT clients.
  static constexpr std::size_t max_rows = 2 * dmi::max_properties;
  // Verbs on one object that wait for the disk; more are refused (unavailable).
  static constexpr std::size_t max_waiting = 1024;

  using Done = std::function<void(base::Result<Object>)>;

  Core(base::Loop& loop, Journal& journal, std::string node);
  ~Core();

  // Values, desired and reported, of more bytes than this are refused (invalid); to begin with, and
  // at most, dmi::max_value_bytes. What is stored stays.
  void set_max_value_bytes(std::size_t bytes);

  // Reported values are handed to the journal this long after they came; to begin with,
  // report_window, at most longest_report_window. What is desired waits for nothing.
  void set_report_window(base::Duration window);
  static constexpr auto longest_report_window = std::chrono::seconds(60);

  // Start: what the store had. Call before anything else; tells no outlet.
  void load(std::vector<Object> objects, std::vector<std::pair<dmi::ObjectId, TwinRow>> rows,
            std::vector<std::pair<dmi::ObjectId, DeviceState>> states, std::uint64_t version);
  // What load() would need: everything that is shown, to fill a journal that lost it.
  struct Contents {
    std::vector<Object> objects;
    std::vector<std::pair<dmi::ObjectId, TwinRow>> rows;
    std::vector<std::pair<dmi::ObjectId, DeviceState>> states;
    std::uint64_t version = 0;
  };
  Contents contents() const;
  void add_outlet(Outlet& outlet);  // must outlive the core's last verb

  // ---- objects (kinds device and device_model) ----
  // The JSON is complete and valid against the schema; core checks what crosses fields and objects
  // (device_from_json / model_from_json), fills metadata (uid, creationTimestamp, generation,
  // resourceVersion), and keeps metadata the client may not change.
  // conflict: exists already.
  void create(Kind kind, dmi::Json object, Origin origin, Done done);
  // A journal that fails (unavailable, "disk: …") leaves the object as it was on disk.
  // expected_version 0: whatever is there. conflict: changed meanwhile. not_found.
  // Equal content: done with the object as it is, no Change.
  // What a failed flush takes back nobody was shown, and no outlet was told.
  void update(Kind kind, dmi::Json object, std::uint64_t expected_version, Origin origin,
              Done done);
  void remove(Kind kind, const dmi::ObjectId& id, Origin origin, Done done);

  // Runs task in the object's turn: now, or when what is on its way to the disk is there. Verbs on
  // the object that it calls are part of the turn, and newest() is what they find. false: never, as
  // max_waiting others wait.
  bool in_turn(Kind kind, const dmi::ObjectId& id, std::function<void()> task);
  // In a turn: the object as the next verb on it finds it, ahead of the disk; nullptr: none.
  const Object* newest(Kind kind, const dmi::ObjectId& id) const;

  // What is on disk. find: not device_status.
  const Object* find(Kind kind, const dmi::ObjectId& id) const;
  // In order of namespace and name; space "" is all. Valid until the next verb.
  std::vector<const Object*> list(Kind kind, std::string_view space) const;
  std::uint64_t version() const;  // the newest that was given to anything
  // What find(), list() and status_object() show is complete up to this version: a verb that is on
  // its way has a higher one.
  std::uint64_t shown_version() const;

  // ---- twins ----
  // Applies a report or an MQTT update, whole or not at all. `expected` becomes the Device object's
  // spec.properties[].desired when the property is in its spec — that is the verb desire — and
  // stays in the row alone otherwise. done: on disk where `expected` was touched, else accepted.
  // not_found: no such device; invalid: a value does not fit the row's type (the KubeEdge texts);
  // conflict: a side's version is not the one that was expected.
  struct Applied {
    // Touched rows, also those that did not change; of a mapper's report: none, it knows them.
    std::vector<Change::Row> rows;
    std::vector<std::string> removed;  // names of null properties that are deleted now
  };
  void update_twin(const dmi::ObjectId& device, TwinUpdate update, Origin origin,
                   std::function<void(base::Result<Applied>)> done);
  // state: online offline ok unknown unhealthy, in any case; invalid: another word. not_found.
  void update_state(const dmi::ObjectId& device, std::string state, Origin origin,
                    const std::function<void(base::Status)>& done);
  // Why nothing happens with a device although its model is there; "": nothing is in the way.
  // An unknown device is ignored. A missing model is Core's own reason and goes first.
  void set_waiting(const dmi::ObjectId& device, const std::string& reason);
  std::optional<Twins> rows(const dmi::ObjectId& device) const;
  const DeviceState* state(const dmi::ObjectId& device) const;

  // The DeviceStatus object, rendered; nullopt: no such device. Its version is in metadata.
  std::optional<dmi::Json> status_object(const dmi::ObjectId& device) const;

  // ---- for mappers ----
  // Devices of a protocol whose model is known, merged with it, and those models, each once.
  struct Assignment {
    std::vector<dmi::DeviceModel> models;
    std::vector<dmi::Device> devices;
  };
  Assignment assignment(std::string_view protocol) const;
  std::optional<dmi::Device> merged_device(const dmi::ObjectId& device) const;
  std::optional<dmi::DeviceModel> model(const dmi::ObjectId& model) const;
  std::vector<dmi::ObjectId> devices_of_model(const dmi::ObjectId& model) const;
  std::vector<dmi::ObjectId> devices_of_protocol(std::string_view protocol) const;
  std::string protocol_of(const dmi::ObjectId& device) const;  // "": no such device
  // The one mapper that a device asks for in this annotation; "": any of its protocol.
  static constexpr const char* mapper_annotation = "devices.kubeedge.io/mapper";
  std::string pinned_mapper(const dmi::ObjectId& device) const;

  // Since the start. Refused: by the code of the answer.
  struct Counters {
    std::uint64_t reports = 0;  // of mappers: updates with readings and outcomes
    std::uint64_t updates = 0;  // of MQTT clients
    std::uint64_t states = 0;
    std::uint64_t objects = 0;  // creates, updates and deletions
    std::uint64_t changes = 0;  // told to outlets
    std::uint64_t rows = 0;     // properties that changed in them
    std::uint64_t invalid = 0;
    std::uint64_t not_found = 0;
    std::uint64_t conflict = 0;
    std::uint64_t limit = 0;  // a limit of this node: too many devices, models
    std::uint64_t disk = 0;   // verbs that the disk did not take
    std::uint64_t paced = 0;  // reported values that dead-band or interval kept back
  };
  const Counters& counters() const;
  std::size_t twins() const;  // of all devices; counts them

  const std::string& node() const { return node_; }
  base::Loop& loop() { return loop_; }

 private:
  struct Impl;
  base::Loop& loop_;
  std::string node_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin

// What is told: random verbs, reports, held, failed and released flushes and crashes, each byte or
// two an event. A listener checks that everything it hears follows what it heard before, that
// versions rise and never mean two things, that nothing accepted is told before it is on disk, and
// in the end that what was told last is what is.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core_rig.hpp"

namespace {

using devicetwin::Change;
using devicetwin::TwinUpdate;
using devicetwin::test::Image;
using devicetwin::test::MemoryJournal;
using fuzz::Core;
using fuzz::Json;
using fuzz::Kind;
using fuzz::ObjectId;
using fuzz::Origin;
using fuzz::require;
using fuzz::TwinRow;

// Times may move without a word: a value that is repeated.
TwinRow timeless(TwinRow row) {
  row.expected.time_ms = row.actual.time_ms = 0;
  row.observed_ms = row.observed_ms == 0 ? 0 : 1;
  return row;
}

void forget_times(Json& json) {
  if (json.is_object()) {
    for (const char* key : {"timestamp", "lastOnlineTime", "since"}) json.erase(key);
  }
  for (auto& part : json) {
    if (part.is_structured()) forget_times(part);
  }
}

class Listener final : public devicetwin::Outlet {
 public:
  const MemoryJournal* disk = nullptr;
  std::map<std::pair<Kind, ObjectId>, std::string> objects;
  std::map<ObjectId, std::map<std::string, TwinRow>> rows;

  void changed(const Change& change) override {
    const auto kind = static_cast<std::size_t>(change.kind);
    require(change.version > newest_[kind], "versions of a kind rise");
    newest_[kind] = change.version;
    if (change.kind != Kind::device_model) {
      require(change.version > of_object_[change.id], "versions of an object rise");
      of_object_[change.id] = change.version;
    }
    if (change.kind == Kind::device_status) return status_changed(change);
    const auto key = std::pair(change.kind, change.id);
    const auto known = objects.find(key);
    require((known != objects.end()) == (change.what != Change::What::added), "added is new");
    if (change.what != Change::What::added)
      require(change.before.str() == known->second, "an object is told from what was told");
    const auto stored = disk->objects.find(key);
    if (change.what == Change::What::deleted) {
      require(stored == disk->objects.end() || stored->second.version > change.version,
              "a deletion is told when it is on disk");
      objects.erase(key);
      return;
    }
    require(stored == disk->objects.end() || stored->second.version >= change.version,
            "an object is told when it is on disk");
    objects[key] = change.after.str();
  }

  // A client that comes back after the daemon's death: it reads all, and knows the old versions.
  void read_all(const Core& core) {
    objects.clear();
    rows.clear();
    for (const Kind kind : {Kind::device, Kind::device_model}) {
      for (const auto* object : core.list(kind, "")) {
        objects[{kind, object->id}] = object->text.str();
      }
    }
    for (const auto* device : core.list(Kind::device, "")) {
      core.rows(device->id)->for_each([&](const TwinRow& row) {
        if (!row.deleted) rows[device->id][row.name] = timeless(row);
      });
    }
  }

  // A reader at any time: one version is one content, in this life and in those before.
  void look(const Core& core) {
    for (const auto* device : core.list(Kind::device, "")) {
      const std::string text = device->text.str();
      require(seen_.try_emplace({Kind::device, device->version}, text).first->second == text,
              "a version of a device is one text");
      Json status = *core.status_object(device->id);
      const std::uint64_t version =
          std::stoull(status["metadata"]["resourceVersion"].get<std::string>());
      forget_times(status);
      const std::string shown = base::cat(device->id.to_string(), dmi::to_text(status));
      const auto& before = seen_.try_emplace({Kind::device_status, version}, shown).first->second;
      // After a start all statuses have the number that it began with.
      require(before == shown || version <= start_,
              base::cat("a version of a status is one content: ", version, ": ", before, " and ",
                        shown));
      core.rows(device->id)->for_each([&](const TwinRow& row) { look(device->uid, row); });
    }
  }
  void begins(std::uint64_t version) { start_ = version; }

  void require_same(const Core& core) {
    Listener now;
    now.read_all(core);
    require(objects == now.objects, "the objects told last are those that are");
    for (auto& [id, twins] : rows) {
      for (auto& [name, row] : twins) {
        const auto& is = now.rows[id];
        require(is.contains(name) && is.at(name) == row, "the twin told last is: " + name);
      }
      require(twins.size() == now.rows[id].size(), "every twin was told");
    }
  }

 private:
  void status_changed(const Change& change) {
    if (change.what == Change::What::deleted) {
      rows.erase(change.id);
      return;
    }
    auto& known = rows[change.id];
    for (const Change::Row& row : change.rows) {
      const auto before = known.find(row.after.name);
      require(row.before.has_value() == (before != known.end()), "a row is told from what it was");
      if (row.before)
        require(timeless(*row.before) == before->second,
                base::cat("a row is told from what was told: ", row.after.name, " ",
                          row.before->type, " ", before->second.type, " ", row.before->actual.value,
                          " ", before->second.actual.value));
      const std::int64_t was = row.before ? row.before->expected.version.edge : 0;
      if (row.after.expected.present && row.after.expected.version.edge > was) {
        const auto stored = disk->rows.find({change.id, row.after.name});
        require(stored != disk->rows.end() &&
                    stored->second.expected.version.edge >= row.after.expected.version.edge,
                "a desired value is told when it is on disk");
      }
      if (row.after.deleted) {
        known.erase(row.after.name);
      } else {
        known[row.after.name] = timeless(row.after);
      }
    }
  }

  void look(const std::string& uid, const TwinRow& row) {
    const auto one = [&](const char* side, const devicetwin::Side& is) {
      if (!is.present) return;
      const auto key = base::cat(uid, '/', row.name, '/', side, '/', is.version.edge);
      require(values_.try_emplace(key, is.value).first->second == is.value,
              "a version of a side is one value: " + key);
    };
    one("expected", row.expected);
    one("actual", row.actual);
  }

  std::uint64_t newest_[3] = {};
  std::map<ObjectId, std::uint64_t> of_object_;
  std::map<std::pair<Kind, std::uint64_t>, std::string> seen_;
  std::map<std::string, std::string> values_;
  std::uint64_t start_ = 0;
};

class Rig {
 public:
  Rig() {
    start(Image());
    verb_object(Kind::device_model, devicetwin::test::model_json(), true);
    for (const ObjectId& id : ids_) verb_object(Kind::device, device(id), true);
    loop_.settle();
  }

  void event(std::uint8_t what, std::uint8_t argument) {
    const ObjectId& id = ids_[argument & 1];
    const std::string value = std::to_string(argument >> 1);
    switch (what % 18) {
      case 0:
      case 1:
        return twin(id, {.name = "temperature", .actual = value}, Origin::mapper);
      case 2:
        return twin(id, {.name = "setpoint", .actual = value, .observed = value}, Origin::mapper);
      case 3:
        return twin(id, {.name = "setpoint", .expected = value}, Origin::mqtt);
      case 4:
        return twin(id, {.name = "note", .expected = value}, Origin::mqtt);
      case 5:
        return twin(id, {.name = "note", .actual = value}, Origin::mqtt);
      case 6:
        return twin(id, {.name = argument & 2 ? "note" : "setpoint", .remove = true}, Origin::mqtt);
      case 7: {
        Json labelled = device(id);
        labelled["metadata"]["labels"] = {{"a", value}};
        return verb_object(Kind::device, labelled, false);
      }
      case 8: {
        Json shorter = device(id);
        shorter["spec"]["properties"].erase(argument & 2 ? 1 : 0);
        return verb_object(Kind::device, shorter, false);
      }
      case 9:
        return core_->remove(Kind::device, id, Origin::kubernetes, answer());
      case 10:
        return verb_object(Kind::device, device(id), true);
      case 11: {
        Json model = devicetwin::test::model_json();
        model["spec"]["properties"][0]["type"] = argument & 2 ? "STRING" : "FLOAT";
        if (argument & 4)
          return core_->remove(Kind::device_model, ids_[0], Origin::kubernetes, answer());
        return verb_object(Kind::device_model, model, (argument & 8) != 0);
      }
      case 12:
        return core_->update_state(id, argument & 2 ? "online" : "offline", Origin::mapper,
                                   [](const auto&) {});
      case 13:
        journal_->held = true;
        return;
      case 14:
        journal_->let_go();
        return loop_.settle();
      case 15:
        journal_->let_go(base::Status(base::Code::unavailable, "full"));
        return loop_.settle();
      case 16:
        return loop_.advance(Core::report_window);
      default:
        if (argument % 4 == 0) return crash();
        return let_go_on();
    }
  }
  void look() { listener_.look(*core_); }

  void rest() {
    let_go_on();
    loop_.advance(std::chrono::seconds(2));
    require(asked_ == answered_, "every verb is answered once");
    listener_.require_same(*core_);
    look();
    for (const auto* device : core_->list(Kind::device, "")) {
      core_->rows(device->id)->for_each([&](const TwinRow& row) {
        const auto stored = journal_->rows.find({device->id, row.name});
        require(stored != journal_->rows.end() && timeless(stored->second) == timeless(row),
                "what is shown is on disk: " + row.name);
      });
    }
  }

 private:
  static Json device(const ObjectId& id) {
    Json json = devicetwin::test::device_json();
    json["metadata"]["name"] = id.name;
    return json;
  }
  std::function<void(const base::Result<devicetwin::Object>&)> answer() {
    ++asked_;
    return [this, life = life_](const auto&) { answered_ += life == life_; };
  }
  void verb_object(Kind kind, const Json& json, bool make) {
    if (make) return core_->create(kind, json, Origin::kubernetes, answer());
    core_->update(kind, json, 0, Origin::kubernetes, answer());
  }
  void twin(const ObjectId& id, TwinUpdate::Property property, Origin origin) {
    TwinUpdate update;
    update.properties.push_back(std::move(property));
    ++asked_;
    core_->update_twin(id, std::move(update), origin,
                       [this, life = life_](const auto&) { answered_ += life == life_; });
  }
  void start(const Image& image) {
    journals_.push_back(std::make_unique<MemoryJournal>(loop_));
    journal_ = journals_.back().get();
    static_cast<Image&>(*journal_) = image;
    listener_.disk = journal_;
    core_ = std::make_unique<Core>(loop_, *journal_, "edge-node");
    image.load_into(*core_);
    listener_.begins(core_->version());
    loop_.settle();  // the first write reserves versions; a daemon's sockets open after it began
    core_->add_outlet(listener_);
  }
  void let_go_on() {
    journal_->let_go_on();
    loop_.settle();
  }
  // The process dies: what is on disk is all there is.
  void crash() {
    const Image image = *journal_;
    ++life_;
    asked_ = answered_ = 0;
    core_.reset();
    start(image);
    listener_.read_all(*core_);
  }

  const std::vector<ObjectId> ids_{{"default", "boiler"}, {"default", "other"}};
  base::ManualLoop loop_;
  std::vector<std::unique_ptr<MemoryJournal>> journals_;  // tasks of dead ones may still run
  MemoryJournal* journal_ = nullptr;
  Listener listener_;
  std::unique_ptr<Core> core_;
  int life_ = 0;
  int asked_ = 0;
  int answered_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, std::min<std::size_t>(size, 512));
  Rig rig;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    rig.event(bytes[i], bytes[i + 1]);
    rig.look();
  }
  rig.rest();
  return 0;
}

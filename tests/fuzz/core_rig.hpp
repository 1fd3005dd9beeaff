// A Core with one device and an in-memory journal for fuzzers, and what must hold whatever came in.
// A broken invariant aborts with its name, which libFuzzer and ctest both take for a crash.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "devicetwin/core/fixture.hpp"

namespace fuzz {

using devicetwin::Core;
using devicetwin::Kind;
using devicetwin::Object;
using devicetwin::Origin;
using devicetwin::TwinRow;
using dmi::Json;
using dmi::ObjectId;

inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "broken invariant: %s\n", what.c_str());
  std::abort();
}

// Everything that is served of a device can be: as JSON, in UTF-8, within the limits.
inline void require_servable(const Core& core, const ObjectId& id) {
  const Object* const object = core.find(Kind::device, id);
  require(object != nullptr, "a listed device is there");
  const auto json = dmi::parse_json(object->text.str());
  require(json.ok() && json->is_object(), "an object is JSON");
  const auto status = core.status_object(id);
  require(status.has_value(), "a device has a status");
  require(base::is_utf8(dmi::to_text(*status)), "a status is UTF-8");
  const auto rows = core.rows(id);
  if (rows) require(rows->size() <= Core::max_rows, "rows of a device are bounded");
}

class CoreRig {
 public:
  CoreRig() {
    core.create(Kind::device_model, devicetwin::test::model_json(), Origin::kubernetes,
                [](const auto&) {});
    core.create(Kind::device, devicetwin::test::device_json(), Origin::kubernetes,
                [](const auto&) {});
    loop.settle();
    require(core.find(Kind::device, boiler) != nullptr, "the device is made");
    newest_ = core.version();
  }

  // After every message.
  void check() {
    loop.settle();
    require(core.version() >= newest_, "resourceVersions rise");
    newest_ = core.version();
    for (const Object* object : core.list(Kind::device, "")) {
      const ObjectId id = object->id;
      require_servable(core, id);
      core.rows(id)->for_each([&](const TwinRow& row) { check_row(id, row); });
    }
  }

  // A core that starts from what the journal has knows what this one knows.
  void check_restart() {
    loop.advance(std::chrono::seconds(1));  // reported values reach the journal
    // No end in order: versions of reports go on above all that were told.
    const devicetwin::test::Image image = journal;
    devicetwin::test::MemoryJournal other_journal(loop);
    Core other(loop, other_journal, "edge-node");
    image.load_into(other);
    require(other.version() >= newest_, "resourceVersions rise over a restart");
    for (const Object* object : core.list(Kind::device, "")) {
      const auto again = other.rows(object->id);
      require(again.has_value(), "a device survives a restart");
      core.rows(object->id)->for_each([&](const TwinRow& row) {
        const auto same = again->find(row.name);
        require(same.has_value(), "a twin survives a restart");
        require(same->expected.value == row.expected.value &&
                    same->expected.version == row.expected.version &&
                    same->actual.value == row.actual.value &&
                    same->actual.version.edge >= row.actual.version.edge &&
                    same->deleted == row.deleted,
                "a twin is the same after a restart: " + row.name);
      });
    }
  }

  const ObjectId boiler{"default", "boiler"};
  base::ManualLoop loop;
  devicetwin::test::MemoryJournal journal{loop};
  Core core{loop, journal, "edge-node"};

 private:
  void check_row(const ObjectId& id, const TwinRow& row) {
    require(base::is_utf8(row.expected.value) && base::is_utf8(row.actual.value),
            "values are UTF-8");
    auto& seen = versions_[{id, row.name}];
    require(row.expected.version.edge >= seen.first && row.actual.version.edge >= seen.second,
            "edge versions rise: " + row.name);
    seen = {row.expected.version.edge, row.actual.version.edge};
    if (const auto device = core.merged_device(id)) {
      const auto* const property = device->find(row.name);
      if (property == nullptr || row.deleted) return;
      const std::string desired = property->desired ? property->desired->value : "";
      require(desired == row.expected.value, "what is desired is one value: " + row.name);
    }
  }

  std::uint64_t newest_ = 0;
  std::map<std::pair<ObjectId, std::string>, std::pair<std::int64_t, std::int64_t>> versions_;
};

}  // namespace fuzz

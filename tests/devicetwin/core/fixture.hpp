// A Core on a manual clock with a disk in memory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "devicetwin/core.hpp"
#include "devicetwin/journal.hpp"

namespace devicetwin::test {

using base::Code;
using base::Status;
using dmi::Json;
using dmi::ObjectId;

struct Recorder final : Outlet {
  void changed(const Change& change) override { changes.push_back(change); }
  std::vector<Change> of(Kind kind) const {
    std::vector<Change> found;
    for (const Change& change : changes) {
      if (change.kind == kind) found.push_back(change);
    }
    return found;
  }
  std::vector<Change> changes;
};

inline Json model_json() {
  return {{"metadata", {{"name", "boiler"}, {"namespace", "default"}}},
          {"spec",
           {{"protocol", "modbus"},
            {"properties",
             {{{"name", "temperature"}, {"type", "FLOAT"}},
              {{"name", "setpoint"}, {"type", "FLOAT"}},
              {{"name", "count"}, {"type", "INT"}}}}}}};
}

inline Json device_json(const std::string& setpoint = "21") {
  Json properties = {{{"name", "temperature"}}, {{"name", "setpoint"}}, {{"name", "count"}}};
  if (!setpoint.empty()) properties[1]["desired"] = {{"value", setpoint}};
  return {{"metadata", {{"name", "boiler"}, {"namespace", "default"}}},
          {"spec",
           {{"deviceModelRef", {{"name", "boiler"}}},
            {"protocol", {{"protocolName", "modbus"}}},
            {"properties", properties}}}};
}

class CoreTest : public ::testing::Test {
 protected:
  CoreTest() { core_.add_outlet(heard_); }

  Status create(Kind kind, const Json& json) {
    Status result(Code::internal, "not answered");
    core_.create(kind, json, Origin::kubernetes, [&](auto done) { result = done.status(); });
    loop_.settle();
    return result;
  }
  Status update(const Json& json, std::uint64_t expected = 0) {
    Status result(Code::internal, "not answered");
    core_.update(Kind::device, json, expected, Origin::kubernetes,
                 [&](auto done) { result = done.status(); });
    loop_.settle();
    return result;
  }
  Status remove(Kind kind) {
    Status result(Code::internal, "not answered");
    core_.remove(kind, boiler_, Origin::kubernetes, [&](auto done) { result = done.status(); });
    loop_.settle();
    return result;
  }
  base::Result<Core::Applied> update_twin(TwinUpdate update, Origin origin = Origin::mqtt) {
    base::Result<Core::Applied> result(Status(Code::internal, "not answered"));
    core_.update_twin(boiler_, std::move(update), origin, [&](auto done) { result = done; });
    loop_.settle();
    return result;
  }
  static TwinUpdate actual(const std::string& name, const std::string& value,
                           const std::string& type = "") {
    TwinUpdate update;
    update.properties.push_back({.name = name, .actual = value, .type = type});
    return update;
  }
  static TwinUpdate expected(const std::string& name, const std::string& value) {
    TwinUpdate update;
    update.properties.push_back({.name = name, .expected = value});
    return update;
  }
  void make_boiler() {
    ASSERT_TRUE(create(Kind::device_model, model_json()).ok());
    ASSERT_TRUE(create(Kind::device, device_json()).ok());
    heard_.changes.clear();
  }
  TwinRow row(const std::string& name) { return core_.rows(boiler_)->at(name); }
  Json object() { return Json::parse(core_.find(Kind::device, boiler_)->text.str()); }

  const ObjectId boiler_{"default", "boiler"};
  base::ManualLoop loop_;
  MemoryJournal journal_{loop_};
  Recorder heard_;
  Core core_{loop_, journal_, "edge-node"};
};

}  // namespace devicetwin::test

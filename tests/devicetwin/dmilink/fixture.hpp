// A core, its DMI link, and mappers on real sockets.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "devicetwin/dmi_link.hpp"
#include "devicetwin/journal.hpp"
#include "dmi/wire/dmi.hpp"
#include "mapper.hpp"
#include "support/process.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::Json;
using dmi::ObjectId;
using std::chrono::milliseconds;

inline const ObjectId boiler{"default", "boiler"};

class DmiLinkTest : public ::testing::Test {
 protected:
  explicit DmiLinkTest(const DmiLink::Settings& settings = DmiLink::Settings())
      : settings_(settings) {
    start();
  }

  void start() {
    link_ = DmiLink::start(core_, journal_, socket(), journal_.notes, settings_).value();
    client_ = dmi::wire::connect_manager(socket());
  }
  std::string socket() const { return (folder_ / "dmi.sock").string(); }
  std::string mapper_socket(const std::string& name = "m") const {
    return (folder_ / (name + ".sock")).string();
  }

  bool until(const std::function<bool()>& condition) {
    return test_support::wait_until([&] {
      // Slower than real time, for that is what mappers answer in.
      loop_.advance(milliseconds(2));
      return condition();
    });
  }
  void settle() {
    const auto end = loop_.now() + milliseconds(600);
    EXPECT_TRUE(until([&] { return loop_.now() >= end; }));
  }

  base::Result<dmi::wire::Registration> enroll(const std::string& name,
                                               const std::string& protocol = "modbus") {
    std::atomic<bool> answered = false;
    base::Result<dmi::wire::Registration> result = Status(Code::internal, "no answer");
    client_->mapper_register({name, "v1", "v1", protocol, mapper_socket(name), "ok"},
                             [&](auto answer) {
                               result = std::move(answer);
                               answered = true;
                             });
    EXPECT_TRUE(until([&] { return answered.load(); }));
    return result;
  }
  Status call(const std::function<void(dmi::wire::Done)>& rpc) {
    std::atomic<bool> answered = false;
    Status result;
    rpc([&](Status status) {
      result = std::move(status);
      answered = true;
    });
    EXPECT_TRUE(until([&] { return answered.load(); }));
    return result;
  }

  void put(Kind kind, Json object) {
    const ObjectId id{"default", object["metadata"]["name"]};
    bool stored = false;
    const auto done = [&](const auto& result) { stored = result.ok(); };
    if (core_.find(kind, id) == nullptr) {
      core_.create(kind, std::move(object), Origin::kubernetes, done);
    } else {
      core_.update(kind, std::move(object), 0, Origin::kubernetes, done);
    }
    loop_.settle();
    ASSERT_TRUE(stored);
  }
  void remove(Kind kind, const ObjectId& id) {
    core_.remove(kind, id, Origin::kubernetes, [](const auto&) {});
    loop_.settle();
  }
  static Json model(const std::string& unit = "") {
    return {{"metadata", {{"name", "boiler"}}},
            {"spec",
             {{"protocol", "modbus"},
              {"properties", {{{"name", "setpoint"}, {"type", "FLOAT"}, {"unit", unit}}}}}}};
  }
  static Json device(const std::string& desired, const std::string& label = "",
                     const std::string& name = "boiler") {
    Json object = {{"metadata", {{"name", name}}},
                   {"spec",
                    {{"deviceModelRef", {{"name", "boiler"}}},
                     {"protocol", {{"protocolName", "modbus"}}},
                     {"properties", {{{"name", "setpoint"}, {"desired", {{"value", desired}}}}}}}}};
    if (!label.empty()) object["metadata"]["labels"] = {{"site", label}};
    return object;
  }
  std::string waiting(const ObjectId& device = boiler) const {
    return core_.state(device)->waiting;
  }

  const DmiLink::Settings settings_;
  test_support::TempFolder folder_;
  base::ManualLoop loop_;
  test::MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge"};
  std::unique_ptr<DmiLink> link_;
  std::unique_ptr<dmi::wire::ManagerClient> client_;
};

}  // namespace devicetwin

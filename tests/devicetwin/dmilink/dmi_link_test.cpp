// A core, its DMI link, and mappers on real sockets.
#include "devicetwin/dmi_link.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/text.hpp"
#include "dmi/wire/dmi.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::Code;
using base::Status;
using dmi::Json;
using dmi::ObjectId;
using std::chrono::milliseconds;

const ObjectId boiler{"default", "boiler"};

// Keeps notes alone: what DmiLink itself stores.
class Notes final : public Journal {
 public:
  explicit Notes(base::Loop& loop) : loop_(loop) {}
  void put_object(const Object&) override {}
  void delete_object(Kind, const ObjectId&) override {}
  void put_row(const ObjectId&, const TwinRow&) override {}
  void put_state(const ObjectId&, const DeviceState&) override {}
  void delete_twins(const ObjectId&) override {}
  void put_note(const std::string& key, const std::string& text) override {
    if (text.empty()) {
      notes.erase(key);
    } else {
      notes[key] = text;
    }
  }
  void flush(std::function<void(Status)> done) override {
    loop_.post([done = std::move(done)] { done(Status()); });
  }
  std::map<std::string, std::string> notes;

 private:
  base::Loop& loop_;
};

// A mapper that writes down its calls and answers as told.
class Mapper final : public dmi::wire::MapperHandler {
 public:
  explicit Mapper(const std::string& socket) : socket_(socket) { start(); }
  void start() { server_ = dmi::wire::serve_mapper(socket_, *this).value(); }
  void stop() { server_.reset(); }

  void register_device(dmi::Device device, dmi::wire::Done done) override {
    note(cat("register ", device.id.name, desired(device)), std::move(done));
  }
  void update_device(dmi::Device device, dmi::wire::Done done) override {
    note(cat("update ", device.id.name, desired(device)), std::move(done));
  }
  void remove_device(ObjectId device, dmi::wire::Done done) override {
    note(cat("remove ", device.name), std::move(done));
  }
  void create_model(dmi::DeviceModel model, dmi::wire::Done done) override {
    note(cat("create model ", model.id.name), std::move(done));
  }
  void update_model(dmi::DeviceModel model, dmi::wire::Done done) override {
    note(cat("update model ", model.id.name), std::move(done));
  }
  void remove_model(ObjectId model, dmi::wire::Done done) override {
    note(cat("remove model ", model.name), std::move(done));
  }
  void get_device(
      ObjectId,
      std::function<void(base::Result<std::pair<dmi::Device, dmi::DeviceReport>>)> done) override {
    done(Status(Code::unsupported, "not asked for"));
  }

  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t count(const std::string& call) const {
    const auto all = calls();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), call));
  }
  std::atomic<int> failures = 0;  // so many calls fail from now on
  std::atomic<bool> hung = false;

 private:
  static std::string desired(const dmi::Device& device) {
    const auto* property = device.find("setpoint");
    return property && property->desired ? cat("=", property->desired->value) : "";
  }
  void note(std::string call, dmi::wire::Done done) {
    const std::lock_guard lock(mutex_);
    if (hung) return kept_.push_back(std::move(done));
    if (failures > 0) {
      --failures;
      return done(Status(Code::internal, "told to fail"));
    }
    calls_.push_back(std::move(call));
    done(Status());
  }

  const std::string socket_;
  mutable std::mutex mutex_;  // calls come on gRPC's threads
  std::vector<std::string> calls_;
  std::vector<dmi::wire::Done> kept_;
  std::unique_ptr<dmi::wire::Server> server_;
};

class DmiLinkTest : public ::testing::Test {
 protected:
  DmiLinkTest() { start(); }

  void start() {
    link_ = DmiLink::start(core_, journal_, socket(), journal_.notes).value();
    client_ = dmi::wire::connect_manager(socket());
  }
  std::string socket() const { return (folder_ / "dmi.sock").string(); }
  std::string mapper_socket(const std::string& name = "m") const {
    return (folder_ / (name + ".sock")).string();
  }

  bool until(const std::function<bool()>& condition) {
    return test_support::wait_until([&] {
      loop_.advance(milliseconds(5));
      return condition();
    });
  }
  void settle() {
    // Not faster than real time: mappers answer probes in theirs.
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
  static Json device(const std::string& desired, const std::string& label = "") {
    Json object = {{"metadata", {{"name", "boiler"}}},
                   {"spec",
                    {{"deviceModelRef", {{"name", "boiler"}}},
                     {"protocol", {{"protocolName", "modbus"}}},
                     {"properties", {{{"name", "setpoint"}, {"desired", {{"value", desired}}}}}}}}};
    if (!label.empty()) object["metadata"]["labels"] = {{"site", label}};
    return object;
  }
  std::string waiting() const { return core_.state(boiler)->waiting; }

  test_support::TempFolder folder_;
  base::ManualLoop loop_;
  Notes journal_{loop_};
  Core core_{loop_, journal_, "edge"};
  std::unique_ptr<DmiLink> link_;
  std::unique_ptr<dmi::wire::ManagerClient> client_;
};

TEST_F(DmiLinkTest, RegistrationIsAnsweredWithTheDevicesOfItsProtocolAndEachModelOnce) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  const auto answer = enroll("m");
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  ASSERT_EQ(answer->devices.size(), 1u);
  EXPECT_EQ(answer->devices[0].id, boiler);
  EXPECT_EQ(answer->models.size(), 1u);
  settle();
  EXPECT_TRUE(mapper.calls().empty()) << mapper.calls()[0];
}

TEST_F(DmiLinkTest, DeviceThatComesLaterFollowsItsModel) {
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  put(Kind::device, device("1"));
  settle();
  EXPECT_TRUE(mapper.calls().empty());
  EXPECT_EQ(waiting(), "waiting for devicemodel default/boiler");
  put(Kind::device_model, model());
  ASSERT_TRUE(until([&] { return mapper.calls().size() == 2; }));
  EXPECT_EQ(mapper.calls(), (std::vector<std::string>{"create model boiler", "register boiler=1"}));
  EXPECT_EQ(waiting(), "");
}

TEST_F(DmiLinkTest, OnlyChangesOfTheSpecAreTold) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  put(Kind::device, device("1", "hall"));
  settle();
  put(Kind::device, device("2", "hall"));
  ASSERT_TRUE(until([&] { return mapper.count("update boiler=2") == 1; }));
  put(Kind::device_model, model("celsius"));
  ASSERT_TRUE(until([&] { return mapper.count("update model boiler") == 1; }));
  settle();
  EXPECT_EQ(mapper.calls().size(), 2u);
}

TEST_F(DmiLinkTest, FailedCallIsRepeatedWithTheNewestValueUntilConfirmed) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  mapper.failures = 3;
  put(Kind::device, device("2"));
  put(Kind::device, device("3"));
  ASSERT_TRUE(until([&] { return mapper.count("update boiler=3") == 1; }));
  settle();
  EXPECT_EQ(mapper.calls().back(), "update boiler=3");
}

TEST_F(DmiLinkTest, RemovalOutlivesTheMappersAbsenceAndOurOwnRestart) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  mapper.stop();
  remove(Kind::device, boiler);
  settle();
  client_.reset();
  link_.reset();
  EXPECT_TRUE(journal_.notes.contains("gone/m/default/boiler"));
  mapper.start();
  Core restarted(loop_, journal_, "edge");
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes).value();
  EXPECT_TRUE(until([&] { return mapper.count("remove boiler") == 1; }));
  EXPECT_TRUE(until([&] { return !journal_.notes.contains("gone/m/default/boiler"); }));
  link_.reset();
}

TEST_F(DmiLinkTest, MapperThatNeverRegistersAgainIsToldWhatItMissed) {
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  client_.reset();
  link_.reset();
  Core restarted(loop_, journal_, "edge");
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes).value();
  restarted.create(Kind::device_model, model(), Origin::kubernetes, [](const auto&) {});
  restarted.create(Kind::device, device("7"), Origin::kubernetes, [](const auto&) {});
  EXPECT_TRUE(until([&] { return mapper.count("register boiler=7") == 1; }));
  link_.reset();
}

TEST_F(DmiLinkTest, DeviceThatLosesItsModelLeavesTheMapperAndTurnsUnknown) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  ASSERT_TRUE(call([&](auto done) { client_->report_state(boiler, "online", done); }).ok());
  remove(Kind::device_model, boiler);
  ASSERT_TRUE(until([&] { return mapper.count("remove boiler") == 1; }));
  ASSERT_TRUE(until([&] { return core_.state(boiler)->state == "unknown"; }));
  EXPECT_EQ(waiting(), "waiting for devicemodel default/boiler");
}

TEST_F(DmiLinkTest, HungMapperHurtsOnlyItself) {
  Json other = device("1");
  other["metadata"]["name"] = "drive";
  other["spec"]["protocol"]["protocolName"] = "canopen";
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  put(Kind::device, other);
  Mapper hung(mapper_socket("hung")), healthy(mapper_socket("healthy"));
  ASSERT_TRUE(enroll("hung").ok());
  ASSERT_TRUE(enroll("healthy", "canopen").ok());
  hung.hung = true;
  put(Kind::device, device("2"));
  other["spec"]["properties"][0]["desired"]["value"] = "5";
  put(Kind::device, other);
  EXPECT_TRUE(until([&] { return healthy.count("update drive=5") == 1; }));
  hung.stop();
}

TEST_F(DmiLinkTest, DeadMapperIsNamedInTheStatusOfItsDevices) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  EXPECT_EQ(waiting(), "no mapper has registered for protocol \"modbus\"");
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  EXPECT_EQ(waiting(), "");
  ASSERT_TRUE(call([&](auto done) { client_->report_state(boiler, "online", done); }).ok());
  mapper.stop();
  ASSERT_TRUE(until([&] { return core_.state(boiler)->state == "unknown"; }));
  EXPECT_EQ(waiting(), cat("mapper m does not answer at ", mapper_socket()));
  mapper.start();
  ASSERT_TRUE(enroll("m").ok());
  EXPECT_EQ(waiting(), "");
}

TEST_F(DmiLinkTest, NonsenseIsRefusedByName) {
  const auto no_protocol = enroll("m", "").status();
  EXPECT_EQ(no_protocol.code(), Code::invalid);
  EXPECT_NE(no_protocol.text().find("mapper m: protocol is empty"), std::string::npos)
      << no_protocol.text();
  dmi::DeviceReport report{boiler, {{"setpoint", {}, dmi::TwinValue{"1", {{"type", "float"}}}}}};
  const auto send = [&](auto done) { client_->report_status(report, done); };
  EXPECT_EQ(call(send).code(), Code::not_found);
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  EXPECT_TRUE(call(send).ok());
  report.twins[0].reported->value = "warm";
  const Status bad = call(send);
  EXPECT_EQ(bad.code(), Code::invalid);
  EXPECT_NE(bad.text().find("setpoint"), std::string::npos) << bad.text();
}

TEST_F(DmiLinkTest, ReportCarriesTimeQualityAndTheReasonOfARefusal) {
  put(Kind::device_model, model());
  put(Kind::device, device("900"));
  const dmi::DeviceReport report{
      boiler,
      {{"setpoint",
        dmi::TwinValue{"60", {{"status", "out_of_range"}, {"reason", "900 is above 90"}}},
        dmi::TwinValue{"",
                       {{"type", "float"},
                        {"timestamp", "1234"},
                        {"status", "timeout"},
                        {"reason", "unit 7"}}}}}};
  ASSERT_TRUE(call([&](auto done) { client_->report_status(report, done); }).ok());
  const TwinRow row = core_.rows(boiler)->at("setpoint");
  EXPECT_EQ(row.actual.time_ms, 1234);
  EXPECT_EQ(row.quality, Status(Code::timeout, "unit 7"));
  EXPECT_EQ(row.refusal, Status(Code::out_of_range, "900 is above 90"));
  EXPECT_EQ(row.progress(), Progress::failed);
}

}  // namespace
}  // namespace devicetwin

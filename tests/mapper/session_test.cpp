#include "session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "fleet.hpp"
#include "mapper/fixture.hpp"
#include "mapper/testing.hpp"
#include "support/process.hpp"

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using ::testing::AllOf;
using testing::desiring;
using testing::device_of;
using ::testing::Each;
using ::testing::ElementsAre;
using testing::FakeDevice;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Lt;
using testing::model_of;
using namespace std::chrono_literals;

// A mapper without uplink: sessions on a manual loop, a fake device each.
class Plant {
 public:
  explicit Plant(base::Duration delay = 1ms)
      : context{loop,
                opener_of(loop,
                          [this, delay](const Target& target, Sink sink) {
                            sinks[target.id.name] = sink;
                            if (!spec_error.ok()) {
                              return base::Result<std::unique_ptr<AsyncDriver>>(spec_error);
                            }
                            return testing::open_fake_async(devices[target.id.name], loop, delay);
                          }),
                "fake",
                repeats,
                [this](Session&) { ++news; },
                false},
        fleet(context) {}
  ~Plant() {
    fleet.clear();
    loop.settle();
  }

  void put(const dmi::Device& device) { EXPECT_TRUE(fleet.put(device).ok()); }
  Session& session(const std::string& name = "d") { return *fleet.find({"default", name}); }
  FakeDevice& device(const std::string& name = "d") { return devices[name]; }
  // status and reason of a point as it is reported.
  dmi::Sample sample(std::size_t point, const std::string& name = "d") {
    return *session(name).twin().reported(point);
  }

  std::map<std::string, FakeDevice> devices;
  std::map<std::string, Sink> sinks;
  Status spec_error;
  base::ManualLoop loop;
  base::Repeats repeats;
  int news = 0;
  SessionContext context;
  Fleet fleet;
};

TEST(Session, ReadsDuePointsAsOneBatchAndKeepsTheCadence) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b", "slow"}));
  dmi::Device device = device_of("d", {"a", "b", "slow"}, 100);
  device.properties[2].collect_cycle_ms = 500;
  plant.device().set("a", Value(1.0));
  plant.put(device);
  plant.loop.advance(1050ms);
  EXPECT_EQ(plant.device().count("read a b slow"), 3u);  // 0, 500, 1000
  EXPECT_EQ(plant.device().count("read a b"), 11u);      // every 100 ms, these included
  EXPECT_EQ(plant.session().overruns(), 0u);
  EXPECT_EQ(plant.session().state(), "online");
  EXPECT_EQ(plant.sample(0).value, Value(1.0));
}

// A driver that reads one point per 10 ms and can be told to hurry.
class Slow final : public AsyncDriver {
 public:
  Slow(base::Loop& loop, std::vector<std::string>& log) : timer_(loop), log_(log) {}
  void read(std::span<Reading> batch, Done done) override {
    batch_ = batch;
    done_ = std::move(done);
    hurried_ = false;
    next_ = 0;
    read_one();
  }
  void write(std::span<Command> batch, Done done) override {
    log_.push_back("write");
    for (Command& command : batch) command.status = Status();
    timer_.start(10ms, [done] { done(Status()); });
  }
  bool hurry() override { return hurried_ = true; }

 private:
  void read_one() {
    timer_.start(10ms, [this] {
      log_.push_back(batch_[next_].point.name);
      batch_[next_++].sample.emplace(Value(1.0), base::Time{});
      if (next_ < batch_.size() && !hurried_) return read_one();
      const Done done = std::exchange(done_, nullptr);
      done(Status());
    });
  }
  base::Timer timer_;
  std::vector<std::string>& log_;
  std::span<Reading> batch_;
  std::size_t next_ = 0;
  bool hurried_ = false;
  Done done_;
};

TEST(Session, AReadIsCutShortForAWriteAndTheNextOneIsNot) {
  base::ManualLoop loop;
  base::Repeats repeats;
  std::vector<std::string> log;
  SessionContext context{loop,
                         opener_of(loop,
                                   [&](const Target&, Sink) {
                                     return base::Result<std::unique_ptr<AsyncDriver>>(
                                         std::make_unique<Slow>(loop, log));
                                   }),
                         "fake",
                         repeats,
                         [](Session&) {},
                         false};
  const auto model = std::make_shared<const dmi::DeviceModel>(model_of({"a", "b", "c", "d"}));
  const dmi::Device device = device_of("d", {"a", "b", "c", "d"}, 100);
  Session session(context, device.id);
  session.update(device, model);
  loop.advance(115ms);  // in the second read, of b
  log.clear();
  session.update(desiring(device, 3, "7"), model);
  loop.advance(30ms);
  EXPECT_THAT(log, ElementsAre("b", "write", "d"));
  session.update(desiring(device, 3, "8"), model);
  loop.advance(60ms);
  EXPECT_THAT(log, ElementsAre("b", "write", "d", "a", "b", "c", "d", "write", "d"));
  EXPECT_EQ(session.overruns(), 0u);
  EXPECT_EQ(session.state(), "online");
}

TEST(Session, ADriverIsSettledOnceItsSettingsAreWrittenAndAgainWhenReopened) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.device().set("a", Value(1.0));
  plant.put(desiring(device_of("d", {"a", "b"}, 60'000), 0, "70"));
  plant.loop.advance(100ms);
  EXPECT_THAT(plant.device().log(),
              ElementsAre("open", "read a", "write a=70", "read a", "settled", "read a b"));
  plant.device().fail("a", Status(Code::refused, "locked"));
  plant.sinks["d"].lost(Status(Code::unavailable, "cable"));
  plant.loop.advance(2s);
  EXPECT_EQ(plant.device().count("open"), 2u);
  EXPECT_EQ(plant.device().count("settled"), 2u);  // also when the settings are refused
}

TEST(Session, TheLongestRetryIsTheProtocols) {
  Plant plant;
  plant.context.longest_retry = 200ms;
  plant.fleet.put(model_of({"a"}));
  plant.device().reach(Status(Code::unavailable, "off"));
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(10s);
  EXPECT_GE(plant.device().count("open"), 40u);  // 200 ms ± 20 %
  EXPECT_LE(plant.device().count("open"), 64u);
}

TEST(Session, AnOverrunIsSkippedForwardAndCounted) {
  Plant plant(250ms);
  plant.fleet.put(model_of({"a"}));
  plant.put(device_of("d", {"a"}, 100));
  plant.loop.advance(899ms);
  // Read from 0 to 250, from 300 to 550 and from 600 to 850: 100 and 200 are left out each time.
  EXPECT_EQ(plant.device().count("read"), 3u);
  EXPECT_EQ(plant.session().overruns(), 6u);
}

TEST(Session, AGroupThatBecomesDueDuringAnothersReadIsLateNotSkipped) {
  Plant plant(30ms);
  plant.fleet.put(model_of({"fast", "slow"}));
  dmi::Device device = device_of("d", {"fast", "slow"}, 100);
  device.properties[1].collect_cycle_ms = 10'010;
  plant.put(device);
  plant.loop.advance(10'100ms);
  EXPECT_EQ(plant.device().count("read slow"), 1u);
  EXPECT_EQ(plant.session().overruns(), 0u);
}

TEST(Session, ADeadDeviceBacksOffWithoutDelayingTheOthers) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device("dead").reach(Status(Code::timeout, "unit 7 did not answer within 500 ms"));
  plant.put(device_of("dead", {"a"}));
  for (int i = 0; i < 20; ++i) plant.put(device_of(base::cat("d", i), {"a"}, 100));
  plant.loop.advance(9500ms);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(plant.device(base::cat("d", i)).count("read"), 95u) << i;
  }
  // At 0, 1, 3, 7 s, each ± 20 %.
  EXPECT_GE(plant.device("dead").count("open"), 4u);
  EXPECT_LE(plant.device("dead").count("open"), 5u);
  plant.loop.advance(30min);
  EXPECT_GE(plant.device("dead").count("open"), 25u);  // about once a minute
  EXPECT_LE(plant.device("dead").count("open"), 50u);
}

TEST(Session, ADeviceThatIsNotReachedSaysSoAtEveryPoint) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.device().set("a", Value(1.0));
  plant.device().set("b", Value(2.0));
  dmi::Device device = device_of("d", {"a", "b"});
  device.properties[1].collect_cycle_ms = 60'000;
  plant.put(device);
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().state(), "online");
  plant.device().reach(Status(Code::timeout, "no answer"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.session().state(), "offline");
  for (const std::size_t point : {0u, 1u}) {
    EXPECT_EQ(plant.sample(point).value, std::nullopt);
    EXPECT_EQ(plant.sample(point).status, Status(Code::timeout, "default/d: no answer"));
  }
  (void)plant.session().take_report();
  plant.device().reach(Status());
  plant.loop.advance(2s);
  EXPECT_EQ(plant.session().state(), "online");
  EXPECT_EQ(plant.sample(1).value, Value(2.0));
}

TEST(Session, OneBadPointDoesNotConcernTheOthers) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.device().set("a", Value(1.0));
  plant.device().set("b", Value(1.0));
  plant.device().fail("b", Status(Code::refused, "illegal data address"));
  plant.put(device_of("d", {"a", "b"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.sample(0).value, Value(1.0));
  EXPECT_EQ(plant.sample(1).status.code(), Code::refused);
  EXPECT_EQ(plant.session().state(), "online");
  const dmi::DeviceReport report = plant.session().take_report();
  EXPECT_EQ(report.twins.at(1).reported->value, "");
  EXPECT_EQ(report.twins.at(1).reported->metadata.at("status"), "refused");
  EXPECT_EQ(report.twins.at(1).reported->metadata.at("reason"), "illegal data address");
}

TEST(Session, ADesiredValueIsWrittenAheadOfPollingAndReadBack) {
  Plant plant(100ms);
  plant.fleet.put(model_of({"a", "b"}));
  plant.device().set("a", Value(1.0));
  plant.put(device_of("d", {"a", "b"}));
  plant.loop.advance(1050ms);  // the second poll is with the driver
  plant.put(desiring(device_of("d", {"a", "b"}), 0, "70"));
  plant.loop.advance(300ms);
  EXPECT_THAT(plant.device().log(),
              ElementsAre("open", "settled", "read a b", "read a b", "write a=70", "read a"));
  EXPECT_EQ(plant.session().twin().observed(0), Value(70.0));
  EXPECT_EQ(plant.sample(0).value, Value(70.0));
}

TEST(Session, AClampingDeviceIsWrittenOnce) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.device().on_write([](const std::string&, Value) { return Value(100.0); });
  plant.put(desiring(device_of("d", {"a"}, 100), 0, "100.4"));
  plant.loop.advance(10s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  EXPECT_EQ(dmi::to_text(*plant.session().twin().observed(0), dmi::Type::float32), "100.4");
  EXPECT_EQ(plant.sample(0).value, Value(100.0));
}

TEST(Session, AReopenedLinkWritesSettingsAgainButAcceptsEqualOnes) {
  Plant plant;
  plant.fleet.put(model_of({"kept", "lost"}));
  plant.device().set("kept", Value(5.0));
  plant.device().set("lost", Value(0.0));
  plant.put(desiring(desiring(device_of("d", {"kept", "lost"}), 0, "5"), 1, "6"));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.device().count("write lost=6"), 1u);
  EXPECT_EQ(plant.device().count("write"), 1u);  // kept was what it should be
  EXPECT_EQ(plant.session().twin().observed(0), Value(5.0));
  plant.device().reach(Status(Code::timeout, "power cut"));
  plant.loop.advance(1100ms);
  plant.device().set("lost", Value(0.0));
  plant.device().reach(Status());
  plant.loop.advance(5s);
  EXPECT_EQ(plant.device().count("write lost=6"), 2u);
  EXPECT_EQ(plant.device().count("write"), 2u);
}

TEST(Session, WhatTheDeviceWasSeenToChangeIsOverriddenAndNeverWrittenAgain) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.put(desiring(device_of("d", {"a"}, 100), 0, "5"));
  plant.loop.advance(1s);
  plant.device().set("a", Value(7.0));  // at the panel
  plant.loop.advance(1s);
  const dmi::DeviceReport report = plant.session().take_report();
  EXPECT_EQ(report.twins.at(0).observed->value, "5");
  EXPECT_EQ(report.twins.at(0).observed->metadata.at("status"), "conflict");
  EXPECT_EQ(report.twins.at(0).observed->metadata.at("reason"),
            "default/d: a is overridden by the device: reads 7 instead of 5");
  plant.device().reach(Status(Code::timeout, "cable"));
  plant.loop.advance(2s);
  plant.device().reach(Status());
  plant.loop.advance(10s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  EXPECT_EQ(plant.sample(0).value, Value(7.0));
  plant.device().set("a", Value(5.0));
  plant.loop.advance(1s);
  EXPECT_TRUE(plant.session().twin().refusal(0).ok());
}

TEST(Session, AWriteWhoseAnswerWasLostIsNotRepeatedWhenTheDeviceHoldsTheValue) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.put(device_of("d", {"a"}, 100));
  plant.loop.advance(1s);
  plant.device().fail("a", Status(Code::timeout, "no answer"));
  plant.put(desiring(device_of("d", {"a"}, 100), 0, "5"));
  plant.loop.advance(50ms);
  EXPECT_EQ(plant.device().count("write"), 1u);
  plant.device().set("a", Value(5.0));  // it had arrived
  plant.device().fail("a", Status());
  plant.loop.advance(10s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  EXPECT_EQ(plant.session().twin().observed(0), Value(5.0));
}

dmi::DeviceModel model_of_command() {
  dmi::DeviceModel model = model_of({"start"});
  model.properties[0].type = "BOOLEAN";
  return model;
}

dmi::Device commanding(const std::string& value) {
  dmi::Device device = desiring(device_of("d", {"start"}, 100), 0, value);
  device.properties[0].visitors = dmi::ProtocolConfig{"fake", {{"writeOnce", true}}};
  return device;
}

TEST(Session, ACommandIsSentOnceHoweverOftenTheLinkReopensAndTheButtonComesBack) {
  Plant plant;
  plant.fleet.put(model_of_command());
  plant.device().set("start", Value(false));
  plant.device().on_write([](const std::string&, const Value&) { return Value(false); });
  plant.put(commanding("true"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  EXPECT_EQ(plant.session().twin().observed(0), Value(true));
  EXPECT_TRUE(plant.session().twin().refusal(0).ok());
  plant.device().reach(Status(Code::timeout, "cable"));
  plant.loop.advance(2s);
  plant.device().reach(Status());
  plant.loop.advance(10s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  plant.put(commanding("false"));
  plant.loop.advance(1s);
  plant.put(commanding("true"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.device().count("write start=true"), 2u);
}

TEST(Session, ACommandWhoseAnswerWasLostIsNotSentAgainAndSaysSo) {
  Plant plant;
  plant.fleet.put(model_of_command());
  plant.device().set("start", Value(false));
  plant.put(commanding("false"));
  plant.loop.advance(1s);
  plant.device().fail("start", Status(Code::timeout, "no answer"));
  plant.put(commanding("true"));
  plant.loop.advance(1s);
  plant.device().fail("start", Status());
  plant.loop.advance(1min);
  EXPECT_EQ(plant.device().count("write start=true"), 1u);
  EXPECT_EQ(plant.session().twin().refusal(0).code(), Code::conflict);
  EXPECT_THAT(plant.session().twin().refusal(0).text(), HasSubstr("forbids to send it again"));
}

TEST(Session, ACommandThatTheDeviceCannotHaveHeardIsSentLater) {
  Plant plant;
  plant.fleet.put(model_of_command());
  plant.device().set("start", Value(false));
  plant.device().fail("start", Status(Code::unavailable, "cannot connect"));
  plant.put(commanding("true"));
  plant.loop.advance(3s);
  plant.device().fail("start", Status());
  plant.loop.advance(5s);
  EXPECT_EQ(plant.device().get("start"), Value(true));
  EXPECT_EQ(plant.session().twin().observed(0), Value(true));
}

TEST(Session, ACommandIsNotSentAgainByAMapperThatRestarts) {
  const test_support::TempFolder folder;
  const auto path = folder.path() / "ledger.json";
  for (int life = 0; life < 2; ++life) {
    Plant plant;
    auto ledger = Ledger::open(path);
    ASSERT_TRUE(ledger.ok()) << ledger.status().text();
    plant.context.ledger = std::move(*ledger);
    plant.fleet.put(model_of_command());
    plant.device().set("start", Value(false));
    plant.device().on_write([](const std::string&, const Value&) { return Value(false); });
    plant.put(commanding("true"));
    plant.loop.advance(5s);
    EXPECT_EQ(plant.device().count("write"), life == 0 ? 1u : 0u);
    EXPECT_EQ(plant.session().twin().refusal(0).ok(), life == 0);
  }
  // An edge core that remembers knows what became of it.
  Plant plant;
  auto ledger = Ledger::open(path);
  ASSERT_TRUE(ledger.ok());
  plant.context.ledger = std::move(*ledger);
  plant.fleet.put(model_of_command());
  plant.device().set("start", Value(false));
  dmi::Device device = commanding("true");
  device.observed["start"] = {"true", {}};
  plant.put(device);
  plant.loop.advance(5s);
  EXPECT_EQ(plant.device().count("write"), 0u);
  EXPECT_TRUE(plant.session().twin().refusal(0).ok());
  EXPECT_EQ(plant.session().twin().observed(0), Value(true));
}

TEST(Session, ACommandThatCannotBeNotedIsNotSent) {
  const test_support::TempFolder folder;
  auto ledger = Ledger::open(folder.path() / "no" / "such" / "folder" / "ledger.json");
  ASSERT_TRUE(ledger.ok());
  Plant plant;
  plant.context.ledger = std::move(*ledger);
  plant.fleet.put(model_of_command());
  plant.device().set("start", Value(false));
  plant.put(commanding("true"));
  plant.loop.advance(5s);
  EXPECT_EQ(plant.device().count("write"), 0u);
  EXPECT_THAT(plant.session().twin().refusal(0).text(), HasSubstr("cannot be noted"));
}

TEST(Ledger, ADamagedFileIsAnErrorThatNamesIt) {
  const test_support::TempFolder folder;
  const auto path = folder.path() / "ledger.json";
  ASSERT_TRUE(base::write_file(path, "{\"a\": 1}").ok());
  const auto ledger = Ledger::open(path);
  ASSERT_FALSE(ledger.ok());
  EXPECT_THAT(ledger.status().text(), HasSubstr(path.string()));
}

TEST(Session, ARefusedValueIsNotRetriedUntilItChanges) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.device().fail("a", Status(Code::refused, "locked"));
  plant.put(desiring(device_of("d", {"a"}, 100), 0, "5"));
  plant.loop.advance(10s);
  EXPECT_EQ(plant.device().count("write"), 1u);
  const dmi::DeviceReport report = plant.session().take_report();
  EXPECT_EQ(report.twins.at(0).observed->value, "");
  EXPECT_EQ(report.twins.at(0).observed->metadata.at("status"), "refused");
  EXPECT_EQ(report.twins.at(0).observed->metadata.at("reason"), "default/d: locked");
  plant.device().fail("a", Status());
  plant.put(desiring(device_of("d", {"a"}, 100), 0, "6"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.device().count("write"), 2u);
  EXPECT_EQ(plant.session().twin().observed(0), Value(6.0));
}

TEST(Session, AWriteThatMayPassIsRetriedOncePerCycle) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.device().fail("a", Status(Code::unavailable, "busy"));
  plant.put(desiring(device_of("d", {"a"}), 0, "5"));
  plant.loop.advance(4500ms);
  EXPECT_EQ(plant.device().count("write"), 5u);
  plant.device().fail("a", Status());
  plant.loop.advance(2s);
  EXPECT_EQ(plant.session().twin().observed(0), Value(5.0));
  EXPECT_EQ(plant.device().count("write"), 6u);
}

TEST(Session, ADesiredValueOutsideTheModelNeverReachesTheDriver) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.put(desiring(desiring(device_of("d", {"a", "b"}), 0, "1001"), 1, "warm"));
  plant.loop.advance(3s);
  EXPECT_EQ(plant.device().count("write"), 0u);
  EXPECT_EQ(plant.session().twin().refusal(0),
            Status(Code::out_of_range, "default/d: a: 1001 is above the maximum 1000 (0..1000)"));
  EXPECT_EQ(plant.session().twin().refusal(1).code(), Code::invalid);
}

TEST(Session, AnEqualUpdateDoesNothingAndADesiredOneDoesNotReopen) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(0.0));
  plant.put(desiring(device_of("d", {"a"}, 60'000), 0, "5"));
  plant.loop.advance(10ms);
  const std::vector<std::string> before = plant.device().log();
  plant.put(desiring(device_of("d", {"a"}, 60'000), 0, "5"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.device().log(), before);
  plant.put(desiring(device_of("d", {"a"}, 60'000), 0, "6"));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.device().count("write"), 2u);
  EXPECT_EQ(plant.device().count("open"), 1u);
}

TEST(Session, AChangedPointReopens) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(10ms);
  plant.put(device_of("d", {"a", "b"}));
  plant.loop.advance(10ms);
  EXPECT_THAT(plant.device().log(),
              ElementsAre("open", "settled", "read a", "close", "open", "settled", "read a b"));
}

TEST(Session, AWrongSpecificationIsUnhealthyAtEveryPropertyUntilItChanges) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.spec_error = Status(Code::invalid, "default/d.properties.a.offset: 70000 is above 65535");
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(5min);
  EXPECT_EQ(plant.session().state(), "unhealthy");
  EXPECT_EQ(plant.sample(0).status, plant.spec_error);
  plant.spec_error = Status();
  plant.device().set("a", Value(1.0));
  plant.put(device_of("d", {"a"}, 500));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().state(), "online");
  plant.put(device_of("d", {"a"}, 5));  // below 10 ms
  EXPECT_EQ(plant.session().state(), "unhealthy");
  EXPECT_EQ(plant.sample(0).status.code(), Code::out_of_range);
  plant.put(device_of("d", {"a"}, 500));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().state(), "online");
}

TEST(Session, ADeviceWaitsForItsModelAndSaysForWhich) {
  Plant plant;
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(1s);
  EXPECT_EQ(plant.session().state(), "unhealthy");
  EXPECT_EQ(plant.sample(0).status,
            Status(Code::not_found, "default/d: waits for model default/m"));
  plant.device().set("a", Value(1.0));
  plant.fleet.put(model_of({"a"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().state(), "online");
}

TEST(Session, PushedSamplesArriveAndALostDeviceIsReopened) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.put(device_of("d", {"a"}, 60'000));
  plant.loop.advance(10ms);
  plant.sinks["d"].publish(0, dmi::Sample(Value(1.0), plant.loop.wall()));
  plant.sinks["d"].publish(0, dmi::Sample(Value(2.0), plant.loop.wall()));
  plant.loop.settle();
  EXPECT_EQ(plant.sample(0).value, Value(2.0));
  const Sink old = plant.sinks["d"];
  old.lost(Status(Code::unavailable, "stream ended"));
  plant.loop.advance(2s);
  EXPECT_EQ(plant.device().count("open"), 2u);
  old.publish(0, dmi::Sample(Value(9.0), plant.loop.wall()));
  plant.loop.settle();
  EXPECT_EQ(plant.sample(0).value, std::nullopt);
}

TEST(Session, ADriverThatDoesNotAnswerIsNotTrustedAfterThirtySeconds) {
  Plant plant(40s);
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(1.0));
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(31s);
  EXPECT_EQ(plant.session().state(), "offline");
  EXPECT_EQ(plant.sample(0).status.code(), Code::timeout);
  plant.loop.advance(10s);
  EXPECT_EQ(plant.session().state(), "online");
}

TEST(Session, WhatDidNotArriveIsToldAgainWithTheNewestValue) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.device().set("a", Value(1.0));
  plant.device().set("b", Value(1.0));
  plant.put(device_of("d", {"a", "b"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().take_report().twins.size(), 2u);
  plant.device().set("b", Value(2.0));
  plant.loop.advance(1s);
  plant.session().untell_report();
  const dmi::DeviceReport again = plant.session().take_report();
  ASSERT_EQ(again.twins.size(), 2u);
  EXPECT_EQ(again.twins[1].reported->value, "2");
  EXPECT_FALSE(plant.session().take_report().twins.size() > 0);
}

TEST(Session, UnchangedValuesAreNotToldAgainBeforeTheRefresh) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.device().set("a", Value(1.0));
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().take_report().twins.size(), 1u);
  plant.loop.advance(59s);
  EXPECT_EQ(plant.session().take_report().twins.size(), 0u);
  plant.loop.advance(2s);
  EXPECT_EQ(plant.session().take_report().twins.size(), 1u);
}

TEST(Session, DevicesOfOneModelShareTheirPointsAndAnUpdateOfOneDoesNotTouchTheOther) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  plant.put(device_of("one", {"a", "b"}));
  plant.put(desiring(device_of("two", {"a", "b"}), 0, "5"));
  plant.put(device_of("other", {"a", "b"}, 500));
  EXPECT_EQ(plant.context.blueprints.size(), 2u);
  const Target& two = plant.session("two").target();
  EXPECT_EQ(plant.session("one").target().points.data(), two.points.data());
  EXPECT_NE(plant.session("other").target().points.data(), two.points.data());
  plant.loop.advance(10ms);
  plant.put(device_of("one", {"a"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session("one").target().points.size(), 1u);
  EXPECT_EQ(plant.session("two").target().points.size(), 2u);
  EXPECT_EQ(plant.device("two").count("open"), 1u);
  EXPECT_EQ(plant.session("two").twin().desired(0), Value(5.0));
}

TEST(Session, TextsNameTheDeviceThoughItsPathsAreShared) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  for (const std::string name : {"one", "two"}) {
    dmi::Device device = device_of(name, {"a"});
    device.properties[0].visitors = dmi::ProtocolConfig{"fake", {{"scale", 0}}};
    plant.put(device);
    EXPECT_EQ(
        plant.sample(0, name).status.text(),
        "default/" + name + ".properties.a.visitors.configData.scale: 0 would make every value 0");
  }
  dmi::Device device = device_of("three", {"a"});
  plant.device("three").fail(
      "a", Status(Code::invalid, "properties.a.visitors.configData.offset: missing"));
  plant.put(device);
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.sample(0, "three").status.text(),
            "default/three.properties.a.visitors.configData.offset: missing");
}

TEST(Session, TellsTheDeviceItWasGiven) {
  Plant plant;
  plant.fleet.put(model_of({"a", "b"}));
  dmi::Device device = desiring(device_of("d", {"a", "b"}), 1, "5");
  device.properties[0].visitors = dmi::ProtocolConfig{"fake", {{"offset", 7}}};
  device.protocol.config = {{"port", 5}};
  device.generation = 3;
  plant.put(device);
  EXPECT_EQ(plant.session().device(), device);
  const dmi::DeviceModel model = model_of({"a", "b"});
  EXPECT_TRUE(plant.session().is(device, &model));
  EXPECT_FALSE(plant.session().is(device, nullptr));
  EXPECT_FALSE(plant.session().is(desiring(device, 1, "6"), &model));
  EXPECT_FALSE(plant.session().is(desiring(device, 0, "6"), &model));
  device.properties[0].visitors->config["offset"] = 8;
  EXPECT_FALSE(plant.session().is(device, &model));
}

TEST(Session, FirstReadsOfTenThousandDevicesAreSpreadEvenlyOverTheCycle) {
  Plant plant;
  plant.context.spread = true;
  plant.fleet.put(model_of({"a"}));
  for (int i = 0; i < 10'000; ++i) plant.put(device_of(base::cat("line2-meter-", i), {"a"}));
  std::vector<std::size_t> slots;
  std::size_t before = 0;
  for (int i = 0; i < 20; ++i) {
    plant.loop.advance(50ms);
    std::size_t opened = 0;
    for (const auto& [name, device] : plant.devices) opened += device.count("open");
    slots.push_back(opened - std::exchange(before, opened));
  }
  // 500 each; 5 standard deviations are 109.
  EXPECT_THAT(slots, Each(AllOf(Gt(391u), Lt(609u))));
}

TEST(Session, DevicesThatComeBackInOneMomentAreNotReadInOneMomentFromThenOn) {
  Plant plant;
  plant.context.spread = true;
  plant.fleet.put(model_of({"a"}));
  const auto put_all = [&](std::int64_t cycle_ms) {
    for (int i = 0; i < 1000; ++i) plant.put(device_of(base::cat("meter-", i), {"a"}, cycle_ms));
  };
  put_all(500);
  plant.loop.advance(2s);
  put_all(1000);  // all are closed and opened anew
  plant.loop.advance(2s);
  const auto reads = [&] {
    std::size_t count = 0;
    for (const auto& [name, device] : plant.devices) count += device.count("read");
    return count;
  };
  std::size_t before = reads();
  for (int i = 0; i < 10; ++i) {
    plant.loop.advance(100ms);
    const std::size_t now = reads();
    EXPECT_NEAR(static_cast<double>(now - std::exchange(before, now)), 100, 50) << i;
  }
  EXPECT_EQ(plant.context.cadence.late(), 0u);
  EXPECT_EQ(plant.context.cadence.skips(), 0u);
}

// A clock that began a moment ago is shorter than a cycle, and than most places in it.
TEST(Session, SecondReadsComeWithinACycleAndAHalfJustAfterTheMachinesStart) {
  Plant plant;
  plant.context.spread = true;
  plant.fleet.put(model_of({"a"}));
  for (int i = 0; i < 200; ++i) {
    plant.put(device_of(base::cat("meter-", i), {"a"}, 100'000));
  }
  plant.loop.advance(1s);  // by which all have been read once
  plant.loop.advance(48s);
  for (const auto& [name, device] : plant.devices) EXPECT_EQ(device.count("read"), 1u) << name;
  plant.loop.advance(103s);
  for (const auto& [name, device] : plant.devices) EXPECT_GE(device.count("read"), 2u) << name;
}

TEST(Session, ALongReasonIsCutBetweenCharacters) {
  for (const char* shift : {"", "x"}) {
    Plant plant;
    std::string essay = shift;
    for (int i = 0; i < 300; ++i) essay += "ä";
    plant.device().fail("a", Status(Code::malformed, essay));
    plant.fleet.put(model_of({"a"}));
    plant.put(device_of("d", {"a"}));
    plant.loop.advance(10ms);
    const dmi::DeviceReport report = plant.session().full_report();
    const std::string reason = report.twins.at(0).reported->metadata.at("reason");
    EXPECT_TRUE(base::is_utf8(reason)) << reason;
    EXPECT_GT(reason.size(), 508u);
    EXPECT_LE(reason.size(), 512u);
  }
}

TEST(Session, SkippedCyclesAreSummedUpForAllDevices) {
  Plant plant(250ms);
  plant.fleet.put(model_of({"a"}));
  plant.put(device_of("slow", {"a"}, 100));
  plant.put(device_of("well", {"a"}, 1000));
  plant.loop.advance(899ms);
  EXPECT_EQ(plant.context.cadence.skips(), 6u);
  EXPECT_EQ(plant.context.cadence.summary(), "6 cycles skipped in the last minute: default/slow 6");
  EXPECT_EQ(plant.context.cadence.summary(), "");
}

TEST(Session, AReadThatBeginsLaterThanATenthOfItsCycleIsCounted) {
  base::ManualLoop loop;
  Cadence cadence(loop);
  cadence.started(1s, loop.now(), loop.now() + 100ms);
  cadence.started(1s, loop.now(), loop.now() + 101ms);
  EXPECT_EQ(cadence.reads(), 2u);
  EXPECT_EQ(cadence.late(), 1u);
}

TEST(Fleet, AnEqualModelLeavesItsDevicesAlone) {
  Plant plant;
  plant.fleet.put(model_of({"a"}));
  plant.put(device_of("d", {"a"}));
  plant.loop.advance(10ms);
  const Point* const before = plant.session().target().points.data();
  plant.fleet.put(model_of({"a"}));
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.session().target().points.data(), before);
  EXPECT_EQ(plant.device().count("open"), 1u);
}

TEST(Fleet, BecomingTheWholeTruthRemovesGhostsAndLeavesEqualOnesAlone) {
  Plant plant;
  plant.fleet.become({model_of({"a"})}, {device_of("kept", {"a"}), device_of("ghost", {"a"})});
  plant.loop.advance(10ms);
  plant.fleet.become({model_of({"a"})}, {device_of("kept", {"a"}), device_of("new", {"a"})});
  plant.loop.advance(10ms);
  EXPECT_EQ(plant.fleet.find({"default", "ghost"}), nullptr);
  EXPECT_EQ(plant.device("ghost").count("close"), 1u);
  EXPECT_EQ(plant.device("kept").count("open"), 1u);
  EXPECT_EQ(plant.device("new").count("open"), 1u);
}

}  // namespace
}  // namespace mapper

// The uplink against a stand-in for a stock EdgeCore: DMI without batches, few calls granted, and
// no mercy for texts and messages it does not expect. Time is the manual loop's, gRPC's is real.
#include <dmi.grpc.pb.h>
#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>

#include "base/text.hpp"
#include "budget.hpp"
#include "dmi/encoding.hpp"
#include "mapper/fixture.hpp"
#include "mapper/testing.hpp"
#include "support/process.hpp"
#include "uplink.hpp"

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using test_support::TempFolder;
using test_support::wait_until;
using testing::device_of;
using ::testing::ElementsAre;
using testing::FakeDevice;
using ::testing::HasSubstr;
using testing::model_of;
using namespace std::chrono_literals;

// What was told, in order: a state, or the value of a twin.
struct Tale {
  std::string device;
  std::string property;  // "": a state
  std::string text;
};

// gRPC's threads and the test's.
class StockEdgeCore final : public v1beta1::DeviceManagerService::Service {
 public:
  grpc::Status MapperRegister(grpc::ServerContext*, const v1beta1::MapperRegisterRequest*,
                              v1beta1::MapperRegisterResponse* response) override {
    const std::lock_guard lock(mutex_);
    ++calls_;
    for (int i = 0; i < held_; ++i) {
      v1beta1::Device& device = *response->add_devicelist();
      device.set_name(base::cat("d", i));
      device.set_namespace_("default");
    }
    return grpc::Status::OK;
  }
  grpc::Status ReportDeviceStatus(grpc::ServerContext*,
                                  const v1beta1::ReportDeviceStatusRequest* request,
                                  v1beta1::ReportDeviceStatusResponse*) override {
    const std::lock_guard lock(mutex_);
    if (!granted()) return too_many(request->devicename());
    EXPECT_GT(request->reporteddevice().twins_size(), 0);  // else a call for nothing
    for (const v1beta1::Twin& twin : request->reporteddevice().twins()) {
      EXPECT_TRUE(twin.has_reported()) << "EdgeCore dies of " << twin.propertyname();
      EXPECT_TRUE(twin.has_observeddesired()) << "EdgeCore dies of " << twin.propertyname();
      EXPECT_TRUE(dmi::is_stock_name(twin.propertyname())) << twin.propertyname();
      EXPECT_TRUE(dmi::is_stock_text(twin.reported().value())) << twin.reported().value();
      EXPECT_TRUE(dmi::is_stock_text(twin.observeddesired().value()));
      tales_.push_back({request->devicename(), twin.propertyname(), twin.reported().value()});
      twins_[request->devicename() + "." + twin.propertyname()] = twin;
    }
    return grpc::Status::OK;
  }
  grpc::Status ReportDeviceStates(grpc::ServerContext*,
                                  const v1beta1::ReportDeviceStatesRequest* request,
                                  v1beta1::ReportDeviceStatesResponse*) override {
    const std::lock_guard lock(mutex_);
    if (old_) {
      ++calls_;
      return {grpc::StatusCode::UNIMPLEMENTED, "unknown method ReportDeviceStates"};
    }
    if (!granted()) return too_many(request->devicename());
    tales_.push_back({request->devicename(), "", request->state()});
    return grpc::Status::OK;
  }

  // Calls that are granted from now on; those that were told before are forgotten.
  void grant(int tokens) {
    const std::lock_guard lock(mutex_);
    tokens_ = tokens;
    tales_.clear();
  }
  // From now on as KubeEdge 1.15 to 1.17, which have no call for states.
  void become_old() {
    const std::lock_guard lock(mutex_);
    old_ = true;
  }
  // Devices d0 … that a registration answers.
  void hold(int devices) {
    const std::lock_guard lock(mutex_);
    held_ = devices;
  }
  std::vector<Tale> tales() {
    const std::lock_guard lock(mutex_);
    return tales_;
  }
  std::vector<std::string> values(const std::string& property) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> values;
    for (const Tale& tale : tales_) {
      if (tale.property == property) values.push_back(tale.text);
    }
    return values;
  }
  std::set<std::string> devices(bool states) {
    const std::lock_guard lock(mutex_);
    std::set<std::string> devices;
    for (const Tale& tale : tales_) {
      if (tale.property.empty() == states) devices.insert(tale.device);
    }
    return devices;
  }
  v1beta1::Twin twin(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return twins_[name];
  }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  int refused() {
    const std::lock_guard lock(mutex_);
    return refused_;
  }

 private:
  bool granted() {
    ++calls_;
    if (tokens_ == 0) {
      ++refused_;
      return false;
    }
    --tokens_;
    return true;
  }
  static grpc::Status too_many(const std::string& device) {
    return {grpc::StatusCode::UNKNOWN,
            "fail to report device because of too many request: " + device};
  }

  std::mutex mutex_;  // guards all below
  int tokens_ = 1'000'000;
  int calls_ = 0;  // of any kind, refused ones among them
  int refused_ = 0;
  int held_ = 0;
  bool old_ = false;
  std::vector<Tale> tales_;
  std::map<std::string, v1beta1::Twin> twins_;
};

class StockTest : public ::testing::Test {
 protected:
  ~StockTest() override {
    uplink.reset();
    loop.settle();
    server->Shutdown();
  }
  void SetUp() override {
    const std::string path = (folder / "dmi.sock").string();
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
    builder.RegisterService(&edge);
    server = builder.BuildAndStart();
    ASSERT_NE(server, nullptr);
    ASSERT_NO_FATAL_FAILURE(restart());
    ASSERT_TRUE(until([&] { return uplink->registered(); }));
  }
  // A new uplink; it registers while the loop runs.
  void restart() {
    uplink.reset();
    loop.settle();
    const Opener open = opener_of(loop, [this](const Target& target, Sink) {
      return testing::open_fake_async(devices[target.id.name], loop);
    });
    auto made =
        Uplink::start(loop, open,
                      {{"fake-mapper", "v1", "v1", "fake", (folder / "m.sock").string(), "ok"},
                       (folder / "dmi.sock").string()});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    uplink = std::move(*made);
  }
  // Devices d0 … with one point a.
  void put_devices(int count, std::int64_t cycle_ms = 10'000) {
    uplink->fleet().put(model_of({"a"}));
    for (int i = 0; i < count; ++i) {
      devices[name(i)].set("a", Value(0.5));
      ASSERT_TRUE(uplink->fleet().put(device_of(name(i), {"a"}, cycle_ms)).ok());
    }
  }
  static std::string name(int i) { return base::cat("d", i); }
  // Lets the loop run, faster than the world, until the condition holds.
  bool until(const std::function<bool()>& condition, base::Duration step = 100ms) {
    return wait_until([&] {
      loop.advance(step);
      return condition();
    });
  }
  bool until_online(std::size_t count) {
    return until([&] { return edge.devices(true).size() == count; });
  }
  // Lets the loop run for so long, with nothing granted.
  void refuse_for(base::Duration time) {
    edge.grant(0);
    const base::SteadyTime end = loop.now() + time;
    ASSERT_TRUE(until([&] { return loop.now() >= end && edge.refused() > 0; }));
  }

  TempFolder folder;
  StockEdgeCore edge;
  std::map<std::string, FakeDevice> devices;
  base::ManualLoop loop;
  const base::SteadyTime begin = loop.now();
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Uplink> uplink;
};

TEST_F(StockTest, FewTokensTellAsManyDevicesInTurnWithTheirNewestValues) {
  put_devices(50);
  ASSERT_TRUE(until_online(50));
  for (int i = 0; i < 50; ++i) devices[name(i)].set("a", Value(1.5));
  ASSERT_NO_FATAL_FAILURE(refuse_for(12s));  // all are read
  for (int i = 0; i < 50; ++i) devices[name(i)].set("a", Value(2.5));
  ASSERT_NO_FATAL_FAILURE(refuse_for(12s));
  edge.grant(10);
  ASSERT_TRUE(until([&] { return edge.tales().size() == 10; }));
  const std::set<std::string> first = edge.devices(false);
  EXPECT_EQ(first.size(), 10u);
  EXPECT_THAT(edge.values("a"), ::testing::Each("2.5"));
  edge.grant(10);
  ASSERT_TRUE(until([&] { return edge.tales().size() == 10; }));
  for (const std::string& device : edge.devices(false)) EXPECT_FALSE(first.contains(device));
  EXPECT_EQ(edge.devices(false).size(), 10u);
}

TEST_F(StockTest, NoCallIsMadeBeyondTheBudget) {
  put_devices(40);
  ASSERT_TRUE(until([&] {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(loop.now() - begin).count();
    EXPECT_LE(edge.calls(), Budget::burst + seconds);
    return edge.devices(false).size() == 40 || HasFailure();
  }));
  EXPECT_EQ(edge.refused(), 0);
}

TEST_F(StockTest, AStateGoesBeforeValuesWhenTokensAreShort) {
  put_devices(30);
  ASSERT_TRUE(until_online(30));
  devices["d7"].reach(Status(Code::unavailable, "no route"));
  for (int i = 0; i < 30; ++i) devices[name(i)].set("a", Value(1.5));
  ASSERT_NO_FATAL_FAILURE(refuse_for(15s));
  ASSERT_EQ(uplink->fleet().find({"default", "d7"})->state(), "offline");
  edge.grant(1);
  ASSERT_TRUE(until([&] { return !edge.tales().empty(); }));
  EXPECT_EQ(edge.tales()[0].device, "d7");
  EXPECT_EQ(edge.tales()[0].text, "offline");
}

TEST_F(StockTest, TheLogTellsHowRarelyManyDevicesAreTold) {
  // Registered anew with what the edge core holds: more than can be told often.
  edge.hold(21);
  ::testing::internal::CaptureStderr();
  restart();
  const bool registered = until([&] { return uplink->registered(); });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_TRUE(registered);
  EXPECT_THAT(log, HasSubstr("stock EdgeCore grants one report per second: each of 21 devices is "
                             "told every 21 s at best"));
}

TEST_F(StockTest, StatesDoNotSilenceValues) {
  put_devices(50);
  ASSERT_TRUE(until([&] { return edge.devices(false).size() >= 4; }));
  EXPECT_LT(edge.devices(true).size(), 25u);
}

TEST_F(StockTest, AnEdgeCoreWithoutStatesIsNotAskedForLong) {
  edge.become_old();
  put_devices(30);
  ASSERT_TRUE(until([&] { return edge.devices(false).size() == 30; }));
  for (int i = 0; i < 30; ++i) devices[name(i)].reach(Status(Code::unavailable, "no route"));
  ASSERT_TRUE(until([&] {
    return uplink->fleet().find({"default", "d29"})->state() == "offline" &&
           edge.values("a").size() >= 80;
  }));
  const auto states = edge.calls() - 1 - static_cast<int>(edge.tales().size());
  EXPECT_GE(states, 1);
  EXPECT_LE(states, static_cast<int>(Teller::max_calls));  // on their way together
}

TEST_F(StockTest, TheFirstValueOfAPropertyIsToldTwiceAndOthersOnce) {
  // Read so rarely that nothing is told only because it was not told for long.
  put_devices(1, 86'400'000);
  ASSERT_TRUE(until([&] { return edge.values("a").size() == 2; }));
  devices["d0"].set("a", Value(1.5));
  for (int hour = 0; hour < 48 && devices["d0"].count("read") < 2; ++hour) loop.advance(1h);
  ASSERT_TRUE(until([&] { return edge.values("a").size() == 3; }));
  put_devices(2, 86'400'000);  // told after what would be told again of the first
  ASSERT_TRUE(until([&] { return edge.devices(false).size() == 2; }));
  std::vector<std::string> values;
  for (const Tale& tale : edge.tales()) {
    if (tale.device == "d0" && !tale.property.empty()) values.push_back(tale.text);
  }
  EXPECT_THAT(values, ElementsAre("0.5", "0.5", "1.5"));
}

TEST_F(StockTest, ADeviceThatIsMadeAnewIsToldTwiceAgain) {
  // The cloud forgot the device's status with the device.
  put_devices(1, 86'400'000);
  ASSERT_TRUE(until([&] { return edge.values("a").size() == 2; }));
  ASSERT_TRUE(uplink->fleet().remove({"default", "d0"}).ok());
  put_devices(1, 86'400'000);
  EXPECT_TRUE(until([&] { return edge.values("a").size() == 4; }));
}

TEST_F(StockTest, ForbiddenCharactersArriveEncodedAndLongTextsCut) {
  dmi::DeviceModel model;
  model.id = {"default", "m"};
  for (const char* property : {"text", "long"}) {
    model.properties.push_back({property, "", "STRING", "ReadOnly", "", "", "", {}});
  }
  uplink->fleet().put(model);
  devices["d"].set("text", Value(std::string("21 °C")));
  devices["d"].set("long", Value(std::string(600, 'x')));
  ASSERT_TRUE(uplink->fleet().put(device_of("d", {"text", "long"}, 10'000)).ok());
  ASSERT_TRUE(until([&] { return !edge.values("long").empty(); }));
  EXPECT_EQ(edge.twin("d.text").reported().value(), "#:21#20#c2#b0C");
  EXPECT_EQ(edge.twin("d.text").reported().metadata().count("truncated"), 0u);
  EXPECT_THAT(edge.twin("d.long").reported().value(), ::testing::EndsWith("x#.."));
  EXPECT_EQ(edge.twin("d.long").reported().metadata().at("truncated"), "true");
}

TEST_F(StockTest, APropertyThatEdgeCoreCannotNameIsLeftOut) {
  const std::string longest(128, 'n');
  uplink->fleet().put(model_of({longest, longest + "n"}));
  devices["d"].set(longest, Value(1.5));
  devices["d"].set(longest + "n", Value(2.5));
  ASSERT_TRUE(uplink->fleet().put(device_of("d", {longest, longest + "n"}, 10'000)).ok());
  ASSERT_TRUE(until([&] { return edge.values(longest).size() == 2; }));
  for (const Tale& tale : edge.tales()) EXPECT_NE(tale.text, "2.5");
}

}  // namespace
}  // namespace mapper

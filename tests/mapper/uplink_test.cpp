// The uplink against a real DMI server on a unix socket; time is the manual loop's, gRPC's is real.
#include "uplink.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "base/text.hpp"
#include "mapper/fixture.hpp"
#include "mapper/testing.hpp"
#include "support/process.hpp"

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using test_support::TempFolder;
using test_support::wait_until;
using testing::desiring;
using testing::device_of;
using testing::FakeDevice;
using ::testing::HasSubstr;
using testing::model_of;
using namespace std::chrono_literals;

// An edge core that keeps what it was told. gRPC's threads and the test's.
class EdgeCore final : public dmi::wire::ManagerHandler {
 public:
  void mapper_register(const dmi::wire::Caller&, dmi::MapperInfo mapper, bool with_data,
                       std::function<void(base::Result<dmi::wire::Registration>)> done) override {
    dmi::wire::Registration answer;
    {
      const std::lock_guard lock(mutex);
      if (late) registered = done;
      info = std::move(mapper);
      asked_for_data = with_data;
      ++registrations;
      answer = registration;
      if (late) return;
    }
    done(answer);
  }
  void report_batch(const dmi::wire::Caller& caller, const std::string& mapper,
                    std::vector<dmi::wire::BatchItem> items, dmi::wire::BatchDone done) override {
    {
      const std::lock_guard lock(mutex);
      if (silent) return held.push_back(std::move(done));
    }
    std::vector<Status> verdicts;
    for (const dmi::wire::BatchItem& item : items) {
      Status verdict;
      const auto keep = [&](Status status) {
        if (verdict.ok()) verdict = std::move(status);
      };
      if (!item.report.twins.empty()) report_status(caller, item.report, keep);
      if (!item.state.empty()) report_state(caller, item.report.device, item.state, keep);
      verdicts.push_back(verdict);
    }
    done(std::move(verdicts));
    const std::lock_guard lock(mutex);
    ++batches;
    streaming = mapper;
  }
  void batches_ended(const std::string&) override {}
  void report_status(const dmi::wire::Caller&, dmi::DeviceReport report,
                     dmi::wire::Done done) override {
    Status answer;
    {
      const std::lock_guard lock(mutex);
      ++calls;
      const auto only = refuse_device.find(report.device.name);
      if (!refuse.ok() || only != refuse_device.end()) {
        ++refused;
        answer = refuse.ok() ? only->second : refuse;
      } else {
        for (const dmi::TwinReport& twin : report.twins) {
          twins[report.device.name + "." + twin.property] = twin;
          values.push_back(twin.reported ? twin.reported->value : "");
        }
      }
    }
    done(answer);
  }
  void report_state(const dmi::wire::Caller&, dmi::ObjectId device, std::string state,
                    dmi::wire::Done done) override {
    {
      const std::lock_guard lock(mutex);
      ++calls;
      states[device.name] = std::move(state);
    }
    done(Status());
  }
  std::string value(const std::string& twin) {
    const std::lock_guard lock(mutex);
    const auto found = twins.find(twin);
    return found == twins.end() || !found->second.reported ? "" : found->second.reported->value;
  }
  std::string observed(const std::string& twin) {
    const std::lock_guard lock(mutex);
    const auto found = twins.find(twin);
    return found == twins.end() || !found->second.observed ? "" : found->second.observed->value;
  }
  std::string state(const std::string& device) {
    const std::lock_guard lock(mutex);
    return states[device];
  }
  int count(int EdgeCore::*member) {
    const std::lock_guard lock(mutex);
    return this->*member;
  }
  void set_refusal(Status status) {
    const std::lock_guard lock(mutex);
    refuse = std::move(status);
  }

  std::mutex mutex;
  dmi::MapperInfo info;
  bool asked_for_data = false;
  dmi::wire::Registration registration;
  int registrations = 0;
  bool late = false;  // the answer to a registration is given by the test
  std::function<void(base::Result<dmi::wire::Registration>)> registered;
  int calls = 0;
  int batches = 0;
  std::string streaming;  // the mapper of the last batch
  int refused = 0;
  Status refuse;
  std::map<std::string, Status> refuse_device;  // by its name
  bool silent = false;                          // to batches, for ever
  std::vector<dmi::wire::BatchDone> held;
  std::map<std::string, dmi::TwinReport> twins;
  std::map<std::string, std::string> states;
  std::vector<std::string> values;
};

class UplinkTest : public ::testing::Test {
 protected:
  ~UplinkTest() override {
    uplink.reset();
    loop.settle();
  }
  void serve() {
    auto made = dmi::wire::serve_manager(edge_socket(), edge);
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    server = std::move(*made);
  }
  void start() {
    const Opener open = opener_of(loop, [this](const Target& target, Sink) {
      return testing::open_fake_async(devices[target.id.name], loop);
    });
    auto made = Uplink::start(
        loop, open, {{"fake-mapper", "v1", "v1", "fake", mapper_socket(), "ok"}, edge_socket()});
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    uplink = std::move(*made);
  }
  // Lets the loop run, at about the pace of the world, until the condition holds.
  bool until(const std::function<bool()>& condition) {
    return wait_until([&] {
      loop.advance(5ms);
      return condition();
    });
  }
  // A call of the edge core to the mapper, answered.
  template <class Call>
  Status call(Call begin) {
    std::mutex mutex;
    std::optional<Status> answer;
    const auto client = dmi::wire::connect_mapper(mapper_socket());
    begin(*client, [&](Status status) {
      const std::lock_guard lock(mutex);
      answer = std::move(status);
    });
    EXPECT_TRUE(until([&] {
      const std::lock_guard lock(mutex);
      return answer.has_value();
    }));
    return answer.value_or(Status(Code::internal, "none"));
  }
  std::string edge_socket() { return (folder / "dmi.sock").string(); }
  std::string mapper_socket() { return (folder / "m.sock").string(); }

  TempFolder folder;
  EdgeCore edge;
  std::map<std::string, FakeDevice> devices;
  base::ManualLoop loop;
  std::unique_ptr<dmi::wire::Server> server;
  std::unique_ptr<Uplink> uplink;
};

TEST_F(UplinkTest, RegistersWithDataAndTellsValuesAndState) {
  edge.registration = {{model_of({"a", "b"})}, {desiring(device_of("d", {"a", "b"}), 0, "5")}};
  devices["d"].set("a", Value(0.0));
  devices["d"].set("b", Value(1.5));
  serve();
  start();
  // The desired value is written ahead of polling, so b may follow in a call of its own.
  ASSERT_TRUE(until([&] {
    return edge.value("d.a") == "5" && edge.value("d.b") == "1.5" && edge.state("d") == "online";
  }));
  EXPECT_EQ(edge.info.protocol, "fake");
  EXPECT_EQ(edge.info.address, mapper_socket());
  EXPECT_TRUE(edge.asked_for_data);
  ASSERT_TRUE(until([&] { return edge.observed("d.a") == "5"; }));
  const std::lock_guard lock(edge.mutex);
  const auto metadata = edge.twins["d.b"].reported->metadata;
  EXPECT_EQ(metadata.at("type"), "float");
  EXPECT_FALSE(metadata.at("timestamp").empty());
  EXPECT_FALSE(metadata.contains("status"));
}

TEST_F(UplinkTest, NewsOfManyDevicesTravelTogether) {
  edge.registration.models = {model_of({"a"})};
  const auto name = [](int i) { return base::cat("d", i); };
  for (int i = 0; i < 100; ++i) {
    edge.registration.devices.push_back(device_of(name(i), {"a"}, 100));
    devices[name(i)].set("a", Value(i + 0.5));
  }
  const auto all_told = [&](const std::string& fraction) {
    for (int i = 0; i < 100; ++i) {
      if (edge.value(name(i) + ".a") != base::cat(i, fraction)) return false;
    }
    return true;
  };
  serve();
  start();
  ASSERT_TRUE(until([&] { return all_told(".5"); }));
  edge.set_refusal(Status(Code::unavailable, "too many requests"));
  for (int i = 0; i < 100; ++i) devices[name(i)].set("a", Value(i + 0.25));
  ASSERT_TRUE(until([&] { return edge.count(&EdgeCore::refused) > 0; }));
  loop.advance(900ms);  // all are read again, while nothing may be told
  edge.set_refusal(Status());
  const int batches = edge.count(&EdgeCore::batches);
  const int calls = edge.count(&EdgeCore::calls);
  ASSERT_TRUE(until([&] { return all_told(".25"); }));
  EXPECT_GE(edge.count(&EdgeCore::calls) - calls, 90);
  EXPECT_LT(edge.count(&EdgeCore::batches) - batches, 20);
  const std::lock_guard lock(edge.mutex);
  EXPECT_EQ(edge.streaming, "fake-mapper");
}

TEST_F(UplinkTest, SaysThatItLivesWhileThereIsNothingToTell) {
  serve();
  start();
  EXPECT_TRUE(until([&] { return edge.count(&EdgeCore::batches) >= 3; }));
  EXPECT_EQ(edge.count(&EdgeCore::calls), 0);
}

TEST_F(UplinkTest, WaitsForAnEdgeCoreThatIsNotThere) {
  edge.registration = {{model_of({"a"})}, {device_of("d", {"a"})}};
  devices["d"].set("a", Value(1.0));
  start();
  for (int i = 0; i < 10; ++i) loop.advance(1ms);
  EXPECT_FALSE(uplink->registered());
  serve();
  EXPECT_TRUE(until([&] { return edge.value("d.a") == "1"; }));
}

TEST_F(UplinkTest, ARestartedEdgeCoreIsToldEverythingAgainAndNothingIsLost) {
  edge.registration = {{model_of({"a", "b"})}, {device_of("d", {"a", "b"})}};
  devices["d"].set("a", Value(1.0));
  devices["d"].set("b", Value(2.0));
  serve();
  start();
  ASSERT_TRUE(until([&] { return edge.value("d.b") == "2" && edge.state("d") == "online"; }));
  server.reset();
  {
    const std::lock_guard lock(edge.mutex);
    edge.twins.clear();
    edge.states.clear();
  }
  devices["d"].set("a", Value(3.0));  // changes while nobody listens
  loop.advance(2s);
  serve();
  EXPECT_TRUE(until([&] {
    return edge.value("d.a") == "3" && edge.value("d.b") == "2" && edge.state("d") == "online";
  }));
  EXPECT_GE(edge.count(&EdgeCore::registrations), 2);
  EXPECT_EQ(devices["d"].count("open"), 1u);  // the device did not notice
}

TEST_F(UplinkTest, GhostsAreRemovedAtTheNextRegistration) {
  edge.registration = {{model_of({"a"})}, {device_of("kept", {"a"}), device_of("ghost", {"a"})}};
  serve();
  start();
  ASSERT_TRUE(until([&] { return uplink->fleet().find({"default", "ghost"}) != nullptr; }));
  server.reset();
  {
    const std::lock_guard lock(edge.mutex);
    edge.registration.devices.pop_back();
  }
  serve();
  EXPECT_TRUE(until([&] { return uplink->fleet().find({"default", "ghost"}) == nullptr; }));
  EXPECT_NE(uplink->fleet().find({"default", "kept"}), nullptr);
}

TEST_F(UplinkTest, ADeviceBeforeItsModelWaitsAndTheModelResolvesIt) {
  devices["d"].set("a", Value(1.0));
  serve();
  start();
  ASSERT_TRUE(until([&] { return uplink->registered(); }));
  EXPECT_TRUE(call([](auto& client, auto done) {
                client.register_device(device_of("d", {"a"}), done);
              }).ok());
  ASSERT_TRUE(until([&] { return edge.state("d") == "unhealthy" && edge.twins.contains("d.a"); }));
  EXPECT_EQ(edge.twins["d.a"].reported->metadata.at("status"), "not_found");
  EXPECT_EQ(edge.twins["d.a"].reported->metadata.at("reason"),
            "default/d: waits for model default/m");
  EXPECT_TRUE(
      call([](auto& client, auto done) { client.create_model(model_of({"a"}), done); }).ok());
  EXPECT_TRUE(until([&] { return edge.value("d.a") == "1" && edge.state("d") == "online"; }));
}

TEST_F(UplinkTest, CallsOfTheEdgeCoreAreIdempotentAndUpdateUpserts) {
  devices["d"].set("a", Value(1.0));
  serve();
  start();
  ASSERT_TRUE(until([&] { return uplink->registered(); }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(
        call([](auto& client, auto done) { client.create_model(model_of({"a"}), done); }).ok());
    EXPECT_TRUE(call([](auto& client, auto done) {
                  client.update_device(desiring(device_of("d", {"a"}), 0, "7"), done);
                }).ok());
  }
  ASSERT_TRUE(until([&] { return edge.observed("d.a") == "7"; }));
  EXPECT_EQ(devices["d"].count("open"), 1u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(call([](auto& client, auto done) {
                  client.remove_device({"default", "d"}, done);
                }).ok());
  }
  EXPECT_EQ(uplink->fleet().find({"default", "d"}), nullptr);
}

TEST_F(UplinkTest, TooManyRequestsPausesAndTheNewestValueIsToldLater) {
  edge.registration = {{model_of({"a"})}, {device_of("d", {"a"}, 100)}};
  edge.set_refusal(Status(Code::unavailable, "fail to report because of too many request: d"));
  devices["d"].set("a", Value(1.0));
  serve();
  start();
  ASSERT_TRUE(until([&] { return edge.count(&EdgeCore::refused) >= 1; }));
  devices["d"].set("a", Value(2.0));
  const base::SteadyTime begin = loop.now();
  ASSERT_TRUE(until([&] { return edge.count(&EdgeCore::refused) >= 3; }));
  EXPECT_GE(loop.now() - begin, 1500ms);  // a second of pause before each
  EXPECT_EQ(edge.count(&EdgeCore::registrations), 1);
  edge.set_refusal(Status());
  EXPECT_TRUE(until([&] { return edge.value("d.a") == "2"; }));
  const std::lock_guard lock(edge.mutex);
  EXPECT_EQ(edge.values, std::vector<std::string>{"2"});
}

// Devices whose reports fail for ever wait by themselves, and nothing is registered anew for them.
TEST_F(UplinkTest, DevicesWhoseReportsFailForEverStarveNobody) {
  edge.registration.models = {model_of({"a"})};
  const auto name = [](int i) { return base::cat("d", i); };
  for (int i = 0; i < 12; ++i) {
    edge.registration.devices.push_back(device_of(name(i), {"a"}, 100));
    devices[name(i)].set("a", Value(1.5));
    if (i % 3 == 0) {
      edge.refuse_device[name(i)] =
          Status(i % 2 == 0 ? Code::unavailable : Code::timeout, "the disk is full");
    }
  }
  const auto all_told = [&](const char* value) {
    for (int i = 0; i < 12; ++i) {
      if (i % 3 != 0 && edge.value(name(i) + ".a") != value) return false;
    }
    return true;
  };
  serve();
  start();
  ASSERT_TRUE(until([&] { return all_told("1.5"); }));
  for (const char* value : {"2.5", "3.5", "4.5"}) {
    for (int i = 0; i < 12; ++i) devices[name(i)].set("a", Value(value[0] - '0' + 0.5));
    ASSERT_TRUE(until([&] { return all_told(value); }));
  }
  EXPECT_EQ(edge.count(&EdgeCore::registrations), 1);
  {
    const std::lock_guard lock(edge.mutex);
    edge.refuse_device.clear();
  }
  EXPECT_TRUE(until([&] { return edge.value("d0.a") == "4.5" && edge.value("d3.a") == "4.5"; }));
}

TEST_F(UplinkTest, AReportTheEdgeCoreDoesNotWantIsNotRepeated) {
  edge.registration = {{model_of({"a"})}, {device_of("d", {"a"}, 100)}};
  edge.set_refusal(Status(Code::not_found, "no device d"));
  devices["d"].set("a", Value(1.0));
  serve();
  start();
  ASSERT_TRUE(until([&] { return edge.count(&EdgeCore::refused) >= 1; }));
  loop.advance(5s);
  EXPECT_EQ(edge.count(&EdgeCore::refused), 1);
}

TEST_F(UplinkTest, ChangedPointsOfADeviceTravelInOneCall) {
  std::vector<std::string> names;
  for (int i = 0; i < 100; ++i) names.push_back(base::cat("p", i));
  edge.registration = {{model_of(names)}, {device_of("d", names)}};
  for (int i = 0; i < 100; ++i)
    devices["d"].set(names[static_cast<std::size_t>(i)], Value(1.0 * i));
  serve();
  start();
  ASSERT_TRUE(until([&] { return edge.value("d.p99") == "99" && edge.state("d") == "online"; }));
  EXPECT_EQ(edge.count(&EdgeCore::calls), 2);  // the points, and the state
}

TEST_F(UplinkTest, BatchesWithoutAnAnswerEndTheirStreamAndAreToldOnTheNext) {
  edge.registration = {{model_of({"a"})}, {device_of("d", {"a"}, 100)}};
  edge.silent = true;
  devices["d"].set("a", Value(1.0));
  serve();
  start();
  const auto unanswered = [&] {
    const std::lock_guard lock(edge.mutex);
    return edge.held.size();
  };
  // The one that says that the mapper lives, and the device's.
  ASSERT_TRUE(until([&] { return unanswered() == 2; }));
  {
    const std::lock_guard lock(edge.mutex);
    edge.silent = false;
  }
  loop.advance(Teller::patience + 2 * Teller::heartbeat);
  EXPECT_TRUE(until([&] { return edge.value("d.a") == "1" && edge.state("d") == "online"; }));
  EXPECT_EQ(edge.count(&EdgeCore::registrations), 2);
}

// The answer and the edge core's calls travel on two sockets: one that was made after it and comes
// before it is not undone by it, and one from before it does not undo it.
TEST_F(UplinkTest, CallsAreInOrderWithTheRegistrationsAnswer) {
  edge.registration = {{model_of({"a"})}, {desiring(device_of("d", {"a"}), 0, "5")}};
  edge.registration.number = 41;
  edge.late = true;
  serve();
  start();
  ASSERT_TRUE(until([&] { return edge.count(&EdgeCore::registrations) == 1; }));
  std::mutex mutex;
  std::map<int, Status> answers;
  const auto client = dmi::wire::connect_mapper(mapper_socket());  // its end completes calls
  const auto update = [&](int number, const char* value) {
    client->after(number);
    client->update_device(desiring(device_of("d", {"a"}), 0, value), [&, number](Status status) {
      const std::lock_guard lock(mutex);
      answers[number] = std::move(status);
    });
  };
  const auto answered = [&](std::size_t count) {
    return until([&] {
      const std::lock_guard lock(mutex);
      return answers.size() == count;
    });
  };
  update(40, "4");
  update(41, "6");
  update(0, "3");  // a stock edge core's, which says nothing
  ASSERT_TRUE(answered(1));
  edge.registered(edge.registration);
  ASSERT_TRUE(answered(3));
  EXPECT_EQ(answers[0], Status());
  EXPECT_EQ(answers[40].code(), Code::stale);
  EXPECT_EQ(answers[41], Status());
  EXPECT_TRUE(until([&] { return edge.value("d.a") == "6"; }));
  answers.clear();
  update(40, "4");
  ASSERT_TRUE(answered(1));
  EXPECT_THAT(answers[40].text(), HasSubstr("registration 40"));
  EXPECT_EQ(edge.value("d.a"), "6");
}

TEST_F(UplinkTest, ASecondMapperOnTheSameSocketIsAConflict) {
  start();
  const auto second =
      Uplink::start(loop, [](auto, auto, auto) {},
                    {{"fake-mapper", "v1", "v1", "fake", mapper_socket(), "ok"}, edge_socket()});
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_THAT(second.status().text(), HasSubstr("m.sock"));
}

}  // namespace
}  // namespace mapper

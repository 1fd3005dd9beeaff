// A broker that is away or slow: what is kept, what is conflated, what a late subscriber finds.
#include <algorithm>

#include "devicetwin/eventbus/broker_fixture.hpp"
#include "devicetwin/eventbus/gate.hpp"

namespace devicetwin {
namespace {

using base::cat;
using test::Gate;
using test_support::wait_until;

class SlowTest : public test::BusTest {
 protected:
  void make_device(const std::string& name) {
    on_loop([&] {
      dmi::Json device = test::device_json("");
      device["metadata"]["name"] = name;
      core_.create(Kind::device, device, Origin::kubernetes, [](auto) {});
    });
  }
  void remove_device(const std::string& name) {
    on_loop([&] {
      core_.remove(Kind::device, {"default", name}, Origin::kubernetes, [](auto) {});
    });
  }
  EventBus::Settings retaining() const {
    EventBus::Settings settings = BusTest::settings();
    EXPECT_TRUE(settings.policies.set("document=1,retain").ok());
    EXPECT_TRUE(settings.policies.set("state=1,retain").ok());
    return settings;
  }
};

TEST_F(SlowTest, NothingIsLostWhileTheBrokerIsKilledAndAway) {
  start_broker();
  Gate gate(port_);
  auto settings = BusTest::settings();
  settings.url = cat("tcp://127.0.0.1:", gate.port());
  start_bus(settings);
  ASSERT_TRUE(connected(true));
  gate.closed = true;
  broker_->kill();
  ASSERT_TRUE(connected(false));
  constexpr int devices = 50;
  for (int i = 0; i < devices; ++i) make_device(cat("device-", i));
  for (const char* value : {"1", "2", "3"}) report(value);
  start_broker();
  const auto heard = subscribe("$hw/events/#");
  gate.closed = false;
  ASSERT_TRUE(connected(true));
  for (int i = 0; i < devices; ++i) {
    EXPECT_TRUE(heard->wait_for_output(cat("\"id\":\"default/device-", i, "\""))) << i;
  }
  EXPECT_TRUE(heard->wait_for_output("\"current\":{\"actual\":{\"value\":\"3\""));
  EXPECT_EQ(counters().dropped_out, 0u);
  stop_bus();
}

TEST_F(SlowTest, SlowBrokerHearsTheNewestOfEveryPropertyAndNothingIsDropped) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(boiler_ + "twin/update/document");
  broker_->signal(SIGSTOP);
  constexpr int rounds = 6000;
  on_loop([&] {
    for (int i = 1; i <= rounds; ++i) {
      TwinUpdate update;
      update.properties.push_back({.name = "temperature", .actual = cat(i)});
      update.properties.push_back({.name = "count", .actual = cat(i)});
      core_.update_twin({"default", "boiler"}, update, Origin::mapper, [](auto) {});
    }
  });
  // The membership of a device cannot be replaced by anything newer: it is kept.
  const auto membership = [this] {
    make_device("late");
    return counters();
  }();
  EXPECT_EQ(membership.slow, 1u);
  EXPECT_GT(membership.conflated, 1000u);
  EXPECT_EQ(membership.dropped_out, 0u);
  broker_->signal(SIGCONT);
  EXPECT_TRUE(heard->wait_for_output(cat("\"temperature\":{\"last\":"), std::chrono::seconds(30)));
  ASSERT_TRUE(wait_until(
      [&] {
        const std::string text = heard->output();
        const std::string newest = cat("\"current\":{\"actual\":{\"value\":\"", rounds, "\"");
        const std::size_t first = text.find(newest);
        return first != text.npos && text.find(newest, first + 1) != text.npos;
      },
      std::chrono::seconds(60)));
  EXPECT_EQ(counters().dropped_out, 0u);
}

TEST_F(SlowTest, LateSubscriberHasTheWholeCurrentDocumentAndTheState) {
  start_broker();
  start_bus(retaining());
  ASSERT_TRUE(connected(true));
  report("7");
  report("8", "count");
  on_loop([this] {
    core_.update_state({"default", "boiler"}, "online", Origin::mapper, [](auto) {});
  });
  // Until the retained document is the newest: at most a second.
  ASSERT_TRUE(wait_until([this] {
    const auto late = subscribe("$hw/events/device/+/+/#", {"-v", "--retained-only", "-W", "1"});
    late->wait();
    const std::string text = late->output();
    return text.find("\"temperature\":{\"last\":{\"actual\":{\"value\":\"7\"") != text.npos &&
           text.find("\"count\":{\"last\":{\"actual\":{\"value\":\"8\"") != text.npos &&
           text.find("\"setpoint\":{\"last\":{\"expected\":{\"value\":\"21\"") != text.npos &&
           text.find("\"state\":\"online\"") != text.npos;
  }));
}

TEST_F(SlowTest, RetainedMessagesOfADeletedDeviceAreTakenBack) {
  start_broker();
  start_bus(retaining());
  ASSERT_TRUE(connected(true));
  report("7");
  const auto retained = [this] {
    const auto late = subscribe("$hw/events/device/+/+/#", {"-v", "--retained-only", "-W", "1"});
    late->wait();
    return late->output().find("default/boiler/twin") != std::string::npos;
  };
  ASSERT_TRUE(wait_until(retained));
  remove_device("boiler");
  EXPECT_TRUE(wait_until([&] { return !retained(); }));
}

TEST_F(SlowTest, RetainedDocumentOfADeviceThatWentWhileWeWereAwayIsTakenBackAtTheStart) {
  start_broker();
  const std::string topic = "$hw/events/device/default/gone/twin/update/document";
  publish(topic, "{}", {"-r"});
  start_bus(retaining());
  const auto retained = [&] {
    const auto late = subscribe(topic, {"-v", "--retained-only", "-W", "1"});
    late->wait();
    return late->output().find(topic + " {}") != std::string::npos;
  };
  EXPECT_TRUE(wait_until([&] { return !retained(); }));
}

TEST_F(SlowTest, KindsOfTopicsHaveTheirOwnQuality) {
  start_broker();
  auto settings = BusTest::settings();
  for (const char* policy : {"document=0", "update-result=2", "delta=1"}) {
    ASSERT_TRUE(settings.policies.set(policy).ok());
  }
  start_bus(settings);
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(boiler_ + "#", {"-q", "2", "-F", "%t qos=%q retain=%r"});
  publish(boiler_ + "twin/update", R"({"twin":{"setpoint":{"expected":{"value":"30"}}}})");
  EXPECT_TRUE(heard->wait_for_output("twin/update/document qos=0 retain=0")) << heard->output();
  EXPECT_TRUE(heard->wait_for_output("twin/update/result qos=2 retain=0")) << heard->output();
  EXPECT_TRUE(heard->wait_for_output("twin/update/delta qos=1 retain=0")) << heard->output();
}

TEST_F(SlowTest, FarewellSaysThatTheNodeIsOffline) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const std::string topic = "$hw/events/node/edge-node/state";
  const auto heard = subscribe(topic);
  EXPECT_TRUE(heard->wait_for_output("\"node\":{\"name\":\"edge-node\",\"state\":\"online\"}"));
  stop_bus();
  EXPECT_TRUE(heard->wait_for_output("\"node\":{\"name\":\"edge-node\",\"state\":\"offline\"}"));
}

TEST(TopicPolicies, AreReadAndRefusedWithTheReason) {
  TopicPolicies policies;
  EXPECT_EQ(policies.at(TopicKind::document), (TopicPolicy{1, false}));
  EXPECT_EQ(policies.at(TopicKind::node_state), (TopicPolicy{1, true}));
  EXPECT_TRUE(policies.set("document=2,retain").ok());
  EXPECT_EQ(policies.at(TopicKind::document), (TopicPolicy{2, true}));
  for (const char* wrong : {"document", "documents=1", "document=3", "document=", "document=1,keep",
                            "document=1,retain,x", "=1"}) {
    EXPECT_FALSE(policies.set(wrong).ok()) << wrong;
  }
  EXPECT_NE(policies.set("x=1").text().find("KIND one of update-result, document"),
            std::string::npos);
}

}  // namespace
}  // namespace devicetwin

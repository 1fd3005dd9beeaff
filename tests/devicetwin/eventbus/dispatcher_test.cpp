#include <algorithm>

#include "base/text.hpp"
#include "devicetwin/eventbus/fixture.hpp"
#include "request.hpp"

namespace devicetwin::bus::test {
namespace {

TEST_F(DispatcherTest, KeysStandInKubeEdgesOrder) {
  make_boiler();
  const auto sent =
      update(R"({"event_id":"e\"1","twin":{"own":{"actual":{"value":"a\nb"},"optional":false}}})");
  EXPECT_EQ(sent.at(0).payload,
            R"({"event_id":"e\"1","timestamp":1700000000000,"twin":{"own":{"actual":)"
            R"({"value":"a\nb","metadata":{"timestamp":1700000000000}},"optional":false,)"
            R"("metadata":{"type":"string"}}}})");
}

TEST_F(DispatcherTest, KeysOfStructuresAreReadInAnyCase) {
  make_boiler();
  const auto sent = update(
      R"({"Event_ID":"e","TWIN":{"own":{"Actual":{"VALUE":"1"},"MetaData":{"Type":"int"}}}})");
  EXPECT_EQ(json(sent.at(0))["twin"]["own"]["metadata"]["type"], "int");
}

TEST_F(DispatcherTest, DesiredFromKubectlIsADocumentAndADelta) {
  make_boiler();
  sent_.clear();
  ASSERT_TRUE(CoreTest::update(devicetwin::test::device_json("50")).ok());
  EXPECT_EQ(tails(sent_), (Tails{"twin/update/document", "twin/update/delta"}));
  EXPECT_EQ(json(sent_[0])["twin"]["setpoint"]["last"]["expected"]["value"], "21");
  EXPECT_EQ(json(sent_[0])["twin"]["setpoint"]["current"]["expected"]["value"], "50");
  EXPECT_EQ(json(sent_[1])["delta"]["setpoint"], "50");
}

TEST_F(DispatcherTest, DeltaIsToldOncePerChange) {
  make_boiler();
  update(R"({"twin":{"setpoint":{"actual":{"value":"1"}}}})");
  const auto again = update(R"({"twin":{"setpoint":{"actual":{"value":"2"}}}})");
  EXPECT_EQ(tails(again), (Tails{"twin/update/result", "twin/update/document"}));
  update(R"({"twin":{"setpoint":{"actual":{"value":"21"}}}})");
  const auto anew = update(R"({"twin":{"setpoint":{"actual":{"value":"3"}}}})");
  EXPECT_EQ(tails(anew).back(), "twin/update/delta");
}

TEST_F(DispatcherTest, ReportsOfMappersAreResultAndDocumentWithoutEventId) {
  make_boiler();
  sent_.clear();
  TwinUpdate report;
  report.properties.push_back({.name = "temperature",
                               .actual = "",
                               .actual_ms = 5,
                               .quality = base::Status(base::Code::timeout, "no answer")});
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  ASSERT_EQ(tails(sent_), (Tails{"twin/update/result", "twin/update/document"}));
  EXPECT_EQ(json(sent_[0])["event_id"], "");
  const Json metadata = json(sent_[1])["twin"]["temperature"]["current"]["actual"]["metadata"];
  EXPECT_EQ(metadata["timestamp"], 5);
  EXPECT_EQ(metadata["status"], "timeout");
  EXPECT_EQ(metadata["reason"], "no answer");
}

TEST_F(DispatcherTest, RepeatedValueIsAnsweredAndNotAnnounced) {
  make_boiler();
  update(R"({"twin":{"own":{"actual":{"value":"1"}}}})");
  EXPECT_EQ(tails(update(R"({"twin":{"own":{"actual":{"value":"1"}}}})")),
            (Tails{"twin/update/result"}));
}

TEST_F(DispatcherTest, WrongMessagesAreAnsweredOnTheRightDevicesTopic) {
  make_boiler();
  const std::pair<const char*, const char*> cases[] = {
      {R"({"event_id":"e","twin":{"x":{"actual":{}}}})", "twin x: actual has no value"},
      {R"({"event_id":"e","twin":{"x":{"actual":{"value":null}}}})", "twin x: actual has no value"},
      {R"({"event_id":"e","twin":{"x":{"actual":{"value":5}}}})",
       "Unmarshal update request body failed, please check the request"},
      {R"({"event_id":"e","twin":{"x":7}})",
       "Unmarshal update request body failed, please check the request"},
      {R"({"event_id":"e","twin":{"x":{"optional":"yes"}}})",
       "Unmarshal update request body failed, please check the request"},
      {R"({"event_id":"e"})", "Update twin error, key:twin does not exist"},
  };
  for (const auto& [payload, reason] : cases) {
    const auto sent = update(payload);
    ASSERT_EQ(tails(sent), (Tails{"twin/update/result"})) << payload;
    EXPECT_EQ(json(sent[0])["code"], 400);
    EXPECT_EQ(json(sent[0])["reason"], reason);
    EXPECT_EQ(json(sent[0])["event_id"], "e");
  }
  EXPECT_EQ(core_.rows(boiler_)->size(), 1u);
}

TEST(Request, VersionBeyond64BitsIsRefusedAndNotWrapped) {
  const auto versions = [](const std::string& edge) {
    return bus::parse_update(R"({"versions":true,"twin":{"t":{"actual":{"value":"1"},)"
                             R"("actual_version":{"edge":)" +
                             edge + "}}}}");
  };
  EXPECT_TRUE(versions("9223372036854775807").status.ok());
  EXPECT_EQ(versions("18446744073709551615").status.code(), base::Code::invalid);
}

TEST(Request, BeginningOfAForeignPayloadIsShownUpToAWholeCharacter) {
  std::string text(63, 'x');
  text += "ä";
  EXPECT_NE(bus::parse_get(text, "twin info").status.text().find(std::string(63, 'x')),
            std::string::npos);
}

TEST_F(DispatcherTest, OversizedPayloadIsRefusedUnread) {
  make_boiler();
  const auto sent = update(std::string(max_payload_bytes + 1, ' '));
  EXPECT_EQ(json(sent.at(0))["reason"], "the payload has 1048577 bytes, above 1048576");
}

TEST_F(DispatcherTest, FailedDiskIsCode500) {
  make_boiler();
  journal_.disk = base::Status(base::Code::unavailable, "full");
  const auto sent = update(R"({"twin":{"setpoint":{"expected":{"value":"5"}}}})");
  ASSERT_EQ(tails(sent), (Tails{"twin/update/result"}));
  EXPECT_EQ(json(sent[0])["code"], 500);
}

TEST_F(DispatcherTest, CloudUpdatedFromTheBrokerIsIgnoredAndCounted) {
  make_boiler();
  EXPECT_TRUE(send("$hw/events/device/default/boiler/twin/cloud_updated",
                   R"({"twin":{"setpoint":{"expected":{"value":"5"}}}})")
                  .empty());
  EXPECT_EQ(dispatcher_.ignored(), 1u);
}

TEST_F(DispatcherTest, OldFormIsAnsweredThereAndHearsNewsFromThenOn) {
  make_boiler();
  const auto sent = send("$hw/events/device/boiler/twin/update",
                         R"({"twin":{"own":{"expected":{"value":"1"}}}})");
  std::vector<std::string> topics;
  for (const auto& message : sent) topics.push_back(message.topic);
  EXPECT_EQ(topics, (Tails{"$hw/events/device/boiler/twin/update/result",
                           "$hw/events/device/default/boiler/twin/update/document",
                           "$hw/events/device/boiler/twin/update/document",
                           "$hw/events/device/default/boiler/twin/update/delta",
                           "$hw/events/device/boiler/twin/update/delta"}));
}

TEST_F(DispatcherTest, MembershipIsToldOncePerDevice) {
  make_boiler();
  EXPECT_EQ(sent_.at(0).topic, "$hw/events/node/edge-node/membership/updated");
  const Json added = json(sent_[0]);
  EXPECT_EQ(added["added_devices"][0]["id"], "default/boiler");
  EXPECT_TRUE(added["removed_devices"].is_null());
  sent_.clear();
  ASSERT_TRUE(remove(Kind::device).ok());
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(json(sent_[0])["removed_devices"][0]["name"], "boiler");
}

TEST_F(DispatcherTest, StatesOfMappersAreToldAndThoseOfClientsAnswered) {
  make_boiler();
  sent_.clear();
  core_.update_state(boiler_, "online", Origin::mapper, [](auto) {});
  EXPECT_EQ(tails(sent_), (Tails{"state/update/result"}));
  const auto sent =
      send("$hw/events/device/default/boiler/state/update", R"({"state":"Unhealthy"})");
  ASSERT_EQ(tails(sent), (Tails{"state/update/result"}));
  EXPECT_EQ(json(sent[0])["device"]["state"], "Unhealthy");
}

TEST_F(DispatcherTest, WhatNobodyHeardComesAsOneDocumentFromTheFirstMissedToTheNewestValue) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("temperature", "1"), Origin::mapper).ok());
  dispatcher_.set_listening(false);
  sent_.clear();
  for (const char* value : {"2", "3", "4"}) {
    ASSERT_TRUE(update_twin(actual("temperature", value), Origin::mapper).ok());
  }
  ASSERT_TRUE(update_twin(expected("setpoint", "30")).ok());
  EXPECT_TRUE(sent_.empty());
  dispatcher_.set_listening(true);
  ASSERT_EQ(tails(sent_), (Tails{"twin/update/document", "twin/update/delta"}));
  const Json twin = json(sent_[0])["twin"];
  EXPECT_EQ(twin["temperature"]["last"]["actual"]["value"], "1");
  EXPECT_EQ(twin["temperature"]["current"]["actual"]["value"], "4");
  EXPECT_EQ(twin["setpoint"]["current"]["expected"]["value"], "30");
}

TEST_F(DispatcherTest, VersionsAndOriginsAreShownToWhoAsks) {
  make_boiler();
  update(R"({"twin":{"setpoint":{"expected":{"value":"30"}}}})");
  const std::string topic = "$hw/events/device/default/boiler/twin/get";
  const auto plain = json(send(topic, R"({"event_id":"g"})").at(0))["twin"]["setpoint"];
  EXPECT_FALSE(plain.contains("expected_version"));
  EXPECT_FALSE(plain["expected"]["metadata"].contains("origin"));
  const auto full = json(send(topic, R"({"versions":true})").at(0))["twin"]["setpoint"];
  const Version version = row("setpoint").expected.version;
  EXPECT_EQ(full["expected_version"]["edge"], version.edge);
  EXPECT_EQ(full["expected_version"]["cloud"], version.cloud);
  EXPECT_EQ(full["expected"]["metadata"]["origin"], "mqtt");
  EXPECT_FALSE(full.contains("actual_version"));
}

TEST_F(DispatcherTest, UpdateOfAnOlderVersionIsAConflictAndChangesNothing) {
  make_boiler();
  update(R"({"twin":{"own":{"expected":{"value":"1"}}}})");
  const Version version = row("own").expected.version;
  const auto with = [](std::int64_t cloud, std::int64_t edge, const char* value) {
    return base::cat(R"({"event_id":"e","versions":true,"twin":{"own":{"expected":{"value":")",
                     value, R"("},"expected_version":{"cloud":)", cloud, R"(,"edge":)", edge,
                     "}}}}");
  };
  const auto taken = update(with(version.cloud, version.edge, "2"));
  // The result tells the version that the next update has to name.
  EXPECT_EQ(json(taken.at(0))["twin"]["own"]["expected_version"]["edge"],
            row("own").expected.version.edge)
      << taken.at(0).payload;
  const auto refused = update(with(version.cloud, version.edge, "3"));
  ASSERT_EQ(tails(refused), (Tails{"twin/update/result"}));
  EXPECT_EQ(json(refused[0])["code"], 409);
  EXPECT_EQ(json(refused[0])["event_id"], "e");
  EXPECT_EQ(row("own").expected.value, "2");
  const auto wrong = update(R"({"twin":{"own":{"expected_version":{"edge":"1"}}}})");
  EXPECT_EQ(json(wrong.at(0))["code"], 400);
  // EdgeCore's clients send versions that nobody minds.
  update(R"({"twin":{"own":{"expected":{"value":"4"},"expected_version":{"edge":99}}}})");
  EXPECT_EQ(row("own").expected.value, "4");
}

TEST_F(DispatcherTest, RequestsAreAnsweredWhileNewsWait) {
  make_boiler();
  dispatcher_.set_listening(false);
  EXPECT_EQ(tails(update(R"({"twin":{"own":{"actual":{"value":"1"}}}})")),
            (Tails{"twin/update/result"}));
  EXPECT_EQ(tails(send("$hw/events/device/default/boiler/twin/get", "{}")),
            (Tails{"twin/get/result"}));
  sent_.clear();
  ASSERT_TRUE(remove(Kind::device).ok());
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_NE(sent_[0].topic.find("membership/updated"), std::string::npos);
}

// Drives a dispatcher as a slow broker does: so many messages, then it is behind again.
class SlowDispatcherTest : public devicetwin::test::CoreTest {
 protected:
  SlowDispatcherTest() { core_.add_outlet(dispatcher_); }
  void make(const std::string& name) {
    Json device = devicetwin::test::device_json("");
    device["metadata"]["name"] = name;
    ASSERT_TRUE(create(Kind::device, device).ok());
  }
  void report(const std::string& name, const std::string& value) {
    core_.update_twin({"default", name}, actual("temperature", value), Origin::mapper, [](auto) {});
    loop_.settle();
  }
  std::vector<std::string> documents() const {
    std::vector<std::string> names;
    for (const Message& message : sent_) {
      const auto parts = base::split(message.topic, '/');
      if (message.topic.ends_with("/document")) names.emplace_back(parts[4]);
    }
    return names;
  }
  void receive(Message message) {
    sent_.push_back(std::move(message));
    if (--room_ == 0) dispatcher_.set_listening(false);
  }
  static TopicPolicies policies() {
    TopicPolicies policies;
    EXPECT_TRUE(policies.set("document=1,retain").ok());
    EXPECT_TRUE(policies.set("delta=2,retain").ok());
    return policies;
  }

  int room_ = -1;  // messages until the broker is behind; below 0: never
  std::vector<Message> sent_;
  Dispatcher dispatcher_{core_, [this](Message message) { receive(std::move(message)); },
                         policies()};
};

TEST_F(SlowDispatcherTest, WhatWasMissedComesInPortionsInTheOrderItWasFirstMissed) {
  make_boiler();
  for (const char* name : {"c", "a", "b"}) make(name);
  dispatcher_.set_listening(false);
  for (const char* name : {"c", "a", "b"}) report(name, "1");
  report("c", "1.5");
  EXPECT_EQ(dispatcher_.conflated(), 1u);
  sent_.clear();
  room_ = 2;
  dispatcher_.set_listening(true);
  EXPECT_EQ(documents(), (std::vector<std::string>{"c", "a"}));
  report("c", "2");
  room_ = -1;
  dispatcher_.set_listening(true);
  EXPECT_EQ(documents(), (std::vector<std::string>{"c", "a", "b", "c"}));
}

TEST_F(SlowDispatcherTest, RetainedDocumentIsWholeConflatedAndTakenBack) {
  make_boiler();
  loop_.advance(Dispatcher::retain_delay);
  sent_.clear();
  for (const char* value : {"1", "2", "3"}) report("boiler", value);
  for (const Message& message : sent_) EXPECT_FALSE(message.policy.retain) << message.topic;
  sent_.clear();
  loop_.advance(Dispatcher::retain_delay);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].policy, (TopicPolicy{1, true}));
  const Json document = Json::parse(sent_[0].payload);
  EXPECT_EQ(document["full"], true);
  EXPECT_EQ(document["twin"]["temperature"]["current"]["actual"]["value"], "3");
  EXPECT_EQ(document["twin"]["setpoint"]["current"]["expected"]["value"], "21");
  sent_.clear();
  ASSERT_TRUE(remove(Kind::device).ok());
  int cleared = 0;
  for (const Message& message : sent_) {
    if (message.payload.empty() && message.policy.retain) ++cleared;
  }
  EXPECT_EQ(cleared, 2);  // document and delta
}

TEST_F(SlowDispatcherTest, RetainedDeltaDoesNotSayWhatIsOver) {
  make_boiler();
  core_.update_twin(boiler_, actual("setpoint", "5"), Origin::mapper, [](auto) {});
  loop_.settle();
  sent_.clear();
  core_.update_twin(boiler_, actual("setpoint", "21"), Origin::mapper, [](auto) {});
  loop_.settle();
  const auto delta = std::find_if(sent_.begin(), sent_.end(), [](const Message& message) {
    return message.topic.ends_with("/twin/update/delta");
  });
  ASSERT_NE(delta, sent_.end());
  EXPECT_EQ(delta->policy, (TopicPolicy{2, true}));
  EXPECT_TRUE(Json::parse(delta->payload)["delta"].empty());
}

TEST_F(SlowDispatcherTest, BrokerThatIsFoundAnewHearsAllRetainedDocuments) {
  make_boiler();
  make("a");
  loop_.advance(Dispatcher::retain_delay);
  sent_.clear();
  dispatcher_.greet();
  loop_.advance(Dispatcher::retain_delay);
  EXPECT_EQ(documents(), (std::vector<std::string>{"a", "boiler"}));
}

}  // namespace
}  // namespace devicetwin::bus::test

// Changes of an outage, kept in an outbox and published when the broker is back; upload topics.
#include <set>
#include "devicetwin/outbox.hpp"

#include "broker_fixture.hpp"
#include "dmi/json.hpp"
#include "replayer.hpp"

namespace devicetwin::test {
namespace {

class ReplayedBusTest : public BusTest {
 protected:
  ~ReplayedBusTest() override {
    on_loop([this] {
      bus_.reset();
      outbox_.reset();
    });
  }
  void open_outbox(std::uint64_t quota = 64u << 20) {
    on_loop([&] {
      auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", quota}}});
      ASSERT_TRUE(outbox.ok()) << outbox.status().text();
      outbox_ = std::move(*outbox);
    });
  }
  EventBus::Settings with_outbox(double replay_per_s = 100'000) {
    EventBus::Settings wanted = settings();
    wanted.outbox = outbox_.get();
    wanted.replay_per_s = replay_per_s;
    return wanted;
  }
  void report_at(const std::string& value, std::int64_t time_ms) {
    on_loop([&] {
      TwinUpdate update;
      update.properties.push_back({.name = "temperature", .actual = value, .actual_ms = time_ms});
      core_.update_twin({"default", "boiler"}, update, Origin::mapper, [](auto) {});
    });
  }
  // The payloads of a topic in the order in which a subscriber with -v heard them.
  static std::vector<dmi::Json> heard(const Process& subscriber, const std::string& topic) {
    std::vector<dmi::Json> out;
    const std::string output = subscriber.output();
    for (const std::string_view line : base::split(output, '\n')) {
      const std::string start = topic + " ";
      if (!line.starts_with(start)) continue;
      auto json = dmi::parse_json(line.substr(start.size()));
      EXPECT_TRUE(json.ok()) << line;
      if (json.ok()) out.push_back(std::move(*json));
    }
    return out;
  }
  Outbox::Counters waiting() {
    Outbox::Counters counters;
    on_loop([&] { counters = outbox_->counters("mqtt"); });
    return counters;
  }

  std::unique_ptr<Outbox> outbox_;
  const std::string replay_ = boiler_ + "twin/update/replay";
};

TEST_F(ReplayedBusTest,
       EveryChangeOfAnOutageIsReplayedInOrderWithItsTimesAndTheNewestIsHeardFirst) {
  open_outbox();
  start_broker();
  start_bus(with_outbox());
  ASSERT_TRUE(connected(true));
  broker_->kill();
  ASSERT_TRUE(connected(false));
  constexpr int many = 300;
  for (int i = 1; i <= many; ++i) report_at(std::to_string(i), 1'700'000'000'000 + i);
  start_broker();
  const auto subscriber = subscribe(boiler_ + "#");
  ASSERT_TRUE(wait_until([&] { return heard(*subscriber, replay_).size() >= many; }))
      << subscriber->output();
  const auto replayed = heard(*subscriber, replay_);
  ASSERT_EQ(replayed.size(), std::size_t{many});
  for (int i = 1; i <= many; ++i) {
    const auto& message = replayed[static_cast<std::size_t>(i - 1)];
    EXPECT_EQ(message.at("seq"), i);
    EXPECT_EQ(message.at("timestamp"), 1'700'000'000'000 + i);
    const auto& actual = message.at("twin").at("temperature").at("actual");
    EXPECT_EQ(actual.at("value"), std::to_string(i));
    EXPECT_EQ(actual.at("metadata").at("timestamp"), 1'700'000'000'000 + i);
  }
  const std::string output = subscriber->output();
  const auto live = output.find("twin/update/document {");
  ASSERT_NE(live, std::string::npos);
  EXPECT_LT(live, output.find("twin/update/replay {"));
  EXPECT_NE(output.substr(live, 400).find(cat("\"value\":\"", many, "\"")), std::string::npos);
  EXPECT_TRUE(wait_until([&] { return waiting().waiting == 0; }));
}

TEST_F(ReplayedBusTest, WhatIsReportedWhileTheReplayRunsIsNotBehindIt) {
  open_outbox();
  start_bus(with_outbox(10));
  for (int i = 1; i <= 100; ++i) report_at(std::to_string(i), i);
  start_broker();
  const auto subscriber = subscribe(boiler_ + "#");
  ASSERT_TRUE(connected(true));
  ASSERT_TRUE(subscriber->wait_for_output("twin/update/replay"));
  report_at("4711", 5000);
  ASSERT_TRUE(subscriber->wait_for_output("\"value\":\"4711\""));
  EXPECT_LT(heard(*subscriber, replay_).size(), 100u);
}

TEST_F(ReplayedBusTest, BrokerThatDiesDuringTheReplayHearsTheRestAndNothingIsMissing) {
  open_outbox();
  start_bus(with_outbox(100));
  constexpr std::uint64_t many = 200;
  for (std::uint64_t i = 1; i <= many; ++i) report_at(std::to_string(i), 1);
  start_broker();
  std::set<std::uint64_t> numbers;
  {
    const auto subscriber = subscribe(replay_);
    ASSERT_TRUE(wait_until([&] { return heard(*subscriber, replay_).size() >= 20; }));
    broker_->kill();
    ASSERT_TRUE(connected(false));
    for (const auto& message : heard(*subscriber, replay_))
      numbers.insert(message.at("seq").get<std::uint64_t>());
  }
  // What the broker had acknowledged and not yet handed on died with it: here it keeps nothing.
  const auto acknowledged = many - waiting().waiting;
  start_broker();
  const auto subscriber = subscribe(replay_);
  ASSERT_TRUE(wait_until([&] {
    const auto messages = heard(*subscriber, replay_);
    return !messages.empty() && messages.back().at("seq") == many;
  })) << subscriber->output();
  std::uint64_t last = 0;
  for (const auto& message : heard(*subscriber, replay_)) {
    EXPECT_GT(message.at("seq").get<std::uint64_t>(), last);
    last = message.at("seq");
    numbers.insert(last);
  }
  for (std::uint64_t i = acknowledged + 1; i <= many; ++i) EXPECT_TRUE(numbers.contains(i)) << i;
}

TEST_F(ReplayedBusTest, OutageLongerThanTheQuotaIsToldAsAGapInItsPlace) {
  open_outbox(10'000);
  start_bus(with_outbox());
  for (int i = 1; i <= 200; ++i) report_at(std::to_string(i), 1000 + i);
  start_broker();
  const auto subscriber = subscribe("$hw/events/#");
  ASSERT_TRUE(wait_until([&] {
    const auto messages = heard(*subscriber, replay_);
    return !messages.empty() && messages.back().at("seq") == 200;
  })) << subscriber->output();
  const auto gaps = heard(*subscriber, "$hw/events/node/edge-node/twin/update/replay");
  ASSERT_EQ(gaps.size(), 1u);
  const auto& gap = gaps[0].at("gap");
  const auto replayed = heard(*subscriber, replay_);
  EXPECT_EQ(gap.at("from"), 1);
  EXPECT_EQ(gap.at("to").get<int>() + 1, replayed.front().at("seq").get<int>());
  EXPECT_EQ(gap.at("count").get<std::size_t>() + replayed.size(), 200u);
  EXPECT_EQ(gap.at("cause"), "quota");
  EXPECT_EQ(gap.at("first"), 1001);
  const std::string output = subscriber->output();
  EXPECT_LT(output.find("\"gap\""), output.find(replay_ + " {"));
}

TEST_F(ReplayedBusTest, MessagesOfUploadAndUserTopicsAreHandedOnAsTheyAre) {
  start_broker();
  auto wanted = settings();
  std::vector<std::pair<std::string, std::string>> taken;  // the loop's
  wanted.upload = [&](std::string_view topic, std::string_view payload) {
    taken.emplace_back(topic, payload);
  };
  start_bus(wanted);
  ASSERT_TRUE(connected(true));
  publish("$hw/events/upload/line/1", "a b\"c");
  publish("SYS/dis/upload_records", "{}");
  publish("plant/user/alarm", "on");
  publish("plant/other", "no");
  publish("plant/user", "last");
  std::vector<std::pair<std::string, std::string>> now;
  ASSERT_TRUE(wait_until([&] {
    on_loop([&] { now = taken; });
    return now.size() >= 4;
  }));
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"$hw/events/upload/line/1", "a b\"c"},
      {"SYS/dis/upload_records", "{}"},
      {"plant/user/alarm", "on"},
      {"plant/user", "last"}};
  EXPECT_EQ(now, expected);
  EXPECT_EQ(counters().uploaded, 4u);
}

TEST(Replayed, ForeignBytesInTheFileAreNeverPublishedAsJson) {
  const Record record{.sequence = 7, .time_ms = 1, .topic = "t", .payload = "\xff\"}{"};
  EXPECT_EQ(bus::replay_message(record, "n").payload, "{\"seq\":7}");
}

}  // namespace
}  // namespace devicetwin::test

// The event bus on a real Mosquitto, with Mosquitto's own clients at the other end.
#include "devicetwin/eventbus/broker_fixture.hpp"

namespace devicetwin {
namespace {

using base::cat;
using BrokerTest = test::BusTest;

TEST_F(BrokerTest, UpdateIsAnsweredWithResultDocumentAndDelta) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(boiler_ + "twin/update/#");
  publish(boiler_ + "twin/update",
          R"({"event_id":"e-17","twin":{"setpoint":{"expected":{"value":"48.25"}}}})");
  EXPECT_TRUE(heard->wait_for_output("twin/update/result {\"event_id\":\"e-17\""));
  EXPECT_TRUE(heard->wait_for_output("twin/update/document {\"event_id\":\"e-17\""));
  EXPECT_TRUE(heard->wait_for_output("\"delta\":{\"setpoint\":\"48.25\"}")) << heard->output();
}

TEST_F(BrokerTest, BrokerThatIsAwayAtStartIsFoundWhenItComes) {
  start_bus();
  report("1");
  start_broker();
  const auto heard = subscribe(boiler_ + "twin/update/document");
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(heard->wait_for_output("\"value\":\"1\"")) << heard->output();
}

TEST_F(BrokerTest, BrokerThatDiesAndComesBackHearsTheNewestAndAnswersAgain) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  broker_->kill();
  ASSERT_TRUE(connected(false));
  report("1");
  report("2");
  start_broker();
  const auto heard = subscribe(boiler_ + "#");
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(heard->wait_for_output("\"value\":\"2\"")) << heard->output();
  publish(boiler_ + "twin/get", R"({"event_id":"g-1"})");
  EXPECT_TRUE(heard->wait_for_output("twin/get/result {\"event_id\":\"g-1\"")) << heard->output();
}

TEST_F(BrokerTest, BurstIsPublishedCompletelyAndInOrder) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(boiler_ + "twin/update/document");
  for (int i = 1; i <= 2000; ++i) report(std::to_string(i));
  ASSERT_TRUE(heard->wait_for_output("\"current\":{\"actual\":{\"value\":\"2000\""));
  const std::string output = heard->output();
  std::size_t at = 0;
  for (int i = 1; i <= 2000; ++i) {
    const std::string text = cat("\"current\":{\"actual\":{\"value\":\"", i, "\"");
    at = output.find(text, at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(EventBus, UrlThatIsNoneIsRefusedWithItsText) {
  base::ManualLoop loop;
  test::MemoryJournal journal(loop);
  Core core(loop, journal, "edge-node");
  EventBus::Settings settings;
  settings.url = "gopher://x";
  const auto bus = EventBus::start(core, loop, settings);
  ASSERT_FALSE(bus.ok());
  EXPECT_NE(bus.status().text().find("gopher://x"), std::string::npos);
}

}  // namespace
}  // namespace devicetwin

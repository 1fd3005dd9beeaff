// From a broker's thread to the loop, without a broker.
#include "inbound.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/process.hpp"

namespace devicetwin::bus::test {
namespace {

using base::cat;
using test_support::wait_until;

const std::string boiler = "$hw/events/device/default/boiler/twin/update";
const std::string pump = "$hw/events/device/default/pump/twin/update";

class InboundTest : public ::testing::Test {
 protected:
  static Inbound::Message message(const std::string& topic, const std::string& text) {
    const auto owner = std::make_shared<const std::string>(text);
    return {topic, owner, *owner, false};
  }
  // An update whose text has about so many bytes.
  static std::string update(const std::string& event, std::size_t bytes) {
    return cat(R"({"event_id":")", event, R"(","twin":{"a":{"actual":{"value":")",
               std::string(bytes, 'x'), R"("}}}})");
  }
  bool until(const std::function<bool()>& condition) {
    return wait_until([&] {
      loop_.settle();
      return condition();
    });
  }
  void read(std::string_view text) { seen_.push_back(parse_update(text).event_id); }

  base::ManualLoop loop_;
  std::vector<std::string> seen_;
  std::vector<std::string> refused_;
  Inbound inbound_{
      loop_,
      {.message = [this](auto, auto payload, bool) { read(payload); },
       .request = [this](const Topic&,
                         const Request& request) { seen_.push_back(request.event_id); },
       .refused = [this](auto topic) { refused_.emplace_back(topic); }}};
};

TEST_F(InboundTest, MessagesOfATopicKeepTheirOrderAndALargeOneHoldsUpNoOther) {
  for (int round = 0; round < 20; ++round) {
    seen_.clear();
    inbound_.arrived(message(boiler, update("large", 900'000)));
    inbound_.arrived(message(boiler, update("small", 1)));
    inbound_.arrived(message(boiler, update("large again", 100'000)));
    inbound_.arrived(message(boiler, update("last", 1)));
    inbound_.arrived(message(pump, update("pump", 1)));
    loop_.settle();
    EXPECT_TRUE(std::ranges::count(seen_, "pump") == 1) << "waits for nothing";
    ASSERT_TRUE(until([&] { return seen_.size() == 5; }));
    std::erase(seen_, "pump");
    EXPECT_EQ(seen_, (std::vector<std::string>{"large", "small", "large again", "last"}));
  }
  EXPECT_EQ(inbound_.counters().refused, 0u);
}

TEST_F(InboundTest, FloodIsRefusedAboveItsBytesAndSaidOnceATopic) {
  const std::string text = update("x", 900'000);
  // The loop does nothing meanwhile.
  for (int i = 0; i < 200; ++i) inbound_.arrived(message(i % 2 == 0 ? boiler : pump, text));
  const Inbound::Counters now = inbound_.counters();
  EXPECT_LE(now.reading, Inbound::max_bytes);
  EXPECT_LE(now.lane.bytes, Inbound::max_bytes);
  EXPECT_GT(now.refused, 100u);
  ASSERT_TRUE(until([&] {
    const Inbound::Counters left = inbound_.counters();
    return left.reading == 0 && left.lane.bytes == 0;
  }));
  EXPECT_EQ(seen_.size() + inbound_.counters().refused, 200u);
  ASSERT_GE(refused_.size(), 2u);
  inbound_.arrived(message(pump, update("after", 1)));
  EXPECT_TRUE(until([&] { return seen_.back() == "after"; }));
}

TEST_F(InboundTest, WhatIsNoRequestGoesOnUnread) {
  inbound_.arrived(message("t/user/upload", std::string(500'000, '{')));
  ASSERT_TRUE(until([&] { return seen_.size() == 1; }));
}

}  // namespace
}  // namespace devicetwin::bus::test

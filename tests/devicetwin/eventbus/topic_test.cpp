#include "topic.hpp"

#include <gtest/gtest.h>

#include "outbox.hpp"

namespace devicetwin::bus {
namespace {

using dmi::ObjectId;

TEST(Topic, BothFormsOfADeviceAreKnown) {
  const Topic full = parse_topic("$hw/events/device/plant/boiler/twin/update");
  EXPECT_EQ(full.verb, Verb::twin_update);
  EXPECT_EQ(full.device, (ObjectId{"plant", "boiler"}));
  EXPECT_FALSE(full.bare);
  const Topic bare = parse_topic("$hw/events/device/boiler/state/update");
  EXPECT_EQ(bare.verb, Verb::state_update);
  EXPECT_EQ(bare.device, (ObjectId{"default", "boiler"}));
  EXPECT_TRUE(bare.bare);
}

// KubeEdge looks for the first occurrence of the namespace in the whole topic and loses these.
TEST(Topic, NamespacesThatAreWordsOfTheTopicAreNamespaces) {
  for (const char* space : {"dev", "device", "events", "hw", "e", "twin", "state", "node"}) {
    const Topic topic = parse_topic(std::string("$hw/events/device/") + space + "/boiler/twin/get");
    EXPECT_EQ(topic.verb, Verb::twin_get) << space;
    EXPECT_EQ(topic.device.space, space);
  }
}

TEST(Topic, AnswersAndStrangersAreNoRequests) {
  for (const char* topic :
       {"", "/", "$hw", "$hw/events/device", "$hw/events/device/a/b/twin/update/result",
        "$hw/events/device/a/twin/update/result/x", "$hw/events/device/a/b/twin/delta",
        "$hw/events/node/n/membership/updated", "SYS/dis/upload_records", "x/user/y",
        "$hw/events/devices/a/b/twin/update"}) {
    EXPECT_EQ(parse_topic(topic).verb, Verb::none) << topic;
  }
}

TEST(Topic, AnyNodesMembershipIsAnswered) {
  EXPECT_EQ(parse_topic("$hw/events/node/other/membership/get").verb, Verb::membership_get);
}

TEST(Outbox, KeepsOrderAndPutsFailedOnesBackInTheirPlace) {
  Outbox outbox;
  for (const char* text : {"a", "b", "c"}) outbox.push({"t", text});
  const auto a = outbox.take();
  const auto b = outbox.take();
  outbox.failed(b->first);
  outbox.failed(a->first);
  EXPECT_EQ(outbox.take()->second.payload, "a");
  EXPECT_EQ(outbox.take()->second.payload, "b");
  EXPECT_EQ(outbox.take()->second.payload, "c");
  EXPECT_FALSE(outbox.take());
}

TEST(Outbox, DropsTheOldestWhereThereIsNoRoomAndCounts) {
  Outbox outbox;
  for (std::size_t i = 0; i < Outbox::max_messages + 5; ++i) outbox.push({"t", std::to_string(i)});
  EXPECT_EQ(outbox.dropped(), 5u);
  EXPECT_EQ(outbox.take()->second.payload, "5");
  Outbox heavy;
  for (int i = 0; i < 20; ++i) heavy.push({"t", std::string(1u << 20, 'x')});
  EXPECT_EQ(heavy.dropped(), 5u);
}

TEST(Outbox, AtMostSoManyFlyAtOnce) {
  Outbox outbox;
  for (std::size_t i = 0; i <= Outbox::max_flying; ++i) outbox.push({"t", "x"});
  std::uint64_t first = outbox.take()->first;
  while (outbox.take()) {
  }
  outbox.sent(first);
  EXPECT_TRUE(outbox.take());
  EXPECT_EQ(outbox.size(), Outbox::max_flying);
}

}  // namespace
}  // namespace devicetwin::bus

// What goes wrong with packets and frames does so on the wire, as it was asked for.
#include <gtest/gtest.h>

#include <algorithm>

#include "wire/rig.hpp"

namespace wire {
namespace {

TEST(Faults, LostPacketsAreSentAgainWhenAskedFor) {
  Faults faults;
  faults.loss = 1000;
  Streaming to(faults);
  ASSERT_TRUE(wait_until([&] { return to.device->counters().frames >= 2; }));
  faults.loss = 0;
  to.device->set(faults);
  to.client.write(reg::acquisition_stop, 1);
  to.client.resend(1, 0, 0xFFFFFF);
  auto blocks = wire::receive(to.client, 1);
  ASSERT_TRUE(blocks.contains(1));
  expect_whole(1, blocks[1]);
  EXPECT_GT(to.device->counters().resent, 10U);
}

TEST(Faults, ResendIsOffOrWrongWhenSaidSo) {
  Faults faults;
  faults.resend = Faults::Resend::off;
  Streaming to(faults);
  const auto blocks = wire::receive(to.client, 1);
  to.client.write(reg::acquisition_stop, 1);
  to.client.resend(1, 1, 1);
  ASSERT_TRUE(wait_until([&] { return to.device->counters().resend_asked == 1; }));
  EXPECT_EQ(to.device->counters().resent, 0U);
  faults.resend = Faults::Resend::corrupt;
  to.device->set(faults);
  to.client.resend(1, 1, 1);
  ASSERT_TRUE(wait_until([&] { return to.device->counters().resent == 1; }));
  wire::Bytes last;
  while (const auto packet = to.client.stream().receive(100)) last = *packet;
  EXPECT_EQ(generator::read16(last, 0), gvsp::status_resent);
  EXPECT_NE(last[8], generator::pattern_byte(0x01080001, 1, 0));
}

TEST(Faults, LossFollowsItsSeed) {
  const auto lost = [](std::uint32_t seed) {
    Faults faults;
    faults.loss = 300;
    faults.seed = seed;
    auto options = small();
    options.frame_rate = 200;
    const auto device = camera(options);
    device->set(faults);
    Client client(ip1);
    client.control();
    client.write(reg::acquisition_mode, 2);
    client.write(reg::acquisition_frames, 5);
    client.start();
    EXPECT_TRUE(wait_until([&] { return !device->acquiring(); }));
    std::vector<std::uint32_t> seen;
    // The frame that is the last one may still be on its way.
    while (const auto packet = client.stream().receive(300)) {
      seen.push_back(gvsp::parse(*packet)->packet);
    }
    return seen;
  };
  const auto first = lost(1);
  EXPECT_LT(first.size(), 5U * 16);
  EXPECT_GT(first.size(), 5U * 5);
  EXPECT_EQ(first, lost(1));
  EXPECT_NE(first, lost(2));
}

TEST(Faults, ReorderedAndDuplicatedPacketsAreAllThere) {
  Faults faults;
  faults.reorder = 300;
  faults.duplicate = 300;
  Streaming to(faults);
  bool out_of_order = false;
  bool twice = false;
  for (const auto& [id, block] : wire::receive(to.client, 5)) {
    for (std::size_t i = 1; i < block.order.size(); ++i) {
      out_of_order |= block.order[i] < block.order[i - 1];
      twice |= block.order[i] == block.order[i - 1];
    }
    if (block.trailer && block.payload.size() == 14) expect_whole(id, block);
  }
  EXPECT_TRUE(out_of_order);
  EXPECT_TRUE(twice);
}

TEST(Faults, LatePacketsComeAfterTheirTrailer) {
  Faults faults;
  faults.late = 500;
  faults.late_by = std::chrono::milliseconds(20);
  auto options = small();
  options.frame_rate = 10;
  Streaming to(faults, options);
  bool late = false;
  for (const auto& [id, block] : wire::receive(to.client, 4)) {
    const auto trailer = std::find(block.order.begin(), block.order.end(), 15U);
    late |= trailer != block.order.end() && trailer + 1 != block.order.end();
  }
  EXPECT_TRUE(late);
}

TEST(Faults, LeadersAndTrailersAreMissingWhenSaidSo) {
  Faults faults;
  faults.no_leader = 1000;
  Streaming to(faults);
  for (const auto& [id, block] : wire::receive(to.client, 2)) EXPECT_FALSE(block.leader) << id;
  faults = {};
  faults.no_trailer = 1000;
  to.device->set(faults);
  ASSERT_TRUE(wait_until([&, from = to.device->counters().frames] {
    return to.device->counters().frames > from + 2;
  }));
  while (to.client.stream().receive(1)) continue;
  EXPECT_TRUE(wait_until([&] {
    const auto packet = to.client.stream().receive(1000);
    return packet && gvsp::parse_leader(*packet);
  }));
  while (const auto packet = to.client.stream().receive(10)) {
    EXPECT_FALSE(gvsp::parse_trailer(*packet));
  }
}

TEST(Faults, ImagesAreLargerOrSmallerThanPayloadSizeSays) {
  for (const int more : {3000, -3000}) {
    Faults faults;
    faults.payload_bytes = more;
    Streaming to(faults);
    const auto blocks = wire::receive(to.client, 1);
    ASSERT_EQ(blocks.size(), 1U);
    EXPECT_EQ(static_cast<int>(blocks.begin()->second.pixels().size()), 160 * 120 + more);
  }
}

TEST(Faults, ForeignPacketsComeFromAnotherAddress) {
  Faults faults;
  faults.foreign = 500;
  Streaming to(faults);
  bool foreign = false;
  ASSERT_TRUE(wait_until([&] {
    std::uint32_t from = 0;
    if (to.client.stream().receive(1000, &from)) foreign |= from == 0x7F090909;
    return foreign;
  }));
}

TEST(Faults, BlockIdsJumpAndRepeat) {
  Faults faults;
  faults.block_ids = Faults::BlockIds::jump;
  auto options = small();
  options.frame_rate = 500;
  Streaming to(faults, options);
  EXPECT_GT(wire::receive(to.client, 40).rbegin()->first, 99);
  faults.block_ids = Faults::BlockIds::repeat;
  to.device->set(faults);
  EXPECT_TRUE(wait_until([&] {
    for (const auto& [id, block] : wire::receive(to.client, 10)) {
      if (std::count(block.order.begin(), block.order.end(), 0U) == 2) return true;
    }
    return false;
  }));
}

TEST(Faults, WidthAndPayloadSizeReadAsAbsurd) {
  const auto device = camera();
  Client client(ip1);
  Faults faults;
  faults.absurd_width = faults.absurd_payload = true;
  device->set(faults);
  EXPECT_EQ(client.read(reg::width), 0x7FFFFFFFU);
  EXPECT_EQ(client.read(reg::payload_size), 0xFFFFFFFFU);
}

}  // namespace
}  // namespace wire

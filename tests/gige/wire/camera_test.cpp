// The generator as a camera, seen by a client of our own: every byte, every rule of control.
#include <gtest/gtest.h>

#include "generator/commands.hpp"
#include "wire/rig.hpp"

namespace wire {
namespace {

TEST(Camera, EveryByteOfEveryFormatIsAsThePatternSays) {
  for (const generator::PixelFormat& format : generator::pixel_formats()) {
    SCOPED_TRACE(format.name);
    auto options = small();
    options.format = format.name;
    options.frame_rate = 200;
    Streaming to({}, options);
    const auto blocks = wire::receive(to.client, 2);
    ASSERT_EQ(blocks.size(), 2U);
    for (const auto& [id, block] : blocks) expect_whole(id, block, format.name);
  }
}

TEST(Camera, PacketsAreNoLargerThanSet) {
  auto options = small();
  options.packet_size = 1000;
  Streaming to({}, options);
  const auto packet = to.client.stream().receive(10'000);
  ASSERT_TRUE(packet);
  const auto blocks = wire::receive(to.client, 2);
  std::size_t largest = 0;
  for (const auto& [id, block] : blocks) {
    for (const auto& [number, bytes] : block.payload) largest = std::max(largest, bytes.size());
  }
  EXPECT_EQ(largest, gvsp::payload_of(1000));
}

TEST(Camera, TestPacketIsAsLargeAsAskedUnlessThatSizeGetsLost) {
  const auto device = camera();
  Client client(ip1);
  client.control();
  client.write(reg::stream_destination, ip1);
  client.write(reg::stream_port, client.stream().port());
  client.write(reg::stream_packet_size, reg::fire_test_packet | 4000);
  const auto packet = client.stream().receive(10'000);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->size() + gvsp::ip_udp_bytes, 4000U);
  EXPECT_EQ(client.read(reg::stream_packet_size), 4000U);
  Faults faults;
  faults.max_packet_size = 3999;
  device->set(faults);
  client.write(reg::stream_packet_size, reg::fire_test_packet | 4000);
  client.write(reg::stream_packet_size, reg::fire_test_packet | 3996);
  EXPECT_EQ(client.stream().receive(10'000)->size() + gvsp::ip_udp_bytes, 3996U);
}

TEST(Control, OnlyWhoControlsMayWriteAndOnlyOneControls) {
  const auto device = camera();
  Client first(ip1);
  Client second(ip1);
  EXPECT_EQ(first.write(reg::width, 320), Answer::access_denied);
  first.control();
  EXPECT_EQ(device->reg(reg::controller_ip), ip1);
  EXPECT_EQ(second.write(reg::control_privilege, 2), Answer::access_denied);
  EXPECT_EQ(second.write(reg::width, 320), Answer::access_denied);
  EXPECT_EQ(second.read(reg::width), 640U);
  EXPECT_EQ(first.write(reg::width, 320), Answer::success);
  EXPECT_EQ(second.read(reg::width), 320U);
  EXPECT_EQ(first.write(reg::control_privilege, 0), Answer::success);
  second.control();
}

TEST(Control, ExclusiveControlHidesRegistersFromOthers) {
  const auto device = camera();
  Client first(ip1);
  Client second(ip1);
  EXPECT_EQ(first.write(reg::control_privilege, 1), Answer::success);
  EXPECT_FALSE(second.read(reg::width));
  EXPECT_TRUE(second.answers(10'000));
}

TEST(Control, WhoIsNotHeardLosesControlAndTheStreamEnds) {
  auto options = small();
  options.heartbeat_ms = 500;
  const auto device = camera(options);
  Client client(ip1);
  client.control();
  client.start();
  EXPECT_TRUE(device->acquiring());
  EXPECT_TRUE(wait_until([&] { return !device->controlled(); }));
  EXPECT_FALSE(device->acquiring());
  EXPECT_EQ(device->reg(reg::stream_port), 0U);
}

TEST(Control, WhatIsNoRegisterOrNotWritableIsRefusedByReason) {
  const auto device = camera();
  Client client(ip1);
  client.control();
  EXPECT_EQ(client.write(reg::own_end, 1), Answer::invalid_address);
  EXPECT_EQ(client.write(reg::width + 2, 1), Answer::bad_alignment);
  EXPECT_EQ(client.write(reg::payload_size, 1), Answer::write_protect);
  EXPECT_EQ(client.write(reg::serial, 1), Answer::write_protect);
  EXPECT_EQ(client.write(reg::width, 17), Answer::invalid_parameter);
  EXPECT_EQ(client.write(reg::pixel_format, 17), Answer::invalid_parameter);
}

TEST(Control, SizesAreFixedWhileItStreams) {
  Streaming to({});
  EXPECT_EQ(to.client.write(reg::width, 320), Answer::access_denied);
  EXPECT_EQ(to.client.write(reg::acquisition_stop, 1), Answer::success);
  EXPECT_EQ(to.client.write(reg::width, 320), Answer::success);
  EXPECT_EQ(to.client.read(reg::payload_size), 320U * 120);
}

TEST(Trigger, OneFrameForEachAndNoneWithout) {
  const auto device = camera(small());
  Client client(ip1);
  client.control();
  client.write(reg::trigger_mode, 1);
  client.start();
  for (std::uint16_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(client.write(reg::trigger_software, 1), Answer::success);
    const auto blocks = wire::receive(client, 1);
    ASSERT_EQ(blocks.size(), 1U);
    expect_whole(id, blocks.at(id));
  }
  client.write(reg::trigger_source, 1);
  device->line1();
  EXPECT_EQ(wire::receive(client, 1).size(), 1U);
  EXPECT_EQ(device->counters().frames, 4U);
}

TEST(Life, UnpluggedItIsSilentAndPluggedItStreamsOn) {
  Streaming to({});
  to.device->unplug();
  EXPECT_FALSE(to.client.answers(200));
  to.device->plug();
  EXPECT_TRUE(to.client.answers(10'000));
  EXPECT_GE(wire::receive(to.client, 2).size(), 2U);
}

TEST(Life, AfterAPowerCycleEverythingIsAsAtFirst) {
  Streaming to({});
  wire::receive(to.client, 2);
  to.client.write(reg::heartbeat, 9000);
  to.device->power_cycle(std::chrono::milliseconds(300));
  EXPECT_FALSE(to.client.answers(100));
  EXPECT_TRUE(wait_until([&] { return to.client.answers(100); }));
  EXPECT_FALSE(to.device->controlled());
  EXPECT_EQ(to.client.read(reg::heartbeat), 3000U);
  while (to.client.stream().receive(1)) continue;
  to.client.control();
  to.client.start();
  EXPECT_EQ(wire::receive(to.client, 1).begin()->first, 1);
}

TEST(Life, MovedItAnswersAtItsNewAddressOnly) {
  const auto device = camera();
  ASSERT_TRUE(device->move("127.0.0.2").ok());
  EXPECT_EQ(device->address(), "127.0.0.2");
  EXPECT_FALSE(Client(ip1).answers(100));
  EXPECT_TRUE(Client(ip2).answers(10'000));
  EXPECT_EQ(device->move("10.1.2.3").code(), base::Code::unavailable);
  EXPECT_TRUE(Client(ip2).answers(10'000));
}

TEST(Life, WhoTakesControlKeepsItUntilRelease) {
  Streaming to({});
  to.device->take_over("10.0.0.9");
  EXPECT_FALSE(to.device->acquiring());
  EXPECT_EQ(to.client.write(reg::height, 100), Answer::access_denied);
  EXPECT_EQ(to.client.write(reg::control_privilege, 2), Answer::access_denied);
  EXPECT_EQ(to.client.read(reg::controller_ip), 0x0A000009U);
  to.device->release();
  to.client.control();
}

TEST(Life, TwoCamerasAtOneAddressAreRefused) {
  const auto device = camera();
  const auto second = Camera::start({});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.status().code(), base::Code::unavailable);
  EXPECT_NE(second.status().text().find("127.0.0.1:3956"), std::string::npos);
}

TEST(Commands, SayWhatTheyTake) {
  const auto device = camera();
  EXPECT_TRUE(generator::command(*device, "loss 50"));
  EXPECT_TRUE(generator::command(*device, "late 10 200"));
  EXPECT_TRUE(generator::command(*device, "resend corrupt"));
  EXPECT_EQ(device->faults().loss, 50U);
  EXPECT_EQ(device->faults().late_by, std::chrono::milliseconds(200));
  EXPECT_EQ(device->faults().resend, Faults::Resend::corrupt);
  EXPECT_TRUE(generator::command(*device, "sound"));
  EXPECT_EQ(device->faults().loss, 0U);
  EXPECT_EQ(generator::command(*device, "loss 1001").status().text(), "loss: takes 0 to 1000");
  EXPECT_FALSE(generator::command(*device, "dance"));
}

}  // namespace
}  // namespace wire

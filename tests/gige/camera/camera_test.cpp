#include "gige/camera.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cameras.hpp"
#include "generator/pattern.hpp"

namespace gige {
namespace {

using namespace gige::testing;
using ::testing::HasSubstr;

generator::Options at(const std::string& ip, const std::string& serial) {
  generator::Options options;
  options.address = ip;
  options.serial = serial;
  return options;
}

TEST(Camera, FramesOfTheFakeCameraArriveWhole) {
  const auto process = fake_camera("127.0.0.2", "GV02");
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok()) << camera.status().to_string();
  Taken taken;
  const auto started = (*camera)->start(ring_name("whole"), 41, taken.callback());
  ASSERT_TRUE(started.ok()) << started.to_string();
  ASSERT_TRUE(taken.wait_for(10));
  EXPECT_TRUE((*camera)->stop().ok());
  EXPECT_EQ(taken.infos().front().sequence, 42U);
  const FramePtr frame = taken.newest();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->info.width * frame->info.height, frame->pixels.size());
  EXPECT_GE((*camera)->counters().complete, 10U);
}

TEST(Camera, FramesOfOurCameraArriveWhole) {
  const auto source = own_camera(at("127.0.0.3", "GEN3"));
  ASSERT_TRUE(source);
  auto camera = open_at("127.0.0.3");
  ASSERT_TRUE(camera.ok()) << camera.status().to_string();
  Taken taken;
  const auto started = (*camera)->start(ring_name("own"), 0, taken.callback());
  ASSERT_TRUE(started.ok()) << started.to_string();
  ASSERT_TRUE(taken.wait_for(10));
  EXPECT_TRUE((*camera)->stop().ok());
  EXPECT_EQ((*camera)->counters().missing_packets, 0U);
}

TEST(Camera, OneOfAnotherProgramIsAConflictThatNamesIt) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  source->take_over("127.0.0.9");
  const auto camera = open_at("127.0.0.2");
  ASSERT_EQ(camera.status().code(), base::Code::conflict) << camera.status().to_string();
  EXPECT_THAT(camera.status().text(), HasSubstr("127.0.0.9"));
  EXPECT_THAT(camera.status().text(), HasSubstr("GEN2"));
}

TEST(Camera, OneThatDoesNotSayWhoControlsItIsAConflictToo) {
  const auto process = fake_camera("127.0.0.2", "GV02");
  auto first = open_at("127.0.0.2");
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_EQ((*first)->controller().who, Controller::Who::us);
  const auto second = open_at("127.0.0.2");
  ASSERT_EQ(second.status().code(), base::Code::conflict) << second.status().to_string();
  EXPECT_THAT(second.status().text(), HasSubstr("another program"));
  first->reset();
  EXPECT_TRUE(open_at("127.0.0.2").ok());
}

TEST(Camera, WithoutControlNobodyElseIsKeptOut) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  auto reader = open_at("127.0.0.2", {}, false);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  EXPECT_FALSE(source->controlled());
  EXPECT_EQ((*reader)->controller().who, Controller::Who::nobody);
  auto owner = open_at("127.0.0.2");
  ASSERT_TRUE(owner.ok()) << owner.status().to_string();
  EXPECT_TRUE(source->controlled());
  EXPECT_EQ((*reader)->controller().ip, "127.0.0.1");
  auto late_reader = open_at("127.0.0.2", {}, false);
  EXPECT_TRUE(late_reader.ok()) << late_reader.status().to_string();
}

TEST(Camera, HeartbeatIsSet) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  LinkSettings link;
  link.heartbeat = milliseconds(4500);
  const auto camera = open_at("127.0.0.2", link);
  ASSERT_TRUE(camera.ok());
  EXPECT_EQ(source->reg(0x0938), 4500U);
}

TEST(Camera, FourStreamBesideEachOther) {
  std::vector<std::unique_ptr<test_support::Process>> processes;
  std::vector<std::unique_ptr<Camera>> cameras;
  std::vector<std::unique_ptr<Taken>> taken;
  for (int i = 1; i <= 4; ++i) {
    const std::string ip = "127.0.0." + std::to_string(i);
    processes.push_back(fake_camera(ip, "GV0" + std::to_string(i)));
    auto camera = open_at(ip);
    ASSERT_TRUE(camera.ok()) << camera.status().to_string();
    cameras.push_back(std::move(*camera));
    taken.push_back(std::make_unique<Taken>());
    const auto started = cameras.back()->start(ring_name(ip), 0, taken.back()->callback());
    ASSERT_TRUE(started.ok()) << started.to_string();
  }
  for (const auto& of : taken) EXPECT_TRUE(of->wait_for(5));
  for (const auto& camera : cameras) EXPECT_TRUE(camera->stop().ok());
}

TEST(Camera, PacketsAreAsLargeAsGetsThrough) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.max_packet_size = 4000;
  source->set(faults);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("packets"), 0, taken.callback()).ok());
  ASSERT_TRUE(taken.wait_for(3));
  EXPECT_LE((*camera)->packet_size(), 4000);
  EXPECT_GT((*camera)->packet_size(), 3000);
}

TEST(Camera, PacketsAreAsLargeAndAsFarApartAsAsked) {
  auto options = at("127.0.0.2", "GEN2");
  options.tick_hz = 125'000'000;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  LinkSettings link;
  link.packet_size = 1402;
  link.packet_delay_ns = 2000;
  auto camera = open_at("127.0.0.2", link);
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("asked"), 0, taken.callback()).ok());
  EXPECT_TRUE(taken.wait_for(1));
  EXPECT_EQ((*camera)->packet_size(), 1400);
  EXPECT_EQ(source->reg(0x0D08), 250U);
}

TEST(Camera, FramesLargerThanTheLimitAreRefused) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  LinkSettings link;
  link.max_frame_bytes = 100'000;
  auto camera = open_at("127.0.0.2", link);
  ASSERT_TRUE(camera.ok());
  Taken taken;
  const auto small = (*camera)->start(ring_name("limit"), 0, taken.callback());
  EXPECT_EQ(small.code(), base::Code::out_of_range);
  EXPECT_THAT(small.text(), HasSubstr("307200"));
  EXPECT_THAT(small.text(), HasSubstr("100000"));
  EXPECT_FALSE((*camera)->streaming());
}

TEST(Camera, AnAbsurdPayloadIsRefused) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.absurd_payload = true;
  source->set(faults);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  EXPECT_EQ((*camera)->start(ring_name("absurd"), 0, taken.callback()).code(),
            base::Code::out_of_range);
}

class Sockets : public ::testing::TestWithParam<LinkSettings::PacketSocket> {
 protected:
  static LinkSettings link() {
    LinkSettings link;
    link.packet_socket = GetParam();
    return link;
  }
};
INSTANTIATE_TEST_SUITE_P(Camera, Sockets,
                         ::testing::Values(LinkSettings::PacketSocket::on,
                                           LinkSettings::PacketSocket::off));

TEST_P(Sockets, PacketsOfOthersNeverGetIntoAFrameAndAreCounted) {
  auto options = at("127.0.0.2", "GEN2");
  options.width = 160;
  options.height = 120;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.foreign = 200;
  source->set(faults);
  LinkSettings settings = link();
  settings.packet_size = 600;
  auto camera = open_at("127.0.0.2", settings);
  ASSERT_TRUE(camera.ok());
  std::atomic<int> whole{0};
  std::atomic<int> wrong{0};
  const auto check = [&](const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
    if (info.status != FrameStatus::complete) return;
    const FramePtr frame = ring->newest();
    ++(generator::first_wrong(info.format, info.id, frame->pixels) ? wrong : whole);
  };
  ASSERT_TRUE((*camera)->start(ring_name("foreign"), 0, check).ok());
  ASSERT_TRUE(test_support::wait_until([&] { return whole >= 30; }));
  ASSERT_TRUE((*camera)->stop().ok());
  EXPECT_EQ((*camera)->packet_socket(), GetParam() == LinkSettings::PacketSocket::on);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ((*camera)->counters().malformed, 0U);
  EXPECT_GT((*camera)->counters().foreign_packets, 30U);
  EXPECT_GT(source->counters().foreign, 30U);
}

TEST_P(Sockets, LostPacketsAreAskedForAgain) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.loss = 10;
  source->set(faults);
  LinkSettings settings = link();
  settings.packet_size = 1500;
  auto camera = open_at("127.0.0.2", settings);
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("resend"), 0, taken.callback()).ok());
  ASSERT_TRUE(taken.wait_for(20));
  ASSERT_TRUE((*camera)->stop().ok());
  EXPECT_GT((*camera)->counters().resent_packets, 0U);
}

TEST_P(Sockets, WithoutResendFramesWithGapsArePublishedAsSuch) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.loss = 5;
  source->set(faults);
  LinkSettings settings = link();
  settings.resend = false;
  settings.packet_size = 1500;
  auto camera = open_at("127.0.0.2", settings);
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("gaps"), 0, taken.callback()).ok());
  ASSERT_TRUE(test_support::wait_until([&] { return (*camera)->counters().missing_packets >= 3; }));
  ASSERT_TRUE((*camera)->stop().ok());
  std::size_t gaps = 0;
  for (const FrameInfo& info : taken.infos()) {
    if (info.status != FrameStatus::missing_packets) continue;
    ++gaps;
    EXPECT_GT(info.missing, 0U);
  }
  EXPECT_GE(gaps, 3U);
  EXPECT_EQ((*camera)->counters().resent_packets, 0U);
  EXPECT_GT((*camera)->counters().lost_packets, 0U);
}

TEST(Camera, WhatAFrameHasMoreThanAnnouncedIsCutOff) {
  auto options = at("127.0.0.2", "GEN2");
  options.width = 160;
  options.height = 120;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.payload_bytes = 5'000;
  source->set(faults);
  LinkSettings link;
  link.packet_size = 1500;
  auto camera = open_at("127.0.0.2", link);
  ASSERT_TRUE(camera.ok());
  std::atomic<int> whole{0};
  std::atomic<int> wrong{0};
  const auto check = [&](const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
    const FramePtr frame = ring->newest();
    const bool right = info.status == FrameStatus::complete && info.size == 160 * 120 &&
                       !generator::first_wrong(info.format, info.id, frame->pixels);
    ++(right ? whole : wrong);
  };
  ASSERT_TRUE((*camera)->start(ring_name("more"), 0, check).ok());
  EXPECT_TRUE(test_support::wait_until([&] { return whole >= 12; }));
  ASSERT_TRUE((*camera)->stop().ok());
  EXPECT_EQ(wrong, 0);
}

TEST(Camera, FramesWithLessThanTheirSizeTakesAreNeverComplete) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  generator::Faults faults;
  faults.payload_bytes = -10'000;
  source->set(faults);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("less"), 0, taken.callback()).ok());
  ASSERT_TRUE(test_support::wait_until([&] { return taken.infos().size() >= 3; }));
  ASSERT_TRUE((*camera)->stop().ok());
  EXPECT_EQ((*camera)->counters().complete, 0U);
}

TEST(Camera, WhoHoldsAllFramesCausesUnderrunsAndNothingElse) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  LinkSettings link;
  link.buffers = 4;
  auto camera = open_at("127.0.0.2", link);
  ASSERT_TRUE(camera.ok());
  std::mutex mutex;
  std::vector<FramePtr> held;
  std::atomic<std::size_t> frames{0};
  std::atomic<bool> hold{true};
  const auto started = (*camera)->start(
      ring_name("held"), 0, [&](const std::shared_ptr<FrameRing>& ring, const FrameInfo&) {
        const std::lock_guard lock(mutex);
        if (hold) {
          held.push_back(ring->newest());
        } else {
          held.clear();
        }
        ++frames;
      });
  ASSERT_TRUE(started.ok());
  ASSERT_TRUE(test_support::wait_until([&] { return (*camera)->counters().underrun >= 2; }));
  EXPECT_LE(frames, 4U);
  hold = false;
  const std::size_t before = frames;
  {
    const std::lock_guard lock(mutex);
    held.clear();
  }
  EXPECT_TRUE(test_support::wait_until([&] { return frames >= before + 10; }));
  ASSERT_TRUE((*camera)->stop().ok());
}

TEST(Camera, CameraTimeIsMappedToHostTime) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("time"), 0, taken.callback()).ok());
  ASSERT_TRUE(taken.wait_for(10));
  ASSERT_TRUE((*camera)->stop().ok());
  for (const FrameInfo& info : taken.infos()) {
    EXPECT_NE(info.exposed_ns, 0);
    EXPECT_LE(info.exposed_ns, info.arrived_ns + 10'000'000);
    EXPECT_GT(info.exposed_ns, info.arrived_ns - 5'000'000'000);
  }
}

TEST(Camera, WithPtpItsTimeIsHostTime) {
  auto options = at("127.0.0.2", "GEN2");
  options.ptp = true;
  const auto source = own_camera(options);
  ASSERT_TRUE(source);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  Taken taken;
  ASSERT_TRUE((*camera)->start(ring_name("ptp"), 0, taken.callback()).ok());
  ASSERT_TRUE(taken.wait_for(3));
  ASSERT_TRUE((*camera)->stop().ok());
  for (const FrameInfo& info : taken.infos()) EXPECT_EQ(info.exposed_ns, info.camera_ns);
}

TEST(Camera, StreamsAgainAfterAStopAndSequencesGoOn) {
  const auto source = own_camera(at("127.0.0.2", "GEN2"));
  ASSERT_TRUE(source);
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok());
  std::uint64_t sequence = 0;
  for (int i = 0; i < 3; ++i) {
    Taken taken;
    ASSERT_TRUE((*camera)->start(ring_name("again"), sequence, taken.callback()).ok());
    EXPECT_EQ((*camera)->start(ring_name("again"), 0, taken.callback()).code(),
              base::Code::conflict);
    ASSERT_TRUE(taken.wait_for(2));
    ASSERT_TRUE((*camera)->stop().ok());
    EXPECT_EQ(taken.infos().front().sequence, sequence + 1);
    sequence = taken.infos().back().sequence;
  }
  EXPECT_GE((*camera)->counters().complete, 6U);
}

}  // namespace
}  // namespace gige

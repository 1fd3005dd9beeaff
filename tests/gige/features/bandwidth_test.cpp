#include "gige/bandwidth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace gige {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Bandwidth, AGigabitCarriesWhatThePhysicsSay) {
  // 119.0 MB/s of pixels at MTU 1500, 124.0 MB/s at 9000: 8 GVSP + 28 IP/UDP + 38 Ethernet.
  for (const auto& [size, bytes] : {std::pair(1500, 118.99e6), std::pair(9000, 123.98e6)}) {
    const Budget one = budget({{"a", 100'000'000, bytes / 1e8, size}}, 1000);
    EXPECT_NEAR(one.percent, 100, 0.01) << size;
  }
}

TEST(Bandwidth, TheDelaySpreadsAFrameOverItsPeriodAndNotBeyond) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    const Load load{"a", 1000 + random() % 20'000'000,
                    0.1 + static_cast<double>(random() % 1000) / 10,
                    576 + static_cast<int>(random() % 8424)};
    const Budget one = budget({load}, 1000);
    const Share& share = one.shares.front();
    const double packets =
        std::ceil(static_cast<double>(load.frame_bytes) / (load.packet_size - packet_headers)) + 2;
    const double sending_s = share.wire_bytes / 125e6;
    const double spread_s = sending_s + packets * static_cast<double>(share.delay_ns) / 1e9;
    EXPECT_LE(spread_s, std::max(sending_s, 0.9 / load.frames_per_s) + 1e-6);
    EXPECT_GE(share.delay_ns, 0);
  }
}

TEST(Bandwidth, HoweverRareFramesAreTheDelayIsOne) {
  const Budget rare = budget({{"a", 1000, 1e-300, 1500}}, 1000);
  EXPECT_EQ(rare.shares.front().delay_ns, INT64_MAX);
}

TEST(Bandwidth, WhatFitsBesideTheOthersFits) {
  const std::vector<Load> loads{{"a", 2'000'000, 20, 1500}, {"b", 300'000, 60, 9000}};
  const Budget both = budget(loads, 1000);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    std::vector<Load> faster = loads;
    faster[i].frames_per_s = both.shares[i].longest_rate;
    EXPECT_NEAR(budget(faster, 1000).percent, 90, 0.1);
  }
}

TEST(Doctor, NothingLostIsNothingAmiss) {
  Evidence evidence;
  evidence.counters.complete = 100;
  evidence.packet_size = 9000;
  evidence.mtu = 9000;
  EXPECT_THAT(diagnose(evidence), IsEmpty());
}

TEST(Doctor, EveryCauseHasItsCure) {
  Evidence plain;
  plain.counters = {50, 50};
  plain.packet_size = 1500;
  plain.mtu = 1500;
  plain.frame_bytes = 12'000'000;
  plain.receive_buffer_max = 212'992;
  plain.interface = "eth1";
  const std::vector<Finding> findings = diagnose(plain);
  std::string all;
  for (const Finding& finding : findings) all += finding.cause + " -> " + finding.cure + "\n";
  EXPECT_THAT(all, HasSubstr("setcap cap_net_raw+ep"));
  EXPECT_THAT(all, HasSubstr("sysctl -w net.core.rmem_max=48000000"));
  EXPECT_THAT(all, HasSubstr("ip link set eth1 mtu 9000"));
  EXPECT_THAT(all, HasSubstr("does not resend"));
  Evidence silent;
  silent.triggered = true;
  EXPECT_THAT(diagnose(silent)[0].cause, HasSubstr("TriggerMode is On"));
  Evidence full;
  full.counters.underrun = 3;
  full.buffers = 8;
  full.link_percent = 120;
  full.mtu = 9000;
  full.packet_size = 9000;
  ASSERT_EQ(diagnose(full).size(), 2u);
  EXPECT_THAT(diagnose(full)[0].cause, HasSubstr("120 % of the link"));
  EXPECT_THAT(diagnose(full)[1].cure, HasSubstr("raise buffers"));
}

}  // namespace
}  // namespace gige

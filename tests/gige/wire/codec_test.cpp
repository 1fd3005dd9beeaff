// Packets of GVCP and GVSP, and the picture: what goes in comes out.
#include <gtest/gtest.h>

#include <random>

#include "generator/gvcp.hpp"
#include "generator/gvsp.hpp"
#include "generator/pattern.hpp"

namespace {

namespace gvcp = generator::gvcp;
namespace gvsp = generator::gvsp;
using generator::Bytes;

TEST(Gvcp, CommandIsTheSameAfterSerializeAndParse) {
  std::mt19937 random(1);
  for (int turn = 0; turn < 200; ++turn) {
    gvcp::Command in{gvcp::Type::write_memory, static_cast<std::uint8_t>(random()),
                     static_cast<std::uint16_t>(1 + random() % 65535), Bytes(random() % 540)};
    for (std::uint8_t& byte : in.payload) byte = static_cast<std::uint8_t>(random());
    const auto out = gvcp::parse(gvcp::serialize(in));
    ASSERT_TRUE(out);
    EXPECT_EQ(out->type, in.type);
    EXPECT_EQ(out->flags, in.flags);
    EXPECT_EQ(out->id, in.id);
    EXPECT_EQ(out->payload, in.payload);
  }
}

TEST(Gvcp, WhatIsNoCommandIsNotParsed) {
  const Bytes good = gvcp::serialize({gvcp::Type::discovery, 1, 7, {}});
  Bytes wrong_key = good;
  wrong_key[0] = 0x43;
  EXPECT_FALSE(gvcp::parse(wrong_key));
  Bytes too_short = good;
  too_short[5] = 1;
  EXPECT_FALSE(gvcp::parse(too_short));
  Bytes id_zero = good;
  id_zero[7] = 0;
  EXPECT_FALSE(gvcp::parse(id_zero));
  EXPECT_FALSE(gvcp::parse(Bytes{0x42}));
}

TEST(Gvcp, AnswerHasTheCommandsNumberPlusOneAndItsId) {
  const gvcp::Command command{gvcp::Type::read_register, 1, 0x1234, {}};
  const Bytes payload{1, 2, 3, 4};
  EXPECT_EQ(gvcp::answer(command, gvcp::Answer::access_denied, payload),
            (Bytes{0x80, 0x06, 0x00, 0x81, 0x00, 0x04, 0x12, 0x34, 1, 2, 3, 4}));
}

TEST(Gvcp, ResendIsTheSameAfterMakeAndParseWithShortAndLongIds) {
  for (const gvcp::Resend in :
       {gvcp::Resend{0, 17, 3, 9}, gvcp::Resend{0, 1ULL << 40, 0, 1 << 25}}) {
    EXPECT_EQ(gvcp::packet_resend(gvcp::make(in, 5)), in);
  }
  gvcp::Command backwards = gvcp::make({0, 17, 9, 3}, 5);
  EXPECT_FALSE(gvcp::packet_resend(backwards));
}

TEST(Gvcp, PayloadsOfTheWrongSizeAreRefused) {
  const auto with = [](std::size_t bytes) {
    return gvcp::Command{gvcp::Type::read_register, 1, 1, Bytes(bytes)};
  };
  for (const std::size_t bytes : {0, 3, 5, 7}) {
    EXPECT_FALSE(gvcp::read_register(with(bytes))) << bytes;
    EXPECT_FALSE(gvcp::write_register(with(bytes))) << bytes;
    EXPECT_FALSE(gvcp::read_memory(with(bytes))) << bytes;
    EXPECT_FALSE(gvcp::packet_resend(with(bytes))) << bytes;
  }
  EXPECT_FALSE(gvcp::write_memory(with(4)));
  EXPECT_FALSE(gvcp::write_memory(with(4 + 537)));
}

TEST(Gvsp, HeaderLeaderAndTrailerAreTheSameAfterPackAndParse) {
  const gvsp::Header header{gvsp::status_resent, 65535, gvsp::Format::payload, 0xABCDEF};
  EXPECT_EQ(gvsp::parse(gvsp::pack(header)), header);
  const gvsp::Image image{0x123456789ABCDEF0, 0x01080001, 4096, 3000, 16, 2};
  const auto leader = gvsp::leader(9, image);
  EXPECT_EQ(gvsp::parse_leader(leader), image);
  EXPECT_EQ(gvsp::parse(leader), (gvsp::Header{0, 9, gvsp::Format::leader, 0}));
  const auto trailer = gvsp::trailer(9, 44, 3000);
  EXPECT_EQ(gvsp::parse_trailer(trailer), 3000U);
  EXPECT_EQ(gvsp::parse(trailer), (gvsp::Header{0, 9, gvsp::Format::trailer, 44}));
  EXPECT_FALSE(gvsp::parse_leader(trailer));
  EXPECT_FALSE(gvsp::parse_trailer(leader));
}

TEST(Gvsp, PacketSizeCountsTheHeadersOfIpAndUdp) {
  EXPECT_EQ(gvsp::payload_of(1500), 1464U);
  EXPECT_EQ(gvsp::packets_of(1464, 1500), 1U);
  EXPECT_EQ(gvsp::packets_of(1465, 1500), 2U);
}

TEST(Pattern, TableIsWhatTheFunctionSaysForEveryFormat) {
  for (const generator::PixelFormat& format : generator::pixel_formats()) {
    const std::size_t bytes = generator::image_bytes(format.code, 64, 48);
    const generator::Pattern pattern(format.code, bytes);
    for (const std::uint64_t block : {1, 2, 4095, 4096, 65535}) {
      const auto frame = pattern.frame(block);
      ASSERT_EQ(frame.size(), bytes);
      for (std::size_t at = 0; at < bytes; ++at) {
        ASSERT_EQ(frame[at], generator::pattern_byte(format.code, block, at)) << format.name;
      }
      EXPECT_EQ(generator::first_wrong(format.code, block, frame), std::nullopt);
    }
  }
}

TEST(Pattern, DeepPixelsKeepTheirUnusedBitsZero) {
  const std::uint32_t mono12 = generator::find_format("Mono12")->code;
  for (std::size_t at = 1; at < 10'000; at += 2) {
    ASSERT_LT(generator::pattern_byte(mono12, 3, at), 16) << at;
  }
}

TEST(Pattern, AWrongByteAndAPacketInTheWrongPlaceAreSeen) {
  const std::uint32_t mono8 = generator::find_format("Mono8")->code;
  const auto source = generator::Pattern(mono8, 20'000);
  Bytes frame(source.frame(5).begin(), source.frame(5).end());
  frame[12'345] ^= 1;
  EXPECT_EQ(generator::first_wrong(mono8, 5, frame), 12'345U);
  frame[12'345] ^= 1;
  EXPECT_EQ(generator::first_wrong(mono8, 6, frame), 0U);
  std::swap_ranges(frame.begin(), frame.begin() + 1464, frame.begin() + 1464);
  EXPECT_TRUE(generator::first_wrong(mono8, 5, frame));
}

}  // namespace

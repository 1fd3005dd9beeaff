#include "modbus/mbap.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "modbus/random.hpp"

namespace modbus {
namespace {

using modbus_test::Random;

struct Frame {
  std::uint16_t transaction;
  std::uint8_t unit;
  std::vector<std::uint8_t> pdu;
  friend bool operator==(const Frame&, const Frame&) = default;
};

void append(std::vector<std::uint8_t>& stream, const Frame& frame) {
  std::array<std::uint8_t, max_adu_bytes> out;
  const std::size_t size = encode({frame.transaction, frame.unit, frame.pdu}, out);
  stream.insert(stream.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size));
}

// Feeds a stream in random pieces. Returns the frames; malformed says whether it ended early.
std::vector<Frame> decode_in_pieces(MbapDecoder& decoder, Bytes stream, Random& random,
                                    bool& malformed) {
  std::vector<Frame> frames;
  malformed = false;
  while (!stream.empty()) {
    const std::span<std::uint8_t> space = decoder.space();
    EXPECT_FALSE(space.empty());
    const std::size_t most = std::min({space.size(), stream.size(), std::size_t{300}});
    const std::size_t piece = random.number(1, static_cast<std::uint32_t>(most));
    std::ranges::copy(stream.first(piece), space.begin());
    decoder.received(piece);
    stream = stream.subspan(piece);
    for (;;) {
      const auto next = decoder.next();
      if (!next) {
        malformed = true;
        return frames;
      }
      if (!next->has_value()) break;
      const Adu& adu = **next;
      frames.push_back({adu.transaction, adu.unit, {adu.pdu.begin(), adu.pdu.end()}});
    }
  }
  return frames;
}

TEST(Mbap, FrameIsThatOfTheSpecification) {
  std::array<std::uint8_t, max_adu_bytes> out;
  const Pdu pdu = read_request({Table::holding, 4, 1});
  const std::size_t size = encode({0x1501, 0xff, pdu.bytes()}, out);
  EXPECT_THAT(std::vector<std::uint8_t>(out.begin(), out.begin() + static_cast<int>(size)),
              ::testing::ElementsAre(0x15, 1, 0, 0, 0, 6, 0xff, 3, 0, 4, 0, 1));
}

TEST(Mbap, FramesSurviveAnyCuttingOfTheStream) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::vector<Frame> sent;
    std::vector<std::uint8_t> stream;
    for (std::uint32_t i = 0; i < random.number(1, 40); ++i) {
      sent.push_back({static_cast<std::uint16_t>(random.number(0, 65535)),
                      static_cast<std::uint8_t>(random.number(0, 255)),
                      random.bytes(random.number(1, max_pdu_bytes))});
      append(stream, sent.back());
    }
    MbapDecoder decoder;
    bool malformed = false;
    ASSERT_EQ(decode_in_pieces(decoder, stream, random, malformed), sent) << "seed " << seed;
    ASSERT_FALSE(malformed) << "seed " << seed;
  }
}

TEST(Mbap, RandomAndMutatedBytesNeverOverrunAndFramesStayWithinLimits) {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    std::vector<std::uint8_t> stream;
    for (int i = 0; i < 10; ++i) append(stream, {7, 1, random.bytes(random.number(1, 253))});
    const std::uint32_t flips = random.number(1, 20);
    for (std::uint32_t i = 0; i < flips; ++i) {
      stream[random.number(0, static_cast<std::uint32_t>(stream.size() - 1))] =
          static_cast<std::uint8_t>(random.number(0, 255));
    }
    if (random.chance(0.2)) stream = random.bytes(500);
    MbapDecoder decoder;
    bool malformed = false;
    for (const Frame& frame : decode_in_pieces(decoder, stream, random, malformed)) {
      ASSERT_GE(frame.pdu.size(), 1u) << "seed " << seed;
      ASSERT_LE(frame.pdu.size(), max_pdu_bytes) << "seed " << seed;
    }
  }
}

TEST(Mbap, WrongLengthOrProtocolIsMalformedUntilReset) {
  const std::vector<std::vector<std::uint8_t>> headers = {
      {0, 1, 0, 0, 0, 0},     {0, 1, 0, 0, 0, 1}, {0, 1, 0, 0, 0, 255},
      {0, 1, 0, 0, 255, 255}, {0, 1, 0, 1, 0, 6}, {'H', 'T', 'T', 'P', '/', '1'}};
  for (const auto& header : headers) {
    MbapDecoder decoder;
    std::ranges::copy(header, decoder.space().begin());
    decoder.received(header.size());
    EXPECT_EQ(decoder.next().status().code(), base::Code::malformed);
    EXPECT_EQ(decoder.next().status().code(), base::Code::malformed);
    decoder.reset();
    EXPECT_TRUE(decoder.next().ok());
  }
}

TEST(Mbap, AHalfFrameIsWaitedFor) {
  std::vector<std::uint8_t> stream;
  append(stream, {1, 1, {3, 2, 0, 1}});
  MbapDecoder decoder;
  for (const std::uint8_t byte : stream) {
    ASSERT_FALSE(decoder.next()->has_value());
    decoder.space()[0] = byte;
    decoder.received(1);
  }
  EXPECT_TRUE(decoder.next()->has_value());
}

}  // namespace
}  // namespace modbus

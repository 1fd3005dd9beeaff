#include "modbus/rtu.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "modbus/random.hpp"

namespace modbus {
namespace {

using modbus_test::Random;
using ByteVector = std::vector<std::uint8_t>;

struct Found {
  std::uint8_t unit;
  ByteVector pdu;
  bool awaited;
  friend bool operator==(const Found&, const Found&) = default;
};

ByteVector frame(std::uint8_t unit, const ByteVector& pdu) {
  std::array<std::uint8_t, max_rtu_bytes> out;
  const std::size_t size = encode_rtu(unit, pdu, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

ByteVector registers_answer(Random& random, std::uint16_t count) {
  ByteVector pdu = {3, static_cast<std::uint8_t>(2 * count)};
  const ByteVector data = random.bytes(2u * count);
  pdu.insert(pdu.end(), data.begin(), data.end());
  return pdu;
}

// Feeds stream in random pieces; everything that was found, in order.
std::vector<Found> decode_in_pieces(RtuDecoder& decoder, Bytes stream, Random& random) {
  std::vector<Found> found;
  while (!stream.empty()) {
    const std::span<std::uint8_t> space = decoder.space();
    EXPECT_FALSE(space.empty());
    const std::size_t most = std::min({space.size(), stream.size(), std::size_t{100}});
    const std::size_t piece = random.number(1, static_cast<std::uint32_t>(most));
    std::ranges::copy(stream.first(piece), space.begin());
    decoder.received(piece);
    stream = stream.subspan(piece);
    while (const auto next = decoder.next()) {
      found.push_back({next->unit, {next->pdu.begin(), next->pdu.end()}, next->awaited});
    }
  }
  return found;
}

TEST(Rtu, FrameAndChecksumAreThoseOfTheSpecification) {
  // Unit 1 is asked for ten holding registers from 0: a frame every manual shows.
  EXPECT_THAT(frame(1, {3, 0, 0, 0, 10}), ::testing::ElementsAre(1, 3, 0, 0, 0, 10, 0xc5, 0xcd));
  const std::string digits = "123456789";
  EXPECT_EQ(crc16(Bytes(reinterpret_cast<const std::uint8_t*>(digits.data()), digits.size())),
            0x4b37);  // the check value of CRC-16/MODBUS
}

TEST(Rtu, LengthsOfAnswersFollowFromRequests) {
  EXPECT_EQ(rtu_answer_bytes(read_request({Table::holding, 0, 125}).bytes()), 255u);
  EXPECT_EQ(rtu_answer_bytes(read_request({Table::coils, 0, 9}).bytes()), 7u);
  EXPECT_EQ(rtu_answer_bytes(write_register_request(1, 2).bytes()), 8u);
  EXPECT_EQ(rtu_answer_bytes(write_coil_request(1, true).bytes()), 8u);
}

TEST(Rtu, TheAwaitedAnswerIsFoundBehindAnyNoiseInAnyPieces) {
  for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
    Random random(seed);
    const auto count = static_cast<std::uint16_t>(random.number(1, 125));
    const auto unit = static_cast<std::uint8_t>(random.number(1, 247));
    const ByteVector pdu =
        random.chance(0.2) ? ByteVector{0x83, 2} : registers_answer(random, count);
    ByteVector stream = random.bytes(random.number(0, 300));
    const ByteVector answer = frame(unit, pdu);
    stream.insert(stream.end(), answer.begin(), answer.end());
    RtuDecoder decoder;
    decoder.await(unit, read_request({Table::holding, 7, count}).bytes());
    const std::vector<Found> found = decode_in_pieces(decoder, stream, random);
    ASSERT_FALSE(found.empty()) << "seed " << seed;
    ASSERT_EQ(found.back(), (Found{unit, pdu, true})) << "seed " << seed;
  }
}

TEST(Rtu, AFlippedBitIsNeverAnAnswer) {
  Random random(1);
  const ByteVector good = frame(1, registers_answer(random, 10));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    ByteVector damaged = good;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1u << bit % 8);
    RtuDecoder decoder;
    decoder.await(1, read_request({Table::holding, 0, 10}).bytes());
    for (const Found& found : decode_in_pieces(decoder, damaged, random)) {
      ASSERT_FALSE(found.awaited) << "bit " << bit;
    }
  }
}

TEST(Rtu, FramesOfOthersAreToldApartAndNotSearchedForAnswers) {
  Random random(2);
  const ByteVector answer = frame(1, {3, 2, 0, 5});
  ByteVector hiding = {3, 8};  // another unit's registers that look like our answer
  hiding.insert(hiding.end(), answer.begin(), answer.end());
  hiding.push_back(0);
  ByteVector stream = frame(9, hiding);
  const ByteVector other = frame(1, {6, 0, 1, 0, 2});
  stream.insert(stream.end(), other.begin(), other.end());
  RtuDecoder decoder;
  decoder.await(1, read_request({Table::holding, 0, 1}).bytes());
  std::ranges::copy(stream, decoder.space().begin());
  decoder.received(stream.size());
  auto first = decoder.next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->unit, 9);
  EXPECT_FALSE(first->awaited);
  auto second = decoder.next();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->pdu[0], 6);
  EXPECT_FALSE(second->awaited);
  EXPECT_FALSE(decoder.next().has_value());
  EXPECT_EQ(decoder.skipped_bytes(), 0u);
}

TEST(Rtu, AWrongChecksumIsCountedAndSkipped) {
  Random random(3);
  ByteVector stream = frame(1, {3, 2, 0, 5});
  stream.back() ^= 1;
  const ByteVector good = frame(1, {3, 2, 0, 6});
  stream.insert(stream.end(), good.begin(), good.end());
  RtuDecoder decoder;
  decoder.await(1, read_request({Table::holding, 0, 1}).bytes());
  const auto found = decode_in_pieces(decoder, stream, random);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], (Found{1, {3, 2, 0, 6}, true}));
  EXPECT_EQ(decoder.malformed(), 1u);
  EXPECT_EQ(decoder.skipped_bytes(), 7u);
}

TEST(Rtu, HalfAFrameIsDroppedBySilence) {
  Random random(4);
  ByteVector half = frame(1, {3, 4, 1, 2, 3, 4});
  half.resize(5);
  RtuDecoder decoder;
  EXPECT_TRUE(decode_in_pieces(decoder, half, random).empty());
  decoder.silent();
  EXPECT_FALSE(decoder.next().has_value());
  EXPECT_EQ(decoder.skipped_bytes(), 5u);
  decoder.await(1, read_request({Table::holding, 0, 1}).bytes());
  EXPECT_EQ(decode_in_pieces(decoder, frame(1, {3, 2, 0, 6}), random).size(), 1u);
}

TEST(Rtu, EndlessNoiseStaysWithinFixedMemory) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    RtuDecoder decoder;
    decoder.await(1, read_request({Table::holding, 0, 125}).bytes());
    const ByteVector noise = random.bytes(10'000);
    for (const Found& found : decode_in_pieces(decoder, noise, random)) {
      ASSERT_FALSE(found.awaited) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace modbus

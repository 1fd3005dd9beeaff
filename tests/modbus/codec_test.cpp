#include "modbus/codec.hpp"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>

#include "modbus/random.hpp"

namespace modbus {
namespace {

using base::Code;
using dmi::Type;
using dmi::Value;
using modbus_test::Random;
using ::testing::HasSubstr;

Place place_of(DataType data, Type type, bool swap_bytes = false, bool swap_words = false) {
  return {{Table::holding, 40, words_of(data)}, data, type, swap_bytes, swap_words};
}

Type natural(DataType data) {
  if (data == DataType::boolean) return Type::boolean;
  if (data == DataType::float32) return Type::float32;
  return data == DataType::float64 ? Type::float64 : Type::integer;
}

std::vector<std::uint8_t> wire(const Words& words) {
  std::vector<std::uint8_t> bytes;
  for (const std::uint16_t word : words.view()) {
    bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    bytes.push_back(static_cast<std::uint8_t>(word & 0xff));
  }
  return bytes;
}

Value random_value(DataType data, Random& random) {
  const std::uint64_t bits = random.bits64();
  switch (data) {
    case DataType::boolean:
      return (bits & 1) != 0;
    case DataType::int16:
      return std::int64_t{static_cast<std::int16_t>(bits)};
    case DataType::uint16:
      return std::int64_t{static_cast<std::uint16_t>(bits)};
    case DataType::int32:
      return std::int64_t{static_cast<std::int32_t>(bits)};
    case DataType::uint32:
      return std::int64_t{static_cast<std::uint32_t>(bits)};
    case DataType::int64:
      return static_cast<std::int64_t>(bits);
    case DataType::uint64:
      return static_cast<std::int64_t>(bits >> 1);
    case DataType::float32: {
      const auto number = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      return std::isfinite(number) ? static_cast<double>(number) : 0.5;
    }
    case DataType::float64:
      break;
  }
  const auto number = std::bit_cast<double>(bits);
  return std::isfinite(number) ? number : 0.5;
}

TEST(Codec, WhatIsWrittenIsReadBackInEveryTypeAndOrder) {
  for (int data = 0; data <= static_cast<int>(DataType::float64); ++data) {
    for (int order = 0; order < 4; ++order) {
      const auto type = static_cast<DataType>(data);
      const Place place = place_of(type, natural(type), (order & 1) != 0, (order & 2) != 0);
      for (std::uint32_t seed = 1; seed <= 500; ++seed) {
        Random random(seed);
        const Value value = random_value(type, random);
        const auto words = encode(place, value);
        ASSERT_TRUE(words.ok()) << name(type) << " seed " << seed;
        const auto back = decode(place, wire(*words), 0);
        ASSERT_TRUE(back.ok()) << name(type) << " seed " << seed;
        ASSERT_EQ(*back, value) << name(type) << " order " << order << " seed " << seed;
      }
    }
  }
}

TEST(Codec, AnyBitsDecodeToAFiniteValueOrAReason) {
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    Random random(seed);
    const auto type = static_cast<DataType>(random.number(0, 8));
    const Place place =
        place_of(type,
                 static_cast<Type>(random.chance(0.5) ? random.number(0, 2)
                                                      : static_cast<unsigned>(natural(type))),
                 random.chance(0.5), random.chance(0.5));
    const auto value = decode(place, random.bytes(8), 0);
    double number = 0;
    if (value) {
      ASSERT_TRUE(dmi::to_number(*value, number)) << "seed " << seed;
      ASSERT_TRUE(std::isfinite(number)) << "seed " << seed;
    } else {
      ASSERT_EQ(value.status().code(), Code::out_of_range) << "seed " << seed;
    }
  }
}

TEST(Codec, TheFourOrdersAreAbcdBadcCdabDcba) {
  // 0x0A0B0C0D as int32, in the order its bytes have on the wire.
  const struct {
    std::vector<std::uint8_t> wire;
    bool swap_bytes;
    bool swap_words;
  } orders[] = {{{0x0a, 0x0b, 0x0c, 0x0d}, false, false},
                {{0x0b, 0x0a, 0x0d, 0x0c}, true, false},
                {{0x0c, 0x0d, 0x0a, 0x0b}, false, true},
                {{0x0d, 0x0c, 0x0b, 0x0a}, true, true}};
  for (const auto& order : orders) {
    const Place place =
        place_of(DataType::int32, Type::integer, order.swap_bytes, order.swap_words);
    EXPECT_EQ(*decode(place, order.wire, 0), Value(std::int64_t{0x0a0b0c0d}));
    EXPECT_EQ(wire(*encode(place, std::int64_t{0x0a0b0c0d})), order.wire);
  }
}

TEST(Codec, ValuesAreTakenFromTheirOffsetInTheBlock) {
  const std::uint8_t block[] = {0, 1, 0, 2, 0x42, 0x28, 0, 0, 0, 9};
  EXPECT_EQ(*decode(place_of(DataType::float32, Type::float32), block, 2), Value(42.0));
  EXPECT_EQ(*decode(place_of(DataType::uint16, Type::integer), block, 4), Value(std::int64_t{9}));
  const std::uint8_t bits[] = {0b10000000, 0b00000001};
  const Place coil{{Table::coils, 7, 1}, DataType::boolean, Type::boolean, false, false};
  EXPECT_EQ(*decode(coil, bits, 7), Value(true));
  EXPECT_EQ(*decode(coil, bits, 8), Value(true));
  EXPECT_EQ(*decode(coil, bits, 9), Value(false));
}

TEST(Codec, IntegerRegistersOfAFloatPropertyBecomeDoubles) {
  const std::uint8_t block[] = {0xff, 0xfe};
  EXPECT_EQ(*decode(place_of(DataType::int16, Type::float32), block, 0), Value(-2.0));
  EXPECT_EQ(*decode(place_of(DataType::uint16, Type::boolean), block, 0), Value(true));
}

TEST(Codec, UnsignedBeyondInt64AndNotANumberAreOutOfRange) {
  const std::vector<std::uint8_t> ones(8, 0xff);
  EXPECT_THAT(decode(place_of(DataType::uint64, Type::integer), ones, 0).status().text(),
              HasSubstr("18446744073709551615 in holding 40..43 is above 9223372036854775807"));
  EXPECT_EQ(decode(place_of(DataType::float32, Type::float32), ones, 0).status().code(),
            Code::out_of_range);
  EXPECT_TRUE(decode(place_of(DataType::uint64, Type::float64), ones, 0).ok());
}

TEST(Codec, ValuesThatDoNotFitAreRefusedWithTheLimits) {
  const auto refused = [](DataType data, const Value& value) {
    const auto words = encode(place_of(data, natural(data)), value);
    EXPECT_FALSE(words.ok());
    return words.status().to_string();
  };
  EXPECT_EQ(refused(DataType::uint16, std::int64_t{65536}),
            "out_of_range: 65536 does not fit in uint16 (0..65535)");
  EXPECT_EQ(refused(DataType::int16, -32769.0),
            "out_of_range: -32769 does not fit in int16 (-32768..32767)");
  EXPECT_THAT(refused(DataType::uint32, -0.6), HasSubstr("out_of_range"));
  EXPECT_THAT(refused(DataType::int64, 9223372036854775808.0), HasSubstr("out_of_range"));
  EXPECT_THAT(refused(DataType::int64, std::nan("")), HasSubstr("out_of_range"));
  EXPECT_THAT(refused(DataType::float32, 1e39), HasSubstr("does not fit in float32"));
  EXPECT_THAT(refused(DataType::uint16, std::string("x")), HasSubstr("invalid"));
  EXPECT_EQ(encode_bit(std::int64_t{2}).status().code(), Code::out_of_range);
  EXPECT_TRUE(*encode_bit(true));
}

TEST(Codec, UndoneScaleIsRoundedToTheRegister) {
  const Place place = place_of(DataType::uint16, Type::float32);
  EXPECT_EQ(encode(place, 21.5 / 0.1)->words[0], 215);
  EXPECT_EQ(encode(place, 214.99999999999997)->words[0], 215);
}

}  // namespace
}  // namespace modbus

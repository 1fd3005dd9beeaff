#include "modbus/codec.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "modbus/places.hpp"
#include "modbus/random.hpp"

namespace modbus {
namespace {

using base::Code;
using dmi::Type;
using dmi::Value;
using modbus_test::Json;
using modbus_test::natural;
using modbus_test::Random;
using modbus_test::read;
using modbus_test::wire;
using modbus_test::written;
using ::testing::HasSubstr;

constexpr DataType last_number = DataType::bcd64;

Place place_of(DataType data, Type type, bool swap_bytes = false, bool swap_words = false) {
  return modbus_test::place(
      type, Json{{"dataType", name(data)}, {"isSwap", swap_bytes}, {"isRegisterSwap", swap_words}});
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
    case DataType::int48:
      return static_cast<std::int64_t>(bits) >> 16;
    case DataType::uint48:
      return static_cast<std::int64_t>(bits >> 16);
    case DataType::int64:
      return static_cast<std::int64_t>(bits);
    case DataType::bcd16:
      return static_cast<std::int64_t>(bits % 10'000);
    case DataType::bcd32:
      return static_cast<std::int64_t>(bits % 100'000'000);
    case DataType::bcd64:
      return static_cast<std::int64_t>(bits % 10'000'000'000'000'000);
    case DataType::uint64:
      return static_cast<std::int64_t>(bits >> 1);
    case DataType::float32: {
      const auto number = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      return std::isfinite(number) ? static_cast<double>(number) : 0.5;
    }
    default:
      break;
  }
  const auto number = std::bit_cast<double>(bits);
  return std::isfinite(number) ? number : 0.5;
}

TEST(Codec, WhatIsWrittenIsReadBackInEveryTypeAndOrder) {
  for (int data = 0; data <= static_cast<int>(last_number); ++data) {
    for (int order = 0; order < 4; ++order) {
      const auto type = static_cast<DataType>(data);
      const Place place = place_of(type, natural(type), (order & 1) != 0, (order & 2) != 0);
      for (std::uint32_t seed = 1; seed <= 500; ++seed) {
        Random random(seed);
        const Value value = random_value(type, random);
        const auto back = read(place, written(place, value));
        ASSERT_TRUE(back.ok()) << name(type) << " seed " << seed;
        ASSERT_EQ(*back, value) << name(type) << " order " << order << " seed " << seed;
      }
    }
  }
}

TEST(Codec, LimitsOfEveryTypeAreTakenAndOneBeyondIsNot) {
  const struct {
    DataType data;
    std::int64_t low;
    std::int64_t high;
  } cases[] = {{DataType::int16, -32768, 32767},
               {DataType::uint16, 0, 65535},
               {DataType::int32, INT32_MIN, INT32_MAX},
               {DataType::uint32, 0, 4294967295},
               {DataType::int48, -140737488355328, 140737488355327},
               {DataType::uint48, 0, 281474976710655},
               {DataType::bcd16, 0, 9999},
               {DataType::bcd32, 0, 99999999},
               {DataType::bcd64, 0, 9999999999999999}};
  for (const auto& one : cases) {
    const Place place = place_of(one.data, Type::integer);
    for (const std::int64_t number : {one.low, one.high}) {
      EXPECT_EQ(*read(place, written(place, number)), Value(number)) << name(one.data);
    }
    for (const std::int64_t number : {one.low - 1, one.high + 1}) {
      EXPECT_THAT(modbus_test::refused(place, number),
                  HasSubstr(base::cat("out_of_range: ", number, " does not fit in ", name(one.data),
                                      " (", one.low, "..", one.high, ")")));
    }
  }
  for (const DataType data : {DataType::int64, DataType::uint64}) {
    const Place place = place_of(data, Type::integer);
    EXPECT_EQ(*read(place, written(place, INT64_MAX)), Value(std::int64_t{INT64_MAX}));
  }
}

TEST(Codec, AnyBitsDecodeToAFiniteValueOrAReason) {
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    Random random(seed);
    const auto type = static_cast<DataType>(random.number(0, static_cast<unsigned>(last_number)));
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
      ASSERT_EQ(value.status().code(), is_bcd(type) ? Code::malformed : Code::out_of_range)
          << "seed " << seed;
    }
  }
}

TEST(Codec, TheFourOrdersAreAbcdBadcCdabDcba) {
  // 0x0A0B0C0D as int32, in the order its bytes have on the wire.
  const struct {
    std::vector<std::uint16_t> words;
    bool swap_bytes;
    bool swap_words;
    const char* order;
  } orders[] = {{{0x0a0b, 0x0c0d}, false, false, "ABCD"},
                {{0x0b0a, 0x0d0c}, true, false, "BADC"},
                {{0x0c0d, 0x0a0b}, false, true, "CDAB"},
                {{0x0d0c, 0x0b0a}, true, true, "DCBA"}};
  for (const auto& order : orders) {
    for (const Place& place :
         {place_of(DataType::int32, Type::integer, order.swap_bytes, order.swap_words),
          modbus_test::place(Type::integer,
                             Json{{"dataType", "int32"}, {"byteOrder", order.order}})}) {
      EXPECT_EQ(*read(place, order.words), Value(std::int64_t{0x0a0b0c0d}));
      EXPECT_EQ(written(place, std::int64_t{0x0a0b0c0d}), order.words);
    }
  }
}

// A letter at a wire position says which byte of the number stands there.
TEST(Codec, AllOrdersOfFourBytesAreReadAndWritten) {
  std::string letters = "ABCD";
  int orders = 0;
  do {
    const Place place =
        modbus_test::place(Type::integer, Json{{"dataType", "int32"}, {"byteOrder", letters}});
    std::vector<std::uint16_t> words(2);
    for (std::size_t i = 0; i < 4; ++i) {
      const auto byte = static_cast<unsigned>(letters[i] - 'A' + 0x0a);
      words[i / 2] = static_cast<std::uint16_t>(words[i / 2] << 8 | byte);
    }
    EXPECT_EQ(*read(place, words), Value(std::int64_t{0x0a0b0c0d})) << letters;
    EXPECT_EQ(written(place, std::int64_t{0x0a0b0c0d}), words) << letters;
    ++orders;
  } while (std::next_permutation(letters.begin(), letters.end()));
  EXPECT_EQ(orders, 24);
}

TEST(Codec, AnyOrderOfTwoSixAndEightBytesIsReadBack) {
  for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
    Random random(seed);
    const DataType types[] = {DataType::int16, DataType::int48, DataType::float64};
    const DataType type = types[random.number(0, 2)];
    std::string letters = std::string("ABCDEFGH").substr(0, 2u * words_of(type));
    for (std::size_t i = letters.size(); i > 1; --i) {
      std::swap(letters[i - 1], letters[random.number(0, static_cast<unsigned>(i - 1))]);
    }
    const Place place =
        modbus_test::place(natural(type), Json{{"dataType", name(type)}, {"byteOrder", letters}});
    const Value value = random_value(type, random);
    ASSERT_EQ(*read(place, written(place, value)), value) << letters << " seed " << seed;
  }
  const Place place =
      modbus_test::place(Type::integer, Json{{"dataType", "int64"}, {"byteOrder", "GHEFCDAB"}});
  EXPECT_EQ(*read(place, {0x0708, 0x0506, 0x0304, 0x0102}),
            Value(std::int64_t{0x0102030405060708}));
}

TEST(Codec, ValuesAreTakenFromTheirOffsetInTheBlock) {
  const std::uint8_t block[] = {0, 1, 0, 2, 0x42, 0x28, 0, 0, 0, 9};
  EXPECT_EQ(*decode(place_of(DataType::float32, Type::float32), block, 2), Value(42.0));
  EXPECT_EQ(*decode(place_of(DataType::uint16, Type::integer), block, 4), Value(std::int64_t{9}));
  const std::uint8_t bits[] = {0b10000000, 0b00000001};
  const Place coil = modbus_test::place(Type::boolean, modbus_test::at("CoilRegister", 7));
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
    return modbus_test::refused(place_of(data, natural(data)), value);
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
  EXPECT_THAT(refused(DataType::float64, std::nan("")), HasSubstr("does not fit in float64"));
}

TEST(Codec, UndoneScaleIsRoundedToTheRegister) {
  const Place place = place_of(DataType::uint16, Type::float32);
  EXPECT_EQ(written(place, 21.5 / 0.1)[0], 215);
  EXPECT_EQ(written(place, 214.99999999999997)[0], 215);
}

}  // namespace
}  // namespace modbus

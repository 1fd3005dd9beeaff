// Bits, coils, scale factors, numbers that are not available, and writes.
#include <gmock/gmock.h>

#include "modbus/codec.hpp"
#include "modbus/places.hpp"
#include "modbus/random.hpp"

namespace modbus {
namespace {

using base::Code;
using dmi::Type;
using dmi::Value;
using modbus_test::at;
using modbus_test::Json;
using modbus_test::place;
using modbus_test::read;
using modbus_test::refused;
using modbus_test::written;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Value whole(std::int64_t number) { return number; }

Json coils(Json keys) {
  keys["register"] = "CoilRegister";
  return keys;
}

std::vector<std::uint8_t> bytes_of(const Pdu& pdu) {
  return {pdu.bytes().begin(), pdu.bytes().end()};
}

TEST(CodecBits, AreCutFromTheirRegister) {
  EXPECT_EQ(*read(place(Type::boolean, Json{{"bit", 0}}), {0x0001}), Value(true));
  EXPECT_EQ(*read(place(Type::boolean, Json{{"bit", 15}}), {0x7fff}), Value(false));
  EXPECT_EQ(*read(place(Type::integer, Json{{"bit", 4}, {"bitCount", 3}}), {0x0050}), whole(5));
  EXPECT_EQ(*read(place(Type::integer, Json{{"bit", 0}, {"byteOrder", "BA"}}), {0x0100}), whole(1));
  EXPECT_EQ(*read(place(Type::integer, Json{{"dataType", "uint32"}, {"bit", 31}}), {0x8000, 0}),
            whole(1));
  EXPECT_EQ(
      *read(place(Type::string, Json{{"bit", 1}, {"labels", {{"0", "closed"}, {"1", "open"}}}}),
            {2}),
      Value(std::string("open")));
}

TEST(CodecBits, AreWrittenWithAMaskThatLeavesTheirNeighbours) {
  const Place bits = place(Type::integer, Json{{"bit", 4}, {"bitCount", 3}}, true);
  const auto made = encode(bits, whole(5), std::nullopt);
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(bytes_of(write_request(bits, *made)), ElementsAre(22, 0, 40, 0xff, 0x8f, 0x00, 0x50));
  EXPECT_EQ(merge(*made, 0xffff).words[0], 0xffdf);
  EXPECT_EQ(merge(*made, 0xffff).mask, 0xffff);
  EXPECT_EQ(refused(bits, whole(8)), "out_of_range: 8 does not fit in 3 bits (0..7)");
  const Place swapped = place(Type::boolean, Json{{"bit", 0}, {"isSwap", true}}, true);
  EXPECT_EQ(encode(swapped, true, std::nullopt)->mask, 0x0100);
}

TEST(CodecBits, MergedIntoAnyWordAreReadBackAndLeaveTheRest) {
  for (std::uint32_t seed = 1; seed <= 5000; ++seed) {
    modbus_test::Random random(seed);
    const std::uint32_t bit = random.number(0, 15);
    const Place bits = place(Type::integer, Json{{"bit", bit},
                                                 {"bitCount", random.number(1, 16 - bit)},
                                                 {"isSwap", random.chance(0.5)}});
    const auto before = static_cast<std::uint16_t>(random.number(0, 0xffff));
    const Value value = *read(bits, {static_cast<std::uint16_t>(random.number(0, 0xffff))});
    const Written made = *encode(bits, value, std::nullopt);
    const std::uint16_t after = merge(made, before).words[0];
    ASSERT_EQ(*read(bits, {after}), value) << "seed " << seed;
    ASSERT_EQ((before ^ after) & ~made.mask, 0) << "seed " << seed;
  }
}

TEST(CodecBits, CoilsAreBooleansNumbersLabelsOrArrays) {
  const std::uint8_t payload[] = {0b10110100};
  EXPECT_EQ(*decode(place(Type::integer, coils(Json{{"bitCount", 4}})), payload, 2), whole(0b1101));
  EXPECT_EQ(*decode(place(Type::string, coils(Json{{"count", 3}})), payload, 0),
            Value(std::string("[false,false,true]")));
  EXPECT_EQ(*decode(place(Type::string, coils(Json{{"labels", {{"0", "off"}, {"1", "on"}}}})),
                    payload, 7),
            Value(std::string("on")));
  EXPECT_THAT(written(place(Type::integer, coils(Json{{"bitCount", 4}})), whole(0b1101)),
              ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(
      written(place(Type::string, coils(Json{{"count", 2}})), Value(std::string("[false,true]"))),
      ElementsAre(0, 1));
  EXPECT_EQ(refused(place(Type::boolean, coils(Json::object())), whole(2)),
            "out_of_range: 2 does not fit in a coil (0..1)");
}

TEST(CodecBcd, DigitsThatAreNoneAreMalformedAndNamed) {
  const Place bcd = place(Type::integer, Json{{"dataType", "bcd32"}});
  EXPECT_EQ(*read(bcd, {0x1234, 0x5678}), whole(12345678));
  EXPECT_EQ(read(bcd, {0x1234, 0x5c78}).status().to_string(),
            "malformed: 0x12345C78 in holding 40..41 is not bcd32: nibble 6 of 8 is above 9");
}

TEST(CodecScale, FactorIsTheValuesOwnAndExact) {
  const Place scaled = place(Type::float32, Json{{"dataType", "int16"}, {"scaleOffset", 43}}, true);
  EXPECT_EQ(scaled.hull, (Range{Table::holding, 40, 4}));
  const auto value = [&](std::uint16_t raw, std::uint16_t exponent) {
    return read(scaled, {raw, 0, 0, exponent});
  };
  EXPECT_EQ(*value(215, 0xffff), Value(21.5));
  EXPECT_EQ(*value(3, 0xffff), Value(0.3));
  EXPECT_EQ(*value(0xff29, 0xffff), Value(-21.5));
  EXPECT_EQ(*value(215, 2), Value(21500.0));
  EXPECT_EQ(*value(215, 0), Value(215.0));
  EXPECT_EQ(*value(1, 0xfff6), Value(1e-10));
  EXPECT_EQ(value(215, 11).status().to_string(),
            "out_of_range: the scale factor 11 in holding 43 is outside -10..10");
  EXPECT_EQ(value(215, 0x8000).status().to_string(),
            "out_of_range: the scale factor is not available (0x8000 in holding 43)");
}

TEST(CodecScale, FactorMayStandBeforeItsValue) {
  const Place scaled = place(Type::integer, Json{{"scaleOffset", 38}});
  EXPECT_EQ(scaled.hull, (Range{Table::holding, 38, 3}));
  EXPECT_EQ(*read(scaled, {3, 9, 7}), whole(7000));
  EXPECT_EQ(*exponent_of(scaled, modbus_test::wire({3, 9, 7}), 0), 3);
  EXPECT_EQ(*decode(scaled, modbus_test::wire({8, 3, 9, 7}), 1), whole(7000));
}

TEST(CodecScale, BeyondInt64IsOutOfRange) {
  const Place scaled = place(Type::integer, Json{{"dataType", "int64"}, {"scaleOffset", 44}});
  EXPECT_EQ(read(scaled, {0x7fff, 0, 0, 0, 1}).status().code(), Code::out_of_range);
}

TEST(CodecScale, WhatIsWrittenIsReadBackWithEveryFactor) {
  for (std::uint32_t seed = 1; seed <= 5000; ++seed) {
    modbus_test::Random random(seed);
    const char* types[] = {"int16", "uint16", "int32", "uint32", "bcd32"};
    const Place scaled = place(random.chance(0.5) ? Type::integer : Type::float64,
                               Json{{"dataType", types[seed % 5]}, {"scaleOffset", 42}});
    const int exponent = static_cast<int>(random.number(0, 20)) - 10;
    std::vector<std::uint8_t> payload = random.bytes(6);
    payload[4] = exponent < 0 ? 0xff : 0;
    payload[5] = static_cast<std::uint8_t>(exponent);
    const auto value = decode(scaled, payload, 0);
    if (!value) continue;  // no BCD
    const auto made = encode(scaled, *value, exponent);
    ASSERT_TRUE(made.ok()) << "seed " << seed << ": " << made.status().text();
    const std::size_t size = scaled.range.count * std::size_t{2};
    payload.resize(size);
    ASSERT_EQ(modbus_test::wire(made->words), payload) << "seed " << seed << " 10^" << exponent;
  }
}

TEST(CodecScale, WritesNameTheFactorThatDoesNotFit) {
  const Place scaled = place(Type::float32, Json{{"dataType", "int16"}, {"scaleOffset", 41}});
  EXPECT_EQ(
      encode(scaled, 4000.0, -1).status().to_string(),
      "out_of_range: 4000 does not fit in int16 (-32768..32767), with the scale factor 10^-1");
}

TEST(CodecNotAvailable, NumbersHaveNoValueAndANoteWhere) {
  const Place hex = place(Type::integer, Json{{"dataType", "int16"}, {"notAvailable", "0x8000"}});
  EXPECT_EQ(read(hex, {0x8000}).status().to_string(),
            "out_of_range: not available (0x8000 in holding 40)");
  EXPECT_FALSE(read(hex, {0x8000}).status().retriable());
  EXPECT_TRUE(read(hex, {0x8001}).ok());
  const Place decimal = place(Type::integer, Json{{"dataType", "int16"}, {"notAvailable", -32768}});
  EXPECT_FALSE(read(decimal, {0x8000}).ok());
  const Place list =
      place(Type::integer, Json{{"dataType", "uint32"}, {"notAvailable", {"0xFFFFFFFF", 7}}});
  EXPECT_FALSE(read(list, {0xffff, 0xffff}).ok());
  EXPECT_FALSE(read(list, {0, 7}).ok());
  const Place text = place(Type::integer, Json{{"notAvailable", "[\"0xFFFF\", 7]"}});
  EXPECT_FALSE(read(text, {7}).ok());
  const Place nan = place(Type::float32, Json{{"notAvailable", "NaN"}});
  EXPECT_EQ(read(nan, {0x7fc0, 0}).status().to_string(),
            "out_of_range: not available (0x7FC00000 in holding 40..41)");
  const Place real = place(Type::float32, Json{{"notAvailable", 9999}});
  EXPECT_FALSE(read(real, {0x461c, 0x3c00}).ok());
  const Place bits = place(Type::integer, Json{{"bit", 8}, {"bitCount", 2}, {"notAvailable", 3}});
  EXPECT_EQ(read(bits, {0x0300}).status().to_string(),
            "out_of_range: not available (0x3 in holding 40)");
}

TEST(CodecNotAvailable, NumbersAreNotWritten) {
  EXPECT_THAT(refused(place(Type::integer, Json{{"notAvailable", "0xFFFF"}}), whole(65535)),
              HasSubstr("stands for \"not available\" in uint16"));
}

TEST(CodecNotAvailable, RawNumberIsComparedBeforeScaling) {
  const Place scaled =
      place(Type::float32, Json{{"dataType", "int16"}, {"scaleOffset", 41}, {"notAvailable", 5}});
  EXPECT_FALSE(read(scaled, {5, 1}).ok());
  EXPECT_EQ(*read(scaled, {50, 0xffff}), Value(5.0));
}

TEST(WriteRequest, FunctionIsWhatTheRuleSays) {
  const auto function = [](const Place& place, const Value& value) {
    return static_cast<int>(write_request(place, *encode(place, value, std::nullopt)).bytes()[0]);
  };
  const Json multiple{{"writeFunction", "multiple"}};
  EXPECT_EQ(function(place(Type::integer, Json::object(), true), whole(1)), 6);
  EXPECT_EQ(function(place(Type::integer, multiple, true), whole(1)), 16);
  EXPECT_EQ(function(place(Type::float32, Json::object(), true), 1.5), 16);
  EXPECT_EQ(function(place(Type::boolean, coils(Json::object()), true), true), 5);
  EXPECT_EQ(function(place(Type::boolean, coils(multiple), true), true), 15);
  EXPECT_EQ(function(place(Type::integer, coils(Json{{"bitCount", 3}}), true), whole(1)), 15);
  EXPECT_EQ(function(place(Type::boolean, Json{{"bit", 3}}, true), true), 22);
}

TEST(Confirms, SameRegistersOrWithinTheTolerance) {
  const auto says = [](const Place& place, const Value& wanted, const Value& seen) {
    return confirms(place, wanted, seen, std::nullopt);
  };
  const Place number = place(Type::float32, Json{{"dataType", "int16"}}, true);
  EXPECT_TRUE(says(number, 214.7, 215.0));
  EXPECT_FALSE(says(number, 214.7, 214.0));
  const Place real = place(Type::float32, Json::object(), true);
  EXPECT_TRUE(says(real, 100.0, 100.00001));
  EXPECT_FALSE(says(real, 100.0, 100.001));
  const Place loose = place(Type::float32, Json{{"verify", true}, {"tolerance", 0.5}}, true);
  EXPECT_TRUE(says(loose, 100.0, 100.5));
  EXPECT_FALSE(says(loose, 100.0, 100.6));
  const Place array = place(Type::string, Json{{"dataType", "int16"}, {"count", 2}}, true);
  EXPECT_TRUE(says(array, std::string("[1, 2]"), std::string("[1,2]")));
  EXPECT_FALSE(says(array, std::string("[1,2]"), std::string("[1,3]")));
}

}  // namespace
}  // namespace modbus

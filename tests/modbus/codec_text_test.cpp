#include <gmock/gmock.h>

#include "modbus/codec.hpp"
#include "modbus/places.hpp"
#include "modbus/random.hpp"

namespace modbus {
namespace {

using base::Code;
using dmi::Type;
using dmi::Value;
using modbus_test::Json;
using modbus_test::place;
using modbus_test::read;
using modbus_test::refused;
using modbus_test::written;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Value text(const char* value) { return std::string(value); }

TEST(CodecText, StringIsReadUpToItsPadding) {
  const Place nul = place(Type::string, Json{{"limit", 3}});
  EXPECT_EQ(*read(nul, {0x5057, 0x4d00, 0x0000}), text("PWM"));
  EXPECT_EQ(*read(nul, {0x5057, 0x4d00, 0x5858}), text("PWM"));
  EXPECT_EQ(*read(nul, {0, 0, 0}), text(""));
  EXPECT_EQ(*read(nul, {0x5057, 0x2020, 0x2020}), text("PW    "));
  const Place space = place(Type::string, Json{{"limit", 3}, {"padding", "space"}});
  EXPECT_EQ(*read(space, {0x5057, 0x4d20, 0x2020}), text("PWM"));
  EXPECT_EQ(*read(space, {0x2020, 0x2020, 0x2020}), text(""));
  EXPECT_EQ(*read(space, {0x5020, 0x5720, 0x0000}), text("P W"));
  EXPECT_EQ(read(space, {0x5000, 0x5720, 0x2020}).status().code(), Code::malformed);
}

TEST(CodecText, StringIsWrittenWithItsPadding) {
  EXPECT_THAT(written(place(Type::string, Json{{"limit", 3}}), text("PWM")),
              ElementsAre(0x5057, 0x4d00, 0));
  EXPECT_THAT(written(place(Type::string, Json{{"limit", 3}, {"padding", "space"}}), text("PWM")),
              ElementsAre(0x5057, 0x4d20, 0x2020));
}

TEST(CodecText, SwapsOrderTheBytesOfStrings) {
  const auto of = [](bool bytes, bool words) {
    return place(Type::string, Json{{"limit", 2}, {"isSwap", bytes}, {"isRegisterSwap", words}});
  };
  EXPECT_EQ(*read(of(true, false), {0x4241, 0x4443}), text("ABCD"));
  EXPECT_EQ(*read(of(false, true), {0x4344, 0x4142}), text("ABCD"));
  EXPECT_EQ(*read(of(true, true), {0x4443, 0x4241}), text("ABCD"));
}

TEST(CodecText, EncodingsBecomeUtf8AndBack) {
  const Place latin1 = place(Type::string, Json{{"limit", 2}, {"encoding", "latin1"}});
  EXPECT_EQ(*read(latin1, {0x32b0, 0x4300}), text("2°C"));
  EXPECT_THAT(written(latin1, text("2°C")), ElementsAre(0x32b0, 0x4300));
  EXPECT_THAT(refused(latin1, text("€")), HasSubstr("not in latin1"));
  const Place utf8 = place(Type::string, Json{{"limit", 2}, {"encoding", "utf-8"}});
  EXPECT_EQ(*read(utf8, {0x32c2, 0xb043}), text("2°C"));
  EXPECT_EQ(read(utf8, {0x32b0, 0x4300}).status().code(), Code::malformed);
}

TEST(CodecText, BytesThatAreNotAsciiAreMalformedAndNamed) {
  const Place ascii = place(Type::string, Json{{"limit", 2}});
  const auto value = read(ascii, {0x32b0, 0x4300});
  EXPECT_EQ(value.status().to_string(),
            "malformed: the text in holding 40..41 is not ASCII: byte 2 is 176 (encoding latin1 or "
            "utf-8?)");
  EXPECT_THAT(refused(ascii, text("2°C")), HasSubstr("out_of_range"));
}

TEST(CodecText, TextsThatDoNotFitAreRefusedNotCut) {
  const Place place = modbus_test::place(Type::string, Json{{"limit", 2}});
  EXPECT_EQ(refused(place, text("ABCDE")),
            "out_of_range: a text of 5 bytes does not fit in holding 40..41 (4)");
  EXPECT_THAT(refused(place, std::int64_t{3}), HasSubstr("invalid: "));
  EXPECT_THAT(refused(place, std::string("A\0B", 3)), HasSubstr("invalid: "));
  EXPECT_THAT(refused(modbus_test::place(Type::string, Json{{"limit", 2}, {"padding", "space"}}),
                      text("A ")),
              HasSubstr("invalid: "));
}

TEST(CodecText, AnyRegistersAreUtf8OrMalformed) {
  for (std::uint32_t seed = 1; seed <= 5000; ++seed) {
    modbus_test::Random random(seed);
    const char* encodings[] = {"ascii", "latin1", "utf-8"};
    const Place place =
        modbus_test::place(Type::string, Json{{"limit", 4},
                                              {"encoding", encodings[random.number(0, 2)]},
                                              {"padding", random.chance(0.5) ? "nul" : "space"},
                                              {"isSwap", random.chance(0.5)},
                                              {"isRegisterSwap", random.chance(0.5)}});
    std::vector<std::uint8_t> bytes = random.bytes(8);
    if (random.chance(0.5)) {
      for (std::uint8_t& byte : bytes) byte &= 0x7f;
    }
    const auto value = decode(place, bytes, 0);
    if (!value) {
      ASSERT_EQ(value.status().code(), Code::malformed) << "seed " << seed;
      continue;
    }
    ASSERT_TRUE(base::is_utf8(std::get<std::string>(*value))) << "seed " << seed;
    ASSERT_EQ(*read(place, written(place, *value)), *value) << "seed " << seed;
  }
}

TEST(CodecText, BytesAreTheRegistersAsTheyAre) {
  const Place plain = place(Type::bytes, Json{{"limit", 2}});
  const Value value = dmi::Bytes{0, 0xff, 0x80, 1};
  EXPECT_EQ(*read(plain, {0x00ff, 0x8001}), value);
  EXPECT_THAT(written(plain, value), ElementsAre(0x00ff, 0x8001));
  EXPECT_EQ(*read(place(Type::bytes, Json{{"limit", 2}, {"isSwap", true}}), {0xff00, 0x0180}),
            value);
  EXPECT_EQ(refused(plain, dmi::Bytes{1, 2, 3}),
            "out_of_range: 3 bytes do not fit in holding 40..41 (4)");
}

TEST(CodecText, LabelsStandForNumbersBothWays) {
  const Place modes =
      place(Type::string,
            Json{{"dataType", "int16"}, {"labels", {{"0", "off"}, {"1", "on"}, {"-1", "fault"}}}});
  EXPECT_EQ(*read(modes, {1}), text("on"));
  EXPECT_EQ(*read(modes, {0xffff}), text("fault"));
  EXPECT_THAT(written(modes, text("fault")), ElementsAre(0xffff));
  EXPECT_EQ(read(modes, {7}).status().to_string(),
            "out_of_range: 7 in holding 40 has no label (fault, off, on)");
  EXPECT_EQ(refused(modes, text("On")), "invalid: \"On\" is none of fault, off, on");
  const Place from_text = place(Type::string, Json{{"labels", R"({"0":"off","1":"on"})"}});
  EXPECT_EQ(*read(from_text, {1}), text("on"));
}

TEST(CodecText, ArraysAreJson) {
  const Place floats = place(Type::string, Json{{"dataType", "float32"}, {"count", 2}});
  EXPECT_EQ(*read(floats, {0x3f80, 0, 0x4020, 0}), text("[1,2.5]"));
  EXPECT_THAT(written(floats, text("[1, 2.5]")), ElementsAre(0x3f80, 0, 0x4020, 0));
  const Place words = place(Type::string, Json{{"dataType", "int16"}, {"count", 3}});
  EXPECT_EQ(*read(words, {0xffff, 0, 5}), text("[-1,0,5]"));
  EXPECT_EQ(refused(words, text("[1,2]")), "invalid: an array of 3 elements is wanted, not 2");
  EXPECT_EQ(refused(words, text("[1,40000,2]")),
            "out_of_range: element 1: 40000 does not fit in int16 (-32768..32767)");
  EXPECT_THAT(refused(words, text("[1,null,2]")), HasSubstr("element 1: null is not a number"));
  EXPECT_THAT(refused(words, text("[1,")), HasSubstr("invalid: "));
}

TEST(CodecText, ElementsThatAreNotAvailableAreNullInTheirArray) {
  const Place words =
      place(Type::string, Json{{"dataType", "int16"}, {"count", 3}, {"notAvailable", "0x8000"}});
  EXPECT_EQ(*read(words, {1, 0x8000, 3}), text("[1,null,3]"));
  const Place floats = place(Type::string, Json{{"dataType", "float32"}, {"count", 2}});
  EXPECT_EQ(read(floats, {0, 0, 0x7fc0, 0}).status().to_string(),
            "out_of_range: float32 in holding 42..43 is not a finite number");
}

TEST(CodecText, ArraysOfEveryTypeAndOrderAreReadBack) {
  const char* types[] = {"bool", "int16", "uint32", "int48", "int64", "float32", "float64"};
  for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
    modbus_test::Random random(seed);
    const Place place =
        modbus_test::place(Type::string, Json{{"dataType", types[seed % 7]},
                                              {"count", random.number(1, 31)},
                                              {"isSwap", random.chance(0.5)},
                                              {"isRegisterSwap", random.chance(0.5)}});
    const auto value = decode(place, random.bytes(std::size_t{2} * place.range.count), 0);
    if (!value) continue;
    ASSERT_TRUE(dmi::parse_json(std::get<std::string>(*value)).ok()) << "seed " << seed;
    ASSERT_EQ(*read(place, written(place, *value)), *value) << "seed " << seed;
  }
}

}  // namespace
}  // namespace modbus

#include "modbus/place.hpp"

#include <gmock/gmock.h>

#include "modbus/places.hpp"
#include "modbus/points.hpp"

namespace modbus {
namespace {

using base::Code;
using dmi::Type;
using modbus_test::at;
using modbus_test::Json;
using modbus_test::point;
using ::testing::HasSubstr;

Json with(Json object, const char* key, Json value) {
  object[key] = std::move(value);
  return object;
}

const Json holding = at("HoldingRegister", 4);

TEST(Place, TypeAndLimitDecideAsInKubeEdge) {
  const struct {
    Type type;
    int limit;
    DataType data;
  } cases[] = {{Type::integer, 1, DataType::uint16},  {Type::integer, 2, DataType::uint32},
               {Type::integer, 4, DataType::uint64},  {Type::float32, 2, DataType::float32},
               {Type::float32, 1, DataType::uint16},  {Type::float32, 4, DataType::float64},
               {Type::float64, 4, DataType::float64}, {Type::float64, 2, DataType::float32},
               {Type::boolean, 1, DataType::boolean}};
  for (const auto& one : cases) {
    const auto place = parse_place(point(one.type, with(holding, "limit", one.limit)));
    ASSERT_TRUE(place.ok()) << place.status().text();
    EXPECT_EQ(place->data, one.data) << dmi::name(one.type) << " " << one.limit;
    EXPECT_EQ(place->range, (Range{Table::holding, 4, static_cast<std::uint16_t>(one.limit)}));
  }
}

TEST(Place, LimitDefaultsToWhatTheTypeNeeds) {
  EXPECT_EQ(parse_place(point(Type::integer, holding))->range.count, 1);
  EXPECT_EQ(parse_place(point(Type::float32, holding))->range.count, 2);
  EXPECT_EQ(parse_place(point(Type::float64, holding))->range.count, 4);
  EXPECT_EQ(parse_place(point(Type::integer, with(holding, "dataType", "int32")))->range.count, 2);
  EXPECT_EQ(parse_place(point(Type::boolean, at("CoilRegister", 1)))->range.count, 1);
}

TEST(Place, SwapsAndScaleAreKnownKeys) {
  Json visitor = with(with(holding, "isSwap", true), "isRegisterSwap", "true");
  visitor["scale"] = 0.1;
  visitor["valueOffset"] = -40;
  const auto place = parse_place(point(Type::float32, visitor));
  ASSERT_TRUE(place.ok()) << place.status().text();
  EXPECT_THAT(place->order, ::testing::ElementsAre(3, 2, 1, 0, 4, 5, 6, 7));
}

TEST(Place, EveryMistakeNamesItsPathAndLimit) {
  const std::string path = "boiler.properties.temp.visitors.configData.";
  const struct {
    mapper::Point point;
    std::string text;
  } cases[] = {
      {point(Type::integer, at("HoldingRegister", 70000)), path + "offset: 70000 is above 65535"},
      {point(Type::integer, at("HoldingRegister", -1)), path + "offset: -1 is below 0"},
      {point(Type::integer, Json{{"register", "HoldingRegister"}}), path + "offset: missing"},
      {point(Type::integer, Json{{"offset", 3}}), path + "register: missing (CoilRegister, "},
      {point(Type::integer, at("Holding", 3)), path + "register: \"Holding\" is none of Coil"},
      {point(Type::float32, at("HoldingRegister", 65535)),
       path + "offset: 65535 and 2 registers end at 65536, above 65535"},
      {point(Type::integer, with(holding, "offsett", 3)), path + "offsett: unknown key"},
      {point(Type::integer, with(holding, "limit", 3)), path + "limit: 3 registers for one INT"},
      {point(Type::integer, with(holding, "limit", 200)), path + "limit: 200 is above 125"},
      {point(Type::integer, with(with(holding, "dataType", "int32"), "limit", 1)),
       path + "limit: 1 registers for int32 (2)"},
      {point(Type::integer, with(holding, "dataType", "float16")), path + "dataType: "},
      {point(Type::boolean, with(at("CoilRegister", 3), "limit", 8)), path + "limit: 8 bits"},
      {point(Type::boolean, with(at("CoilRegister", 3), "dataType", "int16")),
       path + "dataType: int16 does not fit in coils"},
      {point(Type::integer, at("InputRegister", 3), true),
       path + "register: input cannot be written, but the model says ReadWrite"},
      {point(Type::boolean, at("DiscreteInputRegister", 3), true),
       path + "register: discrete inputs cannot be written"},
      {point(Type::integer, with(holding, "isSwap", 3)), path + "isSwap: 3 is neither"},
  };
  for (const auto& one : cases) {
    const auto place = parse_place(one.point);
    ASSERT_FALSE(place.ok()) << one.text;
    EXPECT_EQ(place.status().code(), Code::invalid) << place.status().text();
    EXPECT_THAT(place.status().text(), HasSubstr(one.text));
  }
}

TEST(Place, StreamsAreUnsupportedAndSaySo) {
  const auto place = parse_place(point(Type::stream, holding));
  EXPECT_EQ(place.status().code(), Code::unsupported);
  EXPECT_THAT(place.status().text(), HasSubstr("STREAM"));
}

TEST(Place, KeysThatContradictEachOtherAreNamed) {
  const std::string path = "boiler.properties.temp.visitors.configData.";
  const struct {
    Type type;
    Json keys;
    bool writable;
    const char* text;
  } cases[] = {
      {Type::integer,
       {{"dataType", "int32"}, {"byteOrder", "ABDD"}},
       false,
       "byteOrder: \"ABDD\" is no order of the bytes ABCD of int32"},
      {Type::integer,
       {{"byteOrder", "ABCD"}},
       false,
       "byteOrder: \"ABCD\" is no order of the bytes AB"},
      {Type::integer,
       {{"byteOrder", "BA"}, {"isSwap", true}},
       false,
       "byteOrder: not beside isSwap"},
      {Type::integer, {{"bit", 16}}, false, "bit: 16 is above 15"},
      {Type::integer, {{"bit", 12}, {"bitCount", 5}}, false, "bitCount: 5 is above 4"},
      {Type::integer,
       {{"bit", 1}, {"dataType", "float32"}},
       false,
       "dataType: bits are taken from uint16 or uint32, not float32"},
      {Type::integer,
       {{"bit", 1}, {"dataType", "uint32"}},
       true,
       "dataType: bits are written in one register only"},
      {Type::string, Json::object(), false, "limit: missing"},
      {Type::string, {{"dataType", "int16"}}, false, "dataType: a property of type STRING holds"},
      {Type::integer,
       {{"dataType", "string"}, {"limit", 2}},
       false,
       "dataType: a property of type INT cannot hold string"},
      {Type::bytes,
       {{"dataType", "int16"}},
       false,
       "dataType: a property of type BYTES cannot hold int16"},
      {Type::string,
       {{"dataType", "float32"}, {"count", 63}},
       false,
       "count: 63 elements of float32 are 126 registers, above 125"},
      {Type::integer, {{"count", 3}}, false, "count: an array needs a property of type STRING"},
      {Type::string, {{"labels", Json::object()}}, false, "labels: no label"},
      {Type::string,
       {{"labels", {{"x", "off"}}}},
       false,
       "labels.x: the key is not a whole number"},
      {Type::string, {{"labels", {{"65536", "off"}}}}, false, "labels.65536: the key does not fit"},
      {Type::string,
       {{"labels", {{"0", "a"}, {"1", "a"}}}},
       false,
       "labels: \"a\" stands for 0 and 1"},
      {Type::integer, {{"labels", {{"0", "a"}}}}, false, "labels: labels are for whole numbers"},
      {Type::integer, {{"encoding", "ascii"}}, false, "encoding: only for texts"},
      {Type::string,
       {{"limit", 3}, {"encoding", "utf-16"}},
       false,
       "encoding: \"utf-16\" is none of"},
      {Type::float32,
       {{"dataType", "int16"}, {"scaleOffset", 165}},
       false,
       "scaleOffset: 165 and holding 40 do not fit in one request (125 registers)"},
      {Type::float32, {{"scaleOffset", 45}}, false, "scaleOffset: a power of ten is for whole"},
      {Type::integer, {{"scaleOffset", 40}}, false, "scaleOffset: 40 is a register of the value"},
      {Type::integer,
       {{"notAvailable", "0x18000"}},
       false,
       "notAvailable: \"0x18000\" is not a number of uint16"},
      {Type::integer, {{"notAvailable", "NaN"}}, false, "notAvailable: \"NaN\" is not a number"},
      {Type::integer, {{"verify", true}}, false, "verify: the model says ReadOnly"},
      {Type::float32,
       {{"writeFunction", "single"}},
       true,
       "writeFunction: single writes 1 address"},
      {Type::integer, {{"bitWrite", "mask"}}, true, "bitWrite: only for bits"},
      {Type::integer,
       {{"verifyRegister", "InputRegister"}},
       true,
       "verifyRegister: needs verifyOff"},
      {Type::integer,
       {{"verifyOffset", 3}, {"verifyRegister", "CoilRegister"}},
       true,
       "verifyRegister: coils do not hold what is written to holding"},
      {Type::integer, {{"tolerance", 3}}, true, "tolerance: needs verify: true"},
      {Type::integer, {{"verify", true}, {"tolerance", -1}}, true, "tolerance: -1 is below 0"},
      {Type::string,
       {{"limit", 124}},
       true,
       "limit: 124 registers cannot be written in one request"},
  };
  for (const auto& one : cases) {
    const auto place = parse_place(point(one.type, modbus_test::visitor(one.keys), one.writable));
    ASSERT_FALSE(place.ok()) << one.text;
    EXPECT_EQ(place.status().code(), Code::invalid) << place.status().text();
    EXPECT_THAT(place.status().text(), HasSubstr(path + one.text));
  }
}

TEST(Place, CheckNamesEveryMistakeAndParseTheFirst) {
  const auto wrong = point(Type::integer, Json{{"register", "Holding"},
                                               {"offset", 70000},
                                               {"dataType", "int16"},
                                               {"byteOrder", "AA"},
                                               {"isSwpa", true},
                                               {"notAvailable", "x"}});
  const auto mistakes = check_place(wrong);
  ASSERT_EQ(mistakes.size(), 5u);
  const char* keys[] = {"isSwpa", "register", "offset", "notAvailable", "byteOrder"};
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    EXPECT_THAT(mistakes[i].text(), HasSubstr(base::cat("configData.", keys[i], ": ")));
  }
  EXPECT_EQ(parse_place(wrong).status(), mistakes.front());
  EXPECT_TRUE(check_place(point(Type::integer, holding)).empty());
}

TEST(Place, WriteRuleHasTheDefaultsOfTheManual) {
  const Place plain = modbus_test::place(Type::float32, Json::object(), true);
  EXPECT_EQ(plain.extra, nullptr);
  EXPECT_FALSE(write_rule(plain).verify);
  EXPECT_EQ(write_rule(plain).verify_timeout, std::chrono::seconds(2));
  const Place verified = modbus_test::place(
      Type::float32,
      Json{{"verifyOffset", 90}, {"verifyRegister", "InputRegister"}, {"verifyTimeout", 500}},
      true);
  EXPECT_TRUE(write_rule(verified).verify);
  EXPECT_EQ(write_rule(verified).verify_timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(read_back_place(verified).hull, (Range{Table::input, 90, 2}));
  EXPECT_EQ(read_back_place(plain).range, plain.range);
  EXPECT_TRUE(
      write_rule(modbus_test::place(Type::integer, Json{{"broadcast", true}}, true)).broadcast);
}

TEST(Place, SdkKeysAndPinAreKnown) {
  const Place place =
      modbus_test::place(Type::float32, Json{{"pin", "phase"}, {"writeOnce", true}});
  EXPECT_EQ(place.pin, "phase");
}

}  // namespace
}  // namespace modbus

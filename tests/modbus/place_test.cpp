#include "modbus/place.hpp"

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace modbus

#include "target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.hpp"

namespace mapper {
namespace {

using base::Code;
using ::testing::HasSubstr;

dmi::DeviceModel model_typed(const std::string& type = "FLOAT") {
  dmi::DeviceModel model;
  model.id = {"default", "boiler-model"};
  model.properties.push_back({"temp", "", type, "ReadWrite", "0", "100", "°C", {}});
  return model;
}
dmi::Device device_of(dmi::Json visitor = dmi::Json::object()) {
  dmi::Device device;
  device.id = {"default", "boiler"};
  device.model = "boiler-model";
  device.protocol = {"fake", {{"port", 5}}};
  dmi::DeviceProperty property;
  property.name = "temp";
  property.visitors = dmi::ProtocolConfig{"fake", std::move(visitor)};
  device.properties.push_back(property);
  return device;
}
std::string error_of(const dmi::Device& device, const dmi::DeviceModel& model = model_typed()) {
  const auto target = make_target(device, model, "fake");
  return target ? "none" : target.status().to_string();
}

TEST(Target, MergesModelAndInstance) {
  const auto target =
      make_target(device_of({{"scale", 0.5}, {"valueOffset", "3"}}), model_typed(), "fake");
  ASSERT_TRUE(target.ok()) << target.status().to_string();
  const Point& point = target->points.at(0);
  EXPECT_EQ(point.type, dmi::Type::float32);
  EXPECT_TRUE(point.writable);
  EXPECT_EQ(point.minimum, 0);
  EXPECT_EQ(point.maximum, 100);
  EXPECT_EQ(point.unit, "°C");
  EXPECT_EQ(point.scale, 0.5);
  EXPECT_EQ(point.value_offset, 3);
  EXPECT_EQ(point.cycle, default_cycle);
  EXPECT_EQ(point.visitor.path(), "default/boiler.properties.temp.visitors.configData");
}

TEST(Target, EveryMistakeNamesItsPath) {
  EXPECT_EQ(error_of(device_of({{"scale", 0}})),
            "invalid: default/boiler.properties.temp.visitors.configData.scale: 0 would make every "
            "value 0");
  EXPECT_THAT(error_of(device_of({{"scale", "ten"}})), HasSubstr("is not a number"));
  EXPECT_THAT(error_of(device_of({{"scale", 2}}), model_typed("STRING")),
              HasSubstr("not for STRING"));
  EXPECT_THAT(error_of(device_of(), model_typed("COLOUR")),
              HasSubstr("default/boiler.properties.temp.type: type \"COLOUR\" is none of INT"));
  dmi::DeviceModel model = model_typed();
  model.properties[0].name = "other";
  EXPECT_THAT(error_of(device_of(), model), HasSubstr("default/boiler-model has no such property"));
  model = model_typed();
  model.properties[0].minimum = "cold";
  EXPECT_THAT(error_of(device_of(), model), HasSubstr("temp.minimum: \"cold\" is not a number"));
  model.properties[0].minimum = "200";
  EXPECT_THAT(error_of(device_of(), model), HasSubstr("200 is above the maximum 100"));
  model = model_typed();
  model.properties[0].access_mode = "WriteOnly";
  EXPECT_THAT(error_of(device_of(), model), HasSubstr("temp.accessMode"));
}

TEST(Target, TwoPropertiesOfOneNameAreInvalid) {
  dmi::Device device = device_of();
  device.properties.push_back(device.properties[0]);
  EXPECT_EQ(error_of(device),
            "invalid: default/boiler.properties[1].name: \"temp\" is there already");
}

TEST(Target, CyclesHaveLimitsAndADefault) {
  for (const std::int64_t bad : {-1, 1, 9}) {
    dmi::Device device = device_of();
    device.properties[0].collect_cycle_ms = bad;
    EXPECT_THAT(error_of(device), HasSubstr("temp.collectCycle: ")) << bad;
  }
  for (const std::int64_t good : {std::int64_t{10}, std::int64_t{10'000'000'000}}) {
    dmi::Device device = device_of();
    device.properties[0].collect_cycle_ms = good;
    EXPECT_EQ(error_of(device), "none") << good;
  }
}

TEST(Target, AnotherProtocolIsInvalid) {
  dmi::Device device = device_of();
  device.protocol.protocol = "opcua";
  EXPECT_THAT(error_of(device), HasSubstr("\"opcua\" is not this mapper's \"fake\""));
}

TEST(Target, TooManyPropertiesAreRefused) {
  dmi::Device device = device_of();
  device.properties.resize(dmi::max_properties + 1, device.properties[0]);
  EXPECT_THAT(error_of(device), HasSubstr("out_of_range: default/boiler.properties: 4097 entries"));
}

TEST(Target, LimitsOfTextsAreIgnored) {
  dmi::DeviceModel model = model_typed("STRING");
  model.properties[0].minimum = "none";
  EXPECT_EQ(error_of(device_of(), model), "none");
}

TEST(Target, IsTheSameUnlessTheDriverSeesADifference) {
  const Target one = *make_target(device_of(), model_typed(), "fake");
  dmi::Device desired = device_of();
  desired.properties[0].desired = dmi::TwinValue{"5", {}};
  desired.properties[0].report_to_cloud = true;
  desired.generation = 7;
  EXPECT_TRUE(same(one, *make_target(desired, model_typed(), "fake")));
  EXPECT_FALSE(same(one, *make_target(device_of({{"offset", 1}}), model_typed(), "fake")));
  dmi::Device moved = device_of();
  moved.protocol.config["port"] = 6;
  EXPECT_FALSE(same(one, *make_target(moved, model_typed(), "fake")));
  EXPECT_FALSE(same(one, *make_target(device_of(), model_typed("INT"), "fake")));
}

}  // namespace
}  // namespace mapper

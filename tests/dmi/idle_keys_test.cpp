#include "dmi/idle_keys.hpp"

#include <gmock/gmock.h>

#include "dmi/crd.hpp"

namespace dmi {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Device device_of(const char* spec) {
  return device_from_json({{"metadata", {{"name", "d"}}}, {"spec", parse_json(spec).value()}})
      .value();
}

std::vector<std::string> texts(const std::vector<IdleKey>& keys) {
  std::vector<std::string> all;
  for (const IdleKey& key : keys) all.push_back(key.text());
  return all;
}

TEST(IdleKeys, EachIsNamedOnceWithItsPlaceAndHowManyThereAre) {
  const Device device = device_of(R"({
    "properties": [
      {"name": "a", "collectCycle": 1000},
      {"name": "b", "reportCycle": 500, "pushMethod": {"http": {"hostName": "h"}}},
      {"name": "c", "reportCycle": 500, "pushMethod": {"dbMethod": {}, "mqtt": {"address": "x"}}}],
    "methods": [{"name": "m", "propertyNames": ["a"]}],
    "stateReport": {"reportCycle": 5}})");
  EXPECT_THAT(
      texts(idle_keys(device)),
      ElementsAre(
          StartsWith("spec.properties[1].reportCycle and 1 more of these do nothing here: "),
          StartsWith("spec.properties[1].pushMethod.http does nothing here: "),
          StartsWith("spec.properties[2].pushMethod.mqtt does nothing here: "),
          StartsWith("spec.properties[2].pushMethod.dbMethod does nothing here: "),
          StartsWith("spec.methods does nothing here: "),
          StartsWith("spec.stateReport does nothing here: ")));
}

TEST(IdleKeys, OnesThatSayNothingAreNone) {
  EXPECT_THAT(idle_keys(device_of(R"({"properties": [
                 {"name": "a", "reportCycle": 0, "reportToCloud": true, "pushMethod": {}}]})")),
              IsEmpty());
}

TEST(IdleKeys, OfAModel) {
  DeviceModel model;
  EXPECT_THAT(idle_keys(model), IsEmpty());
  model.protocol_config = {{"ip", "x"}};
  EXPECT_THAT(texts(idle_keys(model)), ElementsAre(StartsWith("spec.protocolConfigData does ")));
}

}  // namespace
}  // namespace dmi

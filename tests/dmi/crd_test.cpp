#include "dmi/crd.hpp"

#include <gtest/gtest.h>

namespace dmi {
namespace {

using base::Code;

const char* const device_text = R"({
  "apiVersion": "devices.kubeedge.io/v1beta1", "kind": "Device",
  "metadata": {"name": "boiler", "namespace": "plant", "generation": 4},
  "spec": {
    "deviceModelRef": {"name": "boiler"}, "nodeName": "edge",
    "protocol": {"protocolName": "modbus", "configData": {"ip": "127.0.0.1", "port": 502}},
    "stateReport": {"reportToCloud": true, "reportCycle": 7000},
    "methods": [{"name": "m", "description": "d", "propertyNames": ["a", "b"]}],
    "properties": [
      {"name": "a", "collectCycle": 500, "reportCycle": 600, "reportToCloud": true,
       "desired": {"value": "1", "metadata": {"type": "int"}},
       "visitors": {"protocolName": "modbus", "configData": {"offset": 2}},
       "pushMethod": {"mqtt": {"topic": "t", "qos": 1}}},
      {"name": "b", "desired": {"value": ""}}]}})";

TEST(Crd, DeviceRoundTripsThroughJson) {
  const auto device = device_from_json(*parse_json(device_text));
  ASSERT_TRUE(device.ok()) << device.status().to_string();
  EXPECT_EQ(device->id.to_string(), "plant/boiler");
  EXPECT_EQ(device->generation, 4);
  ASSERT_EQ(device->properties.size(), 2u);
  EXPECT_EQ(device->properties[0].collect_cycle_ms, 500);
  EXPECT_EQ(*device_from_json(to_json(*device)), *device);
}

TEST(Crd, AWholeNumberBeyond64BitsIsRefusedAndNotWrapped) {
  auto object = *parse_json(device_text);
  object["spec"]["properties"][0]["collectCycle"] = UINT64_MAX;
  const auto status = device_from_json(object).status();
  EXPECT_EQ(status.code(), Code::invalid);
  EXPECT_EQ(
      status.text(),
      "plant/boiler: spec.properties[0].collectCycle: 18446744073709551615 is beyond a 64-bit "
      "integer");
}

TEST(Crd, TwoPropertiesOfOneNameAreRefusedWithTheirPlace) {
  auto object = *parse_json(device_text);
  object["spec"]["properties"][1]["name"] = "a";
  const auto status = device_from_json(object).status();
  EXPECT_EQ(status.code(), Code::invalid);
  EXPECT_EQ(status.text(), "plant/boiler: spec.properties[1].name: \"a\" is there already");
}

TEST(Crd, AbsurdFieldsAreNamedNeverFatal) {
  for (const char* text :
       {"[]", "null", "3", "{}", R"({"metadata": 5})", R"({"metadata": {"name": 5}})",
        R"({"metadata": {"name": "d"}, "spec": []})",
        R"({"metadata": {"name": "d"}, "spec": {"properties": {}}})",
        R"({"metadata": {"name": "d"}, "spec": {"properties": [1]}})",
        R"({"metadata": {"name": "d"}, "spec": {"properties": [{"name": "x", "desired": "y"}]}})",
        R"({"metadata": {"name": "d"}, "spec": {"methods": [{"propertyNames": [1]}]}})"}) {
    const auto json = parse_json(text);
    EXPECT_EQ(device_from_json(*json).status().code(), Code::invalid) << text;
  }
  EXPECT_TRUE(device_from_json(*parse_json(R"({"metadata": {"name": "d"}})")).ok());
}

TEST(Crd, TooManyPropertiesNameTheLimit) {
  Json object = {{"metadata", {{"name", "d"}}}};
  for (std::size_t i = 0; i <= max_properties; ++i) {
    object["spec"]["properties"].push_back({{"name", std::to_string(i)}});
  }
  EXPECT_NE(device_from_json(object).status().text().find("above 4096"), std::string::npos);
}

TEST(Crd, ModelDefaultsLieUnderTheInstanceKeyByKey) {
  const auto model = model_from_json(*parse_json(R"({
    "metadata": {"name": "boiler", "namespace": "plant"},
    "spec": {"protocol": "modbus", "protocolConfigData": {"port": 1, "timeout": 250},
      "properties": [
        {"name": "a", "type": "INT", "accessMode": "ReadWrite",
         "visitors": {"protocolName": "model", "configData": {"offset": 9, "limit": 1}}},
        {"name": "b", "visitors": {"configData": {"limit": 2}}}, {"name": "c"}]}})"));
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const Device merged = merge_defaults(*device_from_json(*parse_json(device_text)), *model);
  EXPECT_EQ(merged.protocol.config, *parse_json(R"({"ip":"127.0.0.1","port":502,"timeout":250})"));
  EXPECT_EQ(merged.properties[0].visitors->config, *parse_json(R"({"offset":2,"limit":1})"));
  EXPECT_EQ(merged.properties[0].visitors->protocol, "model");
  EXPECT_EQ(merged.properties[1].visitors->config, *parse_json(R"({"limit":2})"));
  EXPECT_EQ(merged.properties.size(), 2u);
  EXPECT_EQ(*model_from_json(to_json(*model)), *model);
}

}  // namespace
}  // namespace dmi

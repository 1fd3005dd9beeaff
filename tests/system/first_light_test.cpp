// Both ways through real processes.
#include "system/fixture.hpp"

namespace system_test {
namespace {

TEST_F(System, PatchedDesiredIsInTheRegisterAndTheStatusSaysSo) {
  start_all();
  const Outcome patched = plane_.kubectl(
      {"patch", "device", "boiler", "--type=json", "-p",
       R"([{"op":"replace","path":"/spec/properties/2/desired/value","value":"61.5"}])"});
  ASSERT_EQ(patched.exit, 0) << patched.output;
  EXPECT_TRUE(register_becomes(61.5)) << diagnosis();
  EXPECT_TRUE(status_becomes_applied("boiler", "setpoint")) << diagnosis();
  EXPECT_TRUE(wait_until([&] { return plane_.reported("boiler", "setpoint") == "61.5"; }));
  EXPECT_EQ(plane_.twin("boiler", "setpoint")["observedDesired"]["value"], "61.5");
}

TEST_F(System, ExpectedOverMqttReachesTheRegisterAndKubectl) {
  start_all();
  const auto heard = plane_.subscribe("$hw/events/device/default/boiler/twin/update/#");
  plane_.publish("$hw/events/device/default/boiler/twin/update",
                 R"({"event_id":"e-17","twin":{"setpoint":{"expected":{"value":"48.25"}}}})");
  EXPECT_TRUE(register_becomes(48.25)) << diagnosis();
  EXPECT_TRUE(heard->wait_for_output("twin/update/result {\"event_id\":\"e-17\""))
      << heard->output();
  EXPECT_TRUE(heard->wait_for_output("twin/update/document")) << heard->output();
  const Outcome shown =
      plane_.kubectl({"get", "device", "boiler", "-o",
                      R"(jsonpath={.spec.properties[?(@.name=="setpoint")].desired.value})"});
  EXPECT_EQ(shown.output, "48.25");
}

TEST_F(System, ChangesInThePlantReachMqttSubscribers) {
  start_all();
  const auto heard = plane_.subscribe("$hw/events/device/+/+/twin/update/document");
  EXPECT_TRUE(heard->wait_for_output("\"temperature\"")) << heard->output();
}

TEST_F(System, ValueOutsideTheModelsLimitsIsRefusedWithThem) {
  start_all();
  const double before = setpoint_register();
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "900"), 200);
  ASSERT_TRUE(wait_until([&] {
    return outcome("boiler", "setpoint").value("state", "") == "failed";
  })) << diagnosis();
  EXPECT_NE(outcome("boiler", "setpoint").value("reason", "").find("900"), std::string::npos);
  EXPECT_EQ(setpoint_register(), before);
}

TEST_F(System, DeviceWithoutItsModelWaitsAndSaysForWhat) {
  start_all();
  const Outcome applied = plane_.apply(cat(R"(
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: lonely, namespace: default}
spec:
  deviceModelRef: {name: not-there}
  protocol: {protocolName: modbus, configData: {ip: 127.0.0.1, port: )",
                                           plant_port_, R"(, slaveID: 1}}
  properties:
  - {name: x, visitors: {protocolName: modbus, configData: {register: HoldingRegister, offset: 0, limit: 1}}}
)"));
  ASSERT_EQ(applied.exit, 0) << applied.output;
  const auto reason = [&] {
    return plane_
        .kubectl({"get", "devicestatus", "lonely", "-o", "jsonpath={.status.extensions.reason}"})
        .output;
  };
  EXPECT_NE(reason().find("default/not-there"), std::string::npos) << reason();
  ASSERT_EQ(plane_
                .apply(R"(
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: not-there, namespace: default}
spec: {protocol: modbus, properties: [{name: x, type: INT, accessMode: ReadOnly}]}
)")
                .exit,
            0);
  EXPECT_TRUE(wait_until([&] { return plane_.reported("lonely", "x") != ""; })) << diagnosis();
}

TEST_F(System, RegisterBeyondTheAddressSpaceIsNamedInTheStatusAndTheRestGoesOn) {
  start_all();
  std::string yaml = plant_yaml();
  const Outcome applied = plane_.apply(cat(R"(
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: beyond, namespace: default}
spec: {protocol: modbus, properties: [{name: x, type: INT, accessMode: ReadOnly}]}
---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: beyond, namespace: default}
spec:
  deviceModelRef: {name: beyond}
  protocol: {protocolName: modbus, configData: {ip: 127.0.0.1, port: )",
                                           plant_port_, R"(, slaveID: 1}}
  properties:
  - {name: x, visitors: {protocolName: modbus, configData: {register: HoldingRegister, offset: 70000, limit: 1}}}
)"));
  ASSERT_EQ(applied.exit, 0) << applied.output;
  const bool said = wait_until([&] {
    const Json twin = plane_.twin("beyond", "x");
    return twin.is_object() && dmi::to_text(twin).find("70000 is above 65535") != std::string::npos;
  });
  EXPECT_TRUE(said) << diagnosis();
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "52.5"), 200);
  EXPECT_TRUE(register_becomes(52.5));
}

TEST_F(System, SecondDaemonOnTheSameFolderIsRefusedAndTheFirstGoesOn) {
  start_all();
  const Outcome second = test_support::run({test_support::built("devicetwin/devicetwin"), "--dir",
                                            plane_.folder().string(), "--kube-port", "0", "--mqtt",
                                            cat("tcp://127.0.0.1:", plane_.broker_port())});
  EXPECT_NE(second.exit, 0);
  EXPECT_NE(second.output.find(cat("pid ", plane_.devicetwin().pid())), std::string::npos)
      << second.output;
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "53.5"), 200);
  EXPECT_TRUE(register_becomes(53.5)) << diagnosis();
}

TEST_F(System, EveryProcessEndsCleanlyOnSigterm) {
  start_all();
  EXPECT_EQ(plane_.mapper().stop(), 0) << plane_.mapper().output();
  EXPECT_EQ(plane_.devicetwin().stop(), 0) << plane_.devicetwin().output();
  EXPECT_EQ(plant_->stop(), 0) << plant_->output();
}

}  // namespace
}  // namespace system_test

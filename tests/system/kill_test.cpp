// Each process is killed and comes back; nothing that was accepted is lost.
#include <csignal>

#include "system/fixture.hpp"

namespace system_test {
namespace {

TEST_F(System, DesiredWrittenWhileTheMapperIsDeadReachesTheRegister) {
  start_all();
  plane_.mapper().kill();
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "44.5"), 200);
  plane_.start_mapper();
  EXPECT_TRUE(register_becomes(44.5)) << diagnosis();
  EXPECT_TRUE(status_becomes_applied("boiler", "setpoint")) << diagnosis();
}

TEST_F(System, AcceptedDesiredSurvivesTheDeathOfDevicetwinAtOnce) {
  start_all();
  for (const char* value : {"41.5", "42.5", "43.5"}) {
    ASSERT_EQ(plane_.desire("boiler", "setpoint", value), 200);
    plane_.devicetwin().kill();
    plane_.start_devicetwin();
    EXPECT_TRUE(register_becomes(std::stod(value))) << value << diagnosis();
  }
  EXPECT_TRUE(status_becomes_applied("boiler", "setpoint")) << diagnosis();
  EXPECT_TRUE(wait_until([&] { return plane_.reported("boiler", "setpoint") == "43.5"; }))
      << diagnosis();
}

TEST_F(System, PlantThatDiesIsReportedWithoutAValueAndGetsItsSettingBack) {
  start_all();
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "39.5"), 200);
  ASSERT_TRUE(register_becomes(39.5));
  plant_->kill();
  ASSERT_TRUE(wait_until([&] {
    const Json twin = plane_.twin("boiler", "temperature");
    return twin["reported"]["value"] == "" && twin["reported"]["metadata"].contains("reason");
  })) << diagnosis();
  start_plant();  // forgot everything: its setpoint is the factory's
  EXPECT_TRUE(register_becomes(39.5)) << diagnosis();
  EXPECT_TRUE(wait_until([&] { return plane_.reported("boiler", "temperature") != ""; }))
      << diagnosis();
}

TEST_F(System, BrokerThatDiesComesBackWithDocuments) {
  start_all();
  plane_.broker().kill();
  ASSERT_EQ(plane_.desire("boiler", "setpoint", "38.5"), 200);
  EXPECT_TRUE(register_becomes(38.5)) << diagnosis();
  plane_.start_broker();
  const auto heard = plane_.subscribe("$hw/events/device/+/+/twin/update/document");
  EXPECT_TRUE(heard->wait_for_output("\"temperature\"", std::chrono::seconds(30)))
      << heard->output() << diagnosis();
}

TEST_F(System, EverythingMayStartInAnyOrder) {
  plane_.start_mapper();      // no socket yet
  plane_.start_devicetwin();  // no broker yet
  const Outcome applied = plane_.apply(plant_yaml());
  ASSERT_EQ(applied.exit, 0) << applied.output;
  plane_.start_broker();
  const auto heard = plane_.subscribe("$hw/events/device/+/+/twin/update/document");
  start_plant();
  EXPECT_TRUE(wait_until([&] { return plane_.reported("boiler", "temperature") != ""; }))
      << diagnosis();
  EXPECT_TRUE(heard->wait_for_output("\"temperature\"", std::chrono::seconds(30)))
      << heard->output() << diagnosis();
}

TEST_F(System, DeviceDeletedWhileTheMapperIsAwayIsGoneAfterwards) {
  start_all();
  plane_.mapper().signal(SIGSTOP);
  ASSERT_EQ(plane_.kubectl({"delete", "device", "boiler"}).exit, 0);
  plane_.mapper().kill();
  plane_.start_mapper();
  ASSERT_TRUE(wait_until([&] { return plane_.reported("meter", "voltage") != ""; }));
  EXPECT_EQ(plane_.kubectl({"get", "devicestatus", "boiler"}).exit, 1);
}

}  // namespace
}  // namespace system_test

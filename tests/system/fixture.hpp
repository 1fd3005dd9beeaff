// The device plane and a plant as real processes, with the plant's example objects applied.
#pragma once

#include <gtest/gtest.h>
#include <modbus/modbus.h>

#include <memory>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/plane.hpp"

namespace system_test {

using base::cat;
using dmi::Json;
using test_support::Outcome;
using test_support::Plane;
using test_support::Process;
using test_support::wait_until;

class System : public ::testing::Test {
 protected:
  System() : plant_port_(test_support::free_port()) {}

  void start_plant() {
    plant_ = std::make_unique<Process>(
        std::vector<std::string>{test_support::built("mappers/modbus/modbus-plant"), "--listen",
                                 cat("127.0.0.1:", plant_port_)});
  }

  std::string plant_yaml() const { return test_support::plant_yaml(plant_port_); }

  void start_all() {
    start_plant();
    plane_.start();
    const Outcome applied = plane_.apply(plant_yaml());
    ASSERT_EQ(applied.exit, 0) << applied.output;
    ASSERT_TRUE(wait_until([&] { return plane_.reported("boiler", "temperature") != ""; }))
        << diagnosis();
  }

  // What the boiler's setpoint register holds, read by libmodbus, so that nothing of ours is
  // believed. -1: not readable.
  double setpoint_register() {
    const Json device = plane_.kube().get(cat(test_support::api, "devices/boiler")).body;
    for (const Json& property : device["spec"]["properties"]) {
      if (property["name"] != "setpoint") continue;
      const Json& protocol = device["spec"]["protocol"]["configData"];
      return read_float(protocol["slaveID"], property["visitors"]["configData"]["offset"]);
    }
    return -1;
  }

  double read_float(int unit, int address) const {
    modbus_t* const link = modbus_new_tcp("127.0.0.1", plant_port_);
    std::uint16_t words[2];
    const bool read = modbus_connect(link) == 0 && modbus_set_slave(link, unit) == 0 &&
                      modbus_read_registers(link, address, 2, words) == 2;
    modbus_close(link);
    modbus_free(link);
    return read ? static_cast<double>(modbus_get_float_abcd(words)) : -1;
  }

  bool register_becomes(double value) {
    return wait_until([&] { return setpoint_register() == value; });
  }
  bool status_becomes_applied(const std::string& device, const std::string& property) {
    return wait_until([&] { return outcome(device, property).value("state", "") == "applied"; });
  }
  // status.extensions.properties[property] of a DeviceStatus.
  Json outcome(const std::string& device, const std::string& property) {
    const Json body = plane_.kube().get(cat(test_support::api, "devicestatuses/", device)).body;
    const Json none = Json::object();
    if (!body.is_object() || !body.contains("status")) return none;
    return body["status"].value("extensions", none).value("properties", none).value(property, none);
  }

  std::string diagnosis() {
    return cat("---- devicetwin ----\n", plane_.devicetwin().output(), "---- mapper ----\n",
               plane_.mapper().output());
  }

  std::uint16_t plant_port_;
  std::unique_ptr<Process> plant_;
  Plane plane_;
};

}  // namespace system_test

// From a PATCH to the register, over 500 changes while 1,000 float points are polled each second.
// The register is read by libmodbus in this process, over a connection of its own, as fast as it
// answers.
#include <modbus/modbus.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/text.hpp"
#include "bench/measure.hpp"
#include "bench/report.hpp"
#include "support/plane.hpp"

namespace {

using base::cat;
using bench::fail;
using dmi::Json;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int changes = 500;
constexpr int points_per_block = 500;

// A device of 500 floats in 1,000 holding registers of one of the plant's blocks.
std::string block_yaml(int unit, int port) {
  std::string model =
      cat("apiVersion: devices.kubeedge.io/v1beta1\nkind: DeviceModel\nmetadata: {name: block",
          unit, "}\nspec:\n  protocol: modbus\n  properties:\n");
  std::string device =
      cat("---\napiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata: {name: block",
          unit, "}\nspec:\n  deviceModelRef: {name: block", unit,
          "}\n  protocol: {protocolName: modbus, configData: {ip: 127.0.0.1, port: ", port,
          ", slaveID: ", unit, "}}\n  properties:\n");
  for (int i = 0; i < points_per_block; ++i) {
    model += cat("  - {name: p", i, ", type: FLOAT, accessMode: ReadOnly}\n");
    device += cat("  - {name: p", i,
                  ", collectCycle: 1000, visitors: {protocolName: modbus, configData: {register: "
                  "HoldingRegister, offset: ",
                  2 * i, ", limit: 2}}}\n");
  }
  return model + device;
}

float read_setpoint(modbus_t* link) {
  std::uint16_t words[2];
  if (modbus_read_registers(link, 0, 2, words) != 2) fail("the plant does not answer");
  return modbus_get_float_abcd(words);
}

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  const std::uint16_t port = test_support::free_port();
  test_support::Process plant({test_support::built("mappers/modbus/modbus-plant"), "--listen",
                               cat("127.0.0.1:", port), "--units", "5"});
  test_support::Plane plane;
  plane.start();
  for (const std::string& yaml :
       {test_support::plant_yaml(port), block_yaml(4, port), block_yaml(5, port)}) {
    const auto applied = plane.apply(yaml);
    if (applied.exit != 0) fail(applied.output);
  }
  const bool polled = test_support::wait_until([&] {
    return plane.reported("boiler", "setpoint") != "" && plane.reported("block4", "p499") != "" &&
           plane.reported("block5", "p499") != "";
  });
  if (!polled) fail("no values: " + plane.mapper().output());

  modbus_t* const link = modbus_new_tcp("127.0.0.1", port);
  if (modbus_connect(link) != 0) fail("cannot connect to the plant");
  modbus_set_slave(link, 1);

  std::vector<double> from_sent, from_accepted;
  std::mt19937 random(1);
  const auto mapper_cpu = plane.mapper().cpu_time();
  const auto devicetwin_cpu = plane.devicetwin().cpu_time();
  const auto begun = Clock::now();
  for (int i = 0; i < changes; ++i) {
    // Not in step with the polling; and each value is new.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
    const float wanted = 20 + static_cast<float>(i % 200) / 4;
    const Json patch = Json::array({{{"op", "add"},
                                     {"path", "/spec/properties/2/desired"},
                                     {"value", {{"value", cat(wanted)}}}}});
    const auto sent = Clock::now();
    const long status = plane.kube().patch(cat(test_support::api, "devices/boiler"), patch).status;
    const auto accepted = Clock::now();
    if (status != 200) fail(cat("PATCH answered ", status));
    while (read_setpoint(link) != wanted) {
      if (Clock::now() - sent > std::chrono::seconds(10)) fail(cat("change ", i, " is lost"));
    }
    const auto changed = Clock::now();
    from_sent.push_back(Milliseconds(changed - sent).count());
    from_accepted.push_back(Milliseconds(changed - accepted).count());
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  modbus_close(link);
  modbus_free(link);

  const auto cores = [&](std::chrono::microseconds used) {
    return static_cast<double>(used.count()) / 1e6 / seconds;
  };
  report.add("desired.p50_ms", "PATCH sent to register changed, p50", percentile(from_sent, 0.5),
             "ms");
  report.add("desired.p99_ms", "PATCH sent to register changed, p99", percentile(from_sent, 0.99),
             "ms", "aim <= 20; KubeEdge 23 to the mapper's door, idle");
  report.add("", "PATCH answered to register changed, p50", percentile(from_accepted, 0.5), "ms");
  report.add("", "PATCH answered to register changed, p99", percentile(from_accepted, 0.99), "ms");
  report.add("", "changes", changes, "");
  report.add("", "points polled each second beside them", 2 * points_per_block, "");
  report.add("", "modbus-mapper meanwhile", cores(plane.mapper().cpu_time() - mapper_cpu), "cores");
  report.add("", "devicetwin meanwhile", cores(plane.devicetwin().cpu_time() - devicetwin_cpu),
             "cores");
  return 0;
}

// A plant: 1,000 devices of 1,000 float points, each device a TCP connection, all points changing
// and read each second. One mapper process without uplink (this one); the plant is another process
// and is not counted. Then a tenth of it through the whole plane: modbus-mapper, devicetwin,
// broker, and a subscriber that counts what arrives.
#include <thread>

#include "base/log.hpp"
#include "bench/fleet_rig.hpp"
#include "bench/report.hpp"
#include "dmi/crd.hpp"

namespace {

constexpr int devices = 1000;
constexpr int points = 1000;
constexpr auto warm_up = std::chrono::seconds(5);
constexpr auto counted = std::chrono::seconds(15);
constexpr int uplink_devices = 100;
constexpr auto uplink_counted = std::chrono::seconds(10);

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

void post(test_support::Plane& plane, const std::string& kind, const dmi::Json& object) {
  const auto answer = plane.kube().post(base::cat(test_support::api, kind), object);
  if (answer.status != 201) bench::fail(base::cat("POST of ", kind, " answered ", answer.status));
}

// Every device's document is one message per cycle; a subscriber of another process counts them.
void measure_uplink(bench::Report& report, int port) {
  const bench::Kind kind{"block", points, true};
  test_support::Plane plane;
  plane.start_broker();
  plane.start_devicetwin();
  post(plane, "devicemodels", dmi::to_json(bench::model_of(kind)));
  for (int i = 0; i < uplink_devices; ++i) {
    dmi::Device device = bench::device_of(kind, i, port);
    device.node = "edge-node";
    post(plane, "devices", dmi::to_json(device));
  }
  const auto subscriber = [&] {
    return std::make_unique<test_support::Process>(std::vector<std::string>{
        "stdbuf", "-oL", "mosquitto_sub", "-p", base::cat(plane.broker_port()), "-F", "%t", "-t",
        "$hw/events/device/+/+/twin/update/document"});
  };
  plane.start_mapper();
  auto watching = subscriber();
  if (!test_support::wait_until([&] { return lines_of(watching->output()) >= 2 * uplink_devices; },
                                std::chrono::seconds(60))) {
    bench::fail("no documents arrive: " + plane.mapper().output());
  }
  const auto mapper = plane.mapper().cpu_time();
  const auto devicetwin = plane.devicetwin().cpu_time();
  const std::size_t before = lines_of(watching->output());
  const auto begun = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(uplink_counted);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const auto cores = [&](std::chrono::microseconds used) {
    return static_cast<double>(used.count()) / 1e6 / seconds;
  };
  const double mapper_cores = cores(plane.mapper().cpu_time() - mapper);
  const double devicetwin_cores = cores(plane.devicetwin().cpu_time() - devicetwin);
  const auto messages = static_cast<double>(lines_of(watching->output()) - before);
  std::printf("  %d of these devices through devicetwin and MQTT, one document per cycle\n",
              uplink_devices);
  report.add("", "points that arrived at an MQTT subscriber", messages * points / seconds,
             "points/s", "asked 100,000");
  report.add("", "CPU of modbus-mapper", mapper_cores, "cores");
  report.add("", "CPU of devicetwin", devicetwin_cores, "cores");
  report.add("plant.uplink_cores", "CPU of both", mapper_cores + devicetwin_cores, "cores",
             "aim <= 1");
}

void measure_mapper(bench::Report& report, int port) {
  base::IoLoop loop;
  const double before = bench::cpu_seconds();
  bench::Rig rig(loop);
  rig.add({"block", points, true}, 0, devices, port);
  const double loading = bench::cpu_seconds() - before;
  bench::run(loop, {&rig}, warm_up, counted);
  rig.check();
  std::printf("  %d devices of %d float points, cycle 1 s, one connection each\n", devices, points);
  report.add("plant.points_per_s", "points read", rig.points_per_s(), "points/s",
             "asked 1,000,000");
  report.add("plant.cores", "CPU of the mapper", rig.cores(), "cores", "aim <= 1");
  report.add("plant.rss_mib", "resident memory of the mapper", bench::resident_mib(), "MiB",
             "aim <= 200");
  report.add("plant.cycle_error_pct", "mean of |achieved - asked cycle|", rig.cycle_error_pct(),
             "%", "aim <= 1");
  report.add("", "cycles that began > 100 ms late or were skipped", rig.late_pct(), "%");
  report.add("", "busiest 10 ms of the second against an even spread", rig.spread(), "x");
  report.add("", "CPU to take in all devices, once", loading, "s");
}

}  // namespace

int main(int argc, char** argv) {
  bench::allow_many_descriptors();
  base::set_log_level(base::Level::error);
  bench::Report report(argc, argv);
  bench::Plant plant(2 * points);
  measure_mapper(report, plant.port());
  measure_uplink(report, plant.port());
  return 0;
}

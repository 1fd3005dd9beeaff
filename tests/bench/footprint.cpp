// Idle resident memory of devicetwin and modbus-mapper: started, connected to each other and to a
// broker, without a device, 5 s after they became ready.
#include <thread>

#include "bench/report.hpp"
#include "support/plane.hpp"

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  test_support::Plane plane;
  plane.start();
  if (!plane.mapper().wait_for_output("registered")) {
    std::fprintf(stderr, "the mapper did not register:\n%s", plane.mapper().output().c_str());
    return 1;
  }
  std::this_thread::sleep_for(std::chrono::seconds(5));
  report.add("footprint.devicetwin_rss_mib", "devicetwin, idle", plane.devicetwin().resident_mib(),
             "MiB RSS", "aim <= 25; EdgeCore 70");
  report.add("footprint.modbus_mapper_rss_mib", "modbus-mapper, idle",
             plane.mapper().resident_mib(), "MiB RSS", "aim <= 25; Go mapper 24");
  return 0;
}

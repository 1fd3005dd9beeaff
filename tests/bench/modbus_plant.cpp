// A plant: 1,000 devices of 1,000 float points, each device a TCP connection, all points changing
// and read each second. One mapper process without uplink (this one); the plant is another process
// and is not counted.
#include "bench/fleet_rig.hpp"
#include "bench/report.hpp"

namespace {

constexpr int devices = 1000;
constexpr int points = 1000;
constexpr auto warm_up = std::chrono::seconds(5);
constexpr auto counted = std::chrono::seconds(15);

}  // namespace

int main(int argc, char** argv) {
  bench::allow_many_descriptors();
  bench::Report report(argc, argv);
  bench::Plant plant(2 * points);
  base::IoLoop loop;
  const double before = bench::cpu_seconds();
  bench::Rig rig(loop);
  rig.add({"block", points, true}, 0, devices, plant.port());
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
  return 0;
}

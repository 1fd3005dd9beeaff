// What a point costs as devices grow from 10 to 10,000, each a TCP connection with 100 registers
// read each second in one request: CPU of the mapper per point read.
#include <cmath>

#include "bench/fleet_rig.hpp"
#include "bench/report.hpp"

int main(int argc, char** argv) {
  bench::allow_many_descriptors();
  bench::Report report(argc, argv);
  constexpr int points = 100;
  bench::Plant plant(1000);
  std::printf("  devices of %d registers, cycle 1 s, one connection and one request each\n",
              points);
  for (const int devices : {10, 100, 1000, 10'000}) {
    base::IoLoop loop;
    bench::Rig rig(loop);
    rig.add({"grown", points, false}, 0, devices, plant.port());
    bench::run(loop, {&rig}, std::chrono::seconds(devices > 1000 ? 6 : 2),
               std::chrono::seconds(10));
    rig.check();
    const double us = rig.cores() * 1e6 / rig.points_per_s();
    report.add(base::cat("growth.us_per_point_", devices), base::cat(devices, " devices"), us,
               "us/point", base::cat("late ", std::round(rig.late_pct() * 100) / 100, " %"));
  }
  return 0;
}

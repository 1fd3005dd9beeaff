// Points per CPU-second of the Modbus mapper, planned, against the same mapper told to read one
// property per request. One run, the plant a process of its own; only this process's CPU counts.
// Measured is what runs per cycle below the uplink: driver, planner, link, decoder, and refine into
// the twin. Not the uplink: `desired` measures that.
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/text.hpp"
#include "bench/report.hpp"
#include "dmi/twin.hpp"
#include "modbus/driver.hpp"
#include "refine.hpp"
#include "support/plane.hpp"

namespace {

using base::cat;
using dmi::Json;
using std::chrono::steady_clock;

constexpr int devices = 20;  // one connection each
constexpr int points = 500;  // floats, as many as a block of the plant has
constexpr auto duration = std::chrono::seconds(4);

std::chrono::duration<double> cpu_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

mapper::Target target_of(int device, int port, bool planned) {
  mapper::Target target;
  target.id = {"default", cat("block", device)};
  // Every address of 127/8 is this machine: a connection per device to one plant.
  Json protocol{{"ip", cat("127.0.0.", device + 1)}, {"port", port}, {"slaveID", 4}};
  if (!planned) {
    protocol["maxRegisters"] = 2;
    protocol["maxGap"] = 0;
  }
  target.protocol = dmi::Config(protocol, "protocol");
  for (std::size_t i = 0; i < points; ++i) {
    mapper::Point point;
    point.index = i;
    point.name = cat("f", i);
    point.type = dmi::Type::float32;
    point.visitor =
        dmi::Config(Json{{"register", "HoldingRegister"}, {"offset", 2 * i}}, "visitor");
    target.points.push_back(std::move(point));
  }
  return target;
}

// One device, read again as soon as it has been read.
class Reader {
 public:
  Reader(base::IoLoop& loop, const mapper::Protocol& protocol, mapper::Target target,
         std::uint64_t& read)
      : target_(std::move(target)), loop_(loop), twin_(target_.points.size()), read_(read) {
    auto driver = protocol.open_async(target_, mapper::Sink(), loop);
    if (!driver) fail(driver.status());
    driver_ = std::move(*driver);
    for (const mapper::Point& point : target_.points) batch_.push_back({point, std::nullopt});
    next();
  }

 private:
  static void fail(const base::Status& status) {
    std::fprintf(stderr, "modbus-plan: %s\n", status.to_string().c_str());
    std::exit(1);
  }
  void next() {
    for (mapper::Reading& reading : batch_) reading.sample.reset();
    driver_->read(batch_, [this](const base::Status& status) {
      if (!status.ok()) fail(status);
      const base::SteadyTime now = loop_.now();
      for (mapper::Reading& reading : batch_) {
        if (!reading.sample->status.ok()) fail(reading.sample->status);
        const std::size_t point = reading.point.index;
        dmi::Sample sample = mapper::refine(reading.point, std::move(*reading.sample));
        if (twin_.report(point, std::move(sample), now)) twin_.told(point, now);
      }
      read_ += batch_.size();
      next();
    });
  }

  const mapper::Target target_;
  base::IoLoop& loop_;
  dmi::Twin twin_;
  std::uint64_t& read_;
  std::unique_ptr<mapper::AsyncDriver> driver_;
  std::vector<mapper::Reading> batch_;
};

struct Outcome {
  double points_per_s = 0;
  double points_per_cpu_s = 0;
};

Outcome measure(int port, bool planned) {
  base::IoLoop loop;
  const mapper::Protocol protocol = modbus::protocol();
  std::uint64_t read = 0;
  std::vector<std::unique_ptr<Reader>> readers;
  for (int device = 0; device < devices; ++device) {
    readers.push_back(
        std::make_unique<Reader>(loop, protocol, target_of(device, port, planned), read));
  }
  // Opening and the first plans are not counted: they happen once in the life of a device.
  std::chrono::duration<double> cpu{};
  steady_clock::time_point start;
  loop.after(std::chrono::milliseconds(500), [&] {
    read = 0;
    cpu = cpu_time();
    start = steady_clock::now();
    loop.after(duration, [&] { loop.stop(); });
  });
  loop.run();
  const std::chrono::duration<double> wall = steady_clock::now() - start;
  const double counted = static_cast<double>(read);
  return {counted / wall.count(), counted / (cpu_time() - cpu).count()};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  test_support::Process plant(
      {test_support::built("mappers/modbus/modbus-plant"), "--listen", "0.0.0.0:0"});
  if (!plant.wait_for_output("listening on")) {
    std::fprintf(stderr, "modbus-plan: the plant did not start:\n%s", plant.output().c_str());
    return 1;
  }
  const std::string said = plant.output();
  const int port = std::atoi(said.c_str() + said.rfind(':') + 1);

  const Outcome single = measure(port, false);
  const Outcome planned = measure(port, true);
  std::printf("  %d devices of %d float points each, read as fast as they answer\n", devices,
              points);
  report.add("", "one request per property", single.points_per_s, "points/s");
  report.add("", "one request per property", single.points_per_cpu_s, "points/CPU-s");
  report.add("", "planned", planned.points_per_s, "points/s");
  report.add("modbus.points_per_cpu_s", "planned", planned.points_per_cpu_s, "points/CPU-s",
             "KubeEdge's Go mapper: 1,900");
  report.add("modbus.batch_over_single", "planned over one request per property",
             planned.points_per_cpu_s / single.points_per_cpu_s, "x");
  return 0;
}

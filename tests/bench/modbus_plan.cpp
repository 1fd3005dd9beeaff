// Points per CPU-second of the Modbus mapper, planned, against the same mapper told to read one
// property per request, and against libmodbus' own blocking client reading the same blocks. Floats
// (two registers, at most 62 in a request) and integers of one register (at most 125) apart. One
// run, the plant a process of its own; only this process's CPU counts.
// Measured is what runs per cycle below the uplink: driver, planner, link, decoder, and refine into
// the twin. Not the uplink: `desired` measures that.
#include <modbus/modbus.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <vector>

#include "base/text.hpp"
#include "bench/fleet_rig.hpp"
#include "bench/report.hpp"
#include "dmi/twin.hpp"
#include "modbus/driver.hpp"
#include "refine.hpp"

namespace {

using base::cat;
using dmi::Json;
using std::chrono::steady_clock;

constexpr int many = 20;         // devices, one connection each
constexpr int registers = 1000;  // of a device: a block of the plant
constexpr auto duration = std::chrono::seconds(4);

// Of all devices: as in a mapper, those of one model share them.
mapper::Points points_of(bool floats) {
  const std::size_t words = floats ? 2 : 1;
  std::vector<mapper::Point> points(registers / words);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].index = i;
    points[i].name = cat("p", i);
    points[i].type = floats ? dmi::Type::float32 : dmi::Type::integer;
    points[i].visitor =
        dmi::Config(Json{{"register", "HoldingRegister"}, {"offset", words * i}}, "visitor");
  }
  return points;
}

mapper::Target target_of(int device, int port, const mapper::Points& points, bool floats,
                         bool planned) {
  mapper::Target target;
  target.id = {"default", cat("block", device)};
  // Every address of 127/8 is this machine: a connection per device to one plant.
  Json protocol{{"ip", cat("127.0.0.", device + 1)}, {"port", port}, {"slaveID", 4}};
  if (!planned) {
    protocol["maxRegisters"] = floats ? 2 : 1;
    protocol["maxGap"] = 0;
  }
  target.protocol = dmi::Config(protocol, "protocol");
  target.points = points;
  return target;
}

// One device, read again as soon as it has been read.
class Reader {
 public:
  Reader(base::IoLoop& loop, const mapper::Protocol& protocol, mapper::Target target,
         std::uint64_t& read)
      : target_(std::move(target)), loop_(loop), twin_(target_.points.size()), read_(read) {
    auto driver = protocol.open_async(target_, mapper::Sink(), loop);
    if (!driver) bench::fail(driver.status().to_string());
    driver_ = std::move(*driver);
    for (const mapper::Point& point : target_.points) batch_.push_back({point, std::nullopt});
    next();
  }

 private:
  void next() {
    for (mapper::Reading& reading : batch_) reading.sample.reset();
    driver_->read(batch_, [this](const base::Status& status) {
      if (!status.ok()) bench::fail(status.to_string());
      const base::SteadyTime now = loop_.now();
      for (mapper::Reading& reading : batch_) {
        if (!reading.sample->status.ok()) bench::fail(reading.sample->status.to_string());
        const std::size_t point = reading.point.index;
        mapper::refine(reading.point, *reading.sample);
        if (twin_.report(point, std::move(*reading.sample), now)) twin_.told(point, now);
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

Outcome measure(int port, int devices, bool floats, bool planned) {
  base::IoLoop loop;
  const mapper::Protocol protocol = modbus::protocol();
  const mapper::Points points = points_of(floats);
  std::uint64_t read = 0;
  std::vector<std::unique_ptr<Reader>> readers;
  for (int device = 0; device < devices; ++device) {
    readers.push_back(std::make_unique<Reader>(
        loop, protocol, target_of(device, port, points, floats, planned), read));
  }
  // Opening and the first plans are not counted: they happen once in the life of a device.
  double cpu = 0;
  steady_clock::time_point start;
  loop.after(std::chrono::milliseconds(500), [&] {
    read = 0;
    cpu = bench::cpu_seconds();
    start = steady_clock::now();
    loop.after(duration, [&] { loop.stop(); });
  });
  loop.run();
  const std::chrono::duration<double> wall = steady_clock::now() - start;
  const double counted = static_cast<double>(read);
  return {counted / wall.count(), counted / (bench::cpu_seconds() - cpu)};
}

// libmodbus: one connection, one request after the other, as many registers as fit whole points.
double measure_libmodbus(int port, bool floats) {
  modbus_t* const link = modbus_new_tcp("127.0.0.1", port);
  modbus_set_slave(link, 4);
  if (modbus_connect(link) != 0) {
    bench::fail(cat("libmodbus: ", modbus_strerror(errno)));
  }
  const int longest = floats ? 124 : 125;
  std::array<std::uint16_t, 125> words{};
  std::uint64_t read = 0;
  double sum = 0;  // so that nothing is optimized away
  const double cpu = bench::cpu_seconds();
  const auto end = steady_clock::now() + duration;
  while (steady_clock::now() < end) {
    for (int first = 0; first < registers; first += longest) {
      const int count = std::min(longest, registers - first);
      if (modbus_read_registers(link, first, count, words.data()) != count) {
        bench::fail(cat("libmodbus: ", modbus_strerror(errno)));
      }
      for (int i = 0; i < count; i += floats ? 2 : 1) {
        const std::uint16_t* const at = words.data() + i;
        sum += floats ? static_cast<double>(modbus_get_float_abcd(at)) : *at;
        ++read;
      }
    }
  }
  const double used = (bench::cpu_seconds() - cpu);
  if (sum == 0) std::printf("  all values are 0\n");
  modbus_close(link);
  modbus_free(link);
  return static_cast<double>(read) / used;
}

void compare(bench::Report& report, int port, bool floats) {
  const std::string what = floats ? "floats" : "registers";
  const std::string metric = floats ? "" : "_registers";
  const Outcome single = measure(port, many, floats, false);
  const Outcome planned = measure(port, many, floats, true);
  const Outcome alone = measure(port, 1, floats, true);
  const double libmodbus = measure_libmodbus(port, floats);
  report.add("", what + ", one request per property", single.points_per_cpu_s, "points/CPU-s");
  report.add("", what + ", planned", planned.points_per_s, "points/s");
  report.add("modbus.points_per_cpu_s" + metric, what + ", planned", planned.points_per_cpu_s,
             "points/CPU-s", "KubeEdge's Go mapper: 1,900");
  report.add("", what + ", planned, one connection", alone.points_per_cpu_s, "points/CPU-s");
  report.add("", what + ", libmodbus' blocking client, one connection", libmodbus, "points/CPU-s");
  report.add("modbus.batch_over_single" + metric, what + ", planned over one request per property",
             planned.points_per_cpu_s / single.points_per_cpu_s, "x", "aim >= 50");
  report.add("modbus.over_libmodbus" + metric, what + ", one connection, over libmodbus",
             alone.points_per_cpu_s / libmodbus, "x", "aim >= 1");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  const bench::Plant plant(registers);

  std::printf("  %d devices of %d registers each, read as fast as they answer\n", many, registers);
  compare(report, plant.port(), true);
  compare(report, plant.port(), false);
  return 0;
}

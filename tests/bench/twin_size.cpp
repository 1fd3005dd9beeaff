// Resident bytes per twin property and the time of a start at 1,000, 10,000 and 100,000 properties
// in devices of 100, every one with a reported value; and what an empty devicetwin takes. With
// --mqtt none, and with the private broker beside it, which is a process of its own.
#include <unistd.h>

#include <array>
#include <cstring>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"

namespace {

using base::cat;
using bench::fail;

constexpr int per_device = 100;
constexpr int starts = 5;
constexpr auto settling = std::chrono::seconds(3);

struct Size {
  const char* name;
  int devices;
};
constexpr std::array sizes = {Size{"empty", 0}, Size{"1k", 10}, Size{"10k", 100},
                              Size{"100k", 1000}};

// A line of /proc/PID/status in KiB; 0: none.
double status_kib(pid_t pid, const std::string& key) {
  std::ifstream file(cat("/proc/", pid, "/status"));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key + ":")) return std::atof(line.c_str() + key.size() + 1);
  }
  return 0;
}

// Mosquitto as a child of that process; 0: none.
pid_t child_of(pid_t parent) {
  std::ifstream file(cat("/proc/", parent, "/task/", parent, "/children"));
  pid_t child = 0;
  file >> child;
  return child;
}

struct Measured {
  std::vector<double> start_ms;
  std::vector<double> resident_kib;
  std::vector<double> private_kib;  // of it not files: what grows
  std::vector<double> broker_kib;
};

void measure(const std::filesystem::path& folder, const std::vector<std::string>& flags,
             Measured& into) {
  bench::TwinDaemon daemon(folder, flags);
  into.start_ms.push_back(daemon.start_ms());
  std::this_thread::sleep_for(settling);
  const pid_t pid = daemon.process().pid();
  into.resident_kib.push_back(status_kib(pid, "VmRSS"));
  into.private_kib.push_back(status_kib(pid, "RssAnon"));
  into.broker_kib.push_back(status_kib(child_of(pid), "VmRSS"));
  daemon.stop();
}

double median(const std::vector<double>& values) { return bench::percentile(values, 0.5); }

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  std::array<test_support::TempFolder, sizes.size()> folders;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    bench::TwinDaemon daemon(folders[i].path(), {"--mqtt", "none"});
    if (sizes[i].devices > 0) {
      bench::create_devices(daemon, sizes[i].devices, per_device);
      bench::report_all(daemon, sizes[i].devices, per_device, 1);
    }
    daemon.stop();
    if (sizes[i].devices != 1000) continue;
    std::error_code error;
    const auto bytes = std::filesystem::file_size(folders[i] / "devicetwin.db", error);
    report.add("", "database of 100,000 properties", static_cast<double>(bytes) / (1 << 20), "MiB");
  }

  for (const bool mqtt : {false, true}) {
    const std::vector<std::string> flags = mqtt ? std::vector<std::string>{"--mqtt-port", "0"}
                                                : std::vector<std::string>{"--mqtt", "none"};
    const std::string suffix = mqtt ? "" : "_no_mqtt";
    const std::string where = mqtt ? "" : ", without MQTT";
    std::array<Measured, sizes.size()> measured;
    for (int round = 0; round < starts; ++round) {  // in turns: a busy minute slows all of them
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        measure(folders[i].path(), flags, measured[i]);
      }
    }
    const Measured& empty = measured[0];
    report.add(cat("twin.idle_mib", suffix), cat("resident, empty", where),
               median(empty.resident_kib) / 1024, "MiB", "aim <= 25; EdgeCore 70");
    report.add("", cat("  of it anonymous", where), median(empty.private_kib) / 1024, "MiB");
    if (mqtt) {
      report.add("twin.idle_broker_mib", "its private broker, a process of its own",
                 median(empty.broker_kib) / 1024, "MiB");
    }
    report.add(cat("twin.start_ms_empty", suffix), cat("start to ready, empty", where),
               median(empty.start_ms), "ms");
    for (std::size_t i = 1; i < sizes.size(); ++i) {
      const double properties = per_device * sizes[i].devices;
      const std::string name = sizes[i].name;
      const double more = median(measured[i].resident_kib) - median(empty.resident_kib);
      report.add(cat("twin.bytes_per_property_", name, suffix),
                 cat("resident bytes per property at ", name, where), 1024 * more / properties,
                 "bytes", "aim <= 200");
      report.add(cat("twin.start_ms_", name, suffix), cat("start to ready at ", name, where),
                 median(measured[i].start_ms), "ms");
      report.add(cat("twin.load_ms_", name, suffix), cat("  of it loading: more than empty", where),
                 median(measured[i].start_ms) - median(empty.start_ms), "ms",
                 i == 3 ? "aim <= 1,000" : "");
    }
  }
  return 0;
}

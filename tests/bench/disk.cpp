// What reported values cost a disk: bytes and fsyncs per value at several --flush-interval, of
// 1,000 properties that change each second; and fsyncs when nothing changes, while 10 devices say
// every five seconds that they are online. Counted in the program: /proc/PID/io, and a library that
// counts fsync() and fdatasync().
#include <cstring>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"

namespace {

using base::cat;
using bench::Clock;
using bench::fail;
using bench::seconds_since;

constexpr int devices = 10;
constexpr int per_device = 100;

class Daemon {
 public:
  explicit Daemon(const std::filesystem::path& folder, double flush_interval_s)
      : folder_(folder), counts_(folder / "fsyncs") {
    std::ofstream(counts_) << std::string(8, '\0');
    process_ = std::make_unique<test_support::Process>(
        std::vector<std::string>{test_support::built("devicetwin/devicetwin"), "--dir",
                                 folder.string(), "--kube-port", "0", "--mqtt", "none",
                                 "--flush-interval", cat(flush_interval_s)},
        test_support::Process::Environment{
            {"LD_PRELOAD", test_support::built("tests/libcount_fsync.so")},
            {"COUNT_FSYNC", counts_.string()}});
    if (!process_->wait_for_output("ready:", std::chrono::seconds(60))) fail(process_->output());
  }
  ~Daemon() { process_->stop(std::chrono::seconds(60)); }

  std::string socket() const { return (folder_ / "dmi.sock").string(); }
  double fsyncs() const {
    char bytes[8] = {};
    std::ifstream(counts_).read(bytes, sizeof bytes);
    std::uint64_t count = 0;
    std::memcpy(&count, bytes, sizeof count);
    return static_cast<double>(count);
  }
  double bytes() const {
    std::ifstream file(cat("/proc/", process_->pid(), "/io"));
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("write_bytes: ")) return std::atof(line.c_str() + 13);
    }
    return 0;
  }

 private:
  std::filesystem::path folder_;
  std::filesystem::path counts_;
  std::unique_ptr<test_support::Process> process_;
};

// One new value of every property per second.
void report_for(const Daemon& daemon, int seconds) {
  bench::Reporter reporter(daemon.socket(), 8);
  const auto begun = Clock::now();
  for (int second = 0; second < seconds; ++second) {
    std::this_thread::sleep_until(begun + std::chrono::seconds(second));
    for (int device = 0; device < devices; ++device) {
      dmi::DeviceReport report{{"default", bench::device_name(device)}, {}};
      for (int i = 0; i < per_device; ++i) {
        report.twins.push_back(bench::twin_of(i, cat(second, '.', 100'000 + i)));
      }
      reporter.send(report);
    }
  }
  reporter.drain();
  reporter.take_latencies_us();
  std::this_thread::sleep_until(begun + std::chrono::seconds(seconds));
}

void stay_online_for(const Daemon& daemon, std::chrono::seconds time) {
  const auto client = dmi::wire::connect_manager(daemon.socket());
  for (const auto begun = Clock::now(); Clock::now() - begun < time;) {
    for (int device = 0; device < devices; ++device) {
      client->report_state({"default", bench::device_name(device)}, "online",
                           [](const base::Status&) {});
    }
    std::this_thread::sleep_for(std::chrono::seconds(5));
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  const test_support::TempFolder folder;
  {
    bench::TwinDaemon daemon(folder.path(), {"--mqtt", "none"});
    bench::create_devices(daemon, devices, per_device);
    daemon.stop();
  }
  struct Run {
    const char* name;
    double interval_s;
    int seconds;
  };
  for (const Run& run :
       {Run{"100ms", 0.1, 20}, Run{"1s", 1, 20}, Run{"10s", 10, 40}, Run{"60s", 60, 120}}) {
    Daemon daemon(folder.path(), run.interval_s);
    report_for(daemon, 2);
    const double fsyncs = daemon.fsyncs();
    const double bytes = daemon.bytes();
    report_for(daemon, run.seconds);
    const double values = static_cast<double>(run.seconds) * devices * per_device;
    report.add(cat("disk.bytes_per_value_", run.name),
               cat("bytes written per value, --flush-interval ", run.interval_s),
               (daemon.bytes() - bytes) / values, "bytes");
    report.add(cat("disk.fsyncs_per_hour_", run.name), "  fsyncs per hour",
               (daemon.fsyncs() - fsyncs) * 3600 / run.seconds, "");
  }
  Daemon daemon(folder.path(), 0.1);
  stay_online_for(daemon, std::chrono::seconds(15));
  const double fsyncs = daemon.fsyncs();
  const double bytes = daemon.bytes();
  constexpr auto idle = std::chrono::seconds(120);  // lastOnlineTime is told each minute
  stay_online_for(daemon, idle);
  report.add("disk.fsyncs_per_hour_idle", "fsyncs per hour, nothing changes",
             (daemon.fsyncs() - fsyncs) * 3600 / idle.count(), "", "aim 0");
  report.add("disk.bytes_per_hour_idle", "  bytes written per hour",
             (daemon.bytes() - bytes) * 3600 / idle.count(), "bytes", "aim 0");
  return 0;
}

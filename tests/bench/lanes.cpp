// What a flood of large MQTT updates costs everybody else: reports over DMI, PATCHes and /healthz,
// while mosquitto_pub sends 940 kB updates for a device that is not there, and while it sends the
// same to a topic that nobody subscribes to. Broker and flooder are on core 0, devicetwin on core
// 1. The clients that measure are threads of this process, on either.
#include <sched.h>

#include <fstream>
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"

namespace {

using base::cat;
using bench::Clock;

constexpr int updates = 600;
constexpr std::size_t update_bytes = 940'000;

void pin(pid_t pid, int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(pid, sizeof set, &set);
}

// A valid update of about so many bytes: 4,096 properties fit four times, these are few and long.
void write_update(const std::filesystem::path& file) {
  std::ofstream out(file);
  out << R"({"event_id":"flood","twin":{)";
  constexpr std::size_t properties = 230;
  for (std::size_t i = 0; i < properties; ++i) {
    out << (i == 0 ? "" : ",") << R"("p)" << i << R"(":{"actual":{"value":")"
        << std::string(update_bytes / properties - 30, 'x') << R"("}})";
  }
  out << "}}";
}

struct Outcome {
  std::vector<double> report_ms;
  std::vector<double> patch_ms;
  std::vector<double> healthz_ms;
  double growth_mib = 0;  // peak above what it was before
  double seconds = 0;     // of the flood
};

// Calls until told to stop, each a moment after the answer to the one before.
template <class Call>
std::thread caller(const std::atomic<bool>& stop, std::vector<double>& took_ms, Call call) {
  return std::thread([&stop, &took_ms, call]() mutable {
    for (int i = 0; !stop; ++i) {
      const auto begun = Clock::now();
      call(i);
      took_ms.push_back(1e3 * bench::seconds_since(begun));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
}

Outcome flood(bench::TwinDaemon& daemon, std::uint16_t port, const std::filesystem::path& file,
              const std::string& topic) {
  Outcome outcome;
  const double before = daemon.process().resident_mib();
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  bench::Reporter reporter(daemon.socket(), 1);
  threads.push_back(caller(stop, outcome.report_ms, [&](int i) {
    reporter.send(bench::report_of(0, i % 10, cat(i, ".5")));
    reporter.drain();
  }));
  test_support::KubeClient kube = daemon.kube();
  threads.push_back(caller(stop, outcome.patch_ms, [&kube](int i) {
    const dmi::Json label = {{"metadata", {{"labels", {{"round", cat(i)}}}}}};
    const auto answer =
        kube.patch(cat(test_support::api, "devices/", bench::device_name(1)), label);
    if (answer.status != 200) bench::fail("a PATCH was refused");
  }));
  // As kubelet asks: each time anew.
  threads.push_back(caller(stop, outcome.healthz_ms, [&](int) {
    if (daemon.kube().get("/healthz").status != 200) bench::fail("/healthz is not 200");
  }));
  threads.emplace_back([&] {
    while (!stop) {
      outcome.growth_mib = std::max(outcome.growth_mib, daemon.process().resident_mib() - before);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto begun = Clock::now();
  test_support::Process flooder({test_support::find_program("mosquitto_pub"), "-h", "127.0.0.1",
                                 "-p", cat(port), "-q", "1", "-t", topic, "-f", file.string(),
                                 "--repeat", cat(updates)});
  pin(flooder.pid(), 0);
  if (flooder.wait(std::chrono::seconds(300)) != 0) bench::fail(flooder.output());
  outcome.seconds = bench::seconds_since(begun);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return outcome;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  test_support::TempFolder folder;
  const std::uint16_t port = test_support::free_port();
  const auto config = folder / "mosquitto.conf";
  std::ofstream(config) << "listener " << port << " 127.0.0.1\nallow_anonymous true\n";
  test_support::Process broker({"/usr/sbin/mosquitto", "-c", config.string()});
  pin(broker.pid(), 0);
  if (!test_support::wait_until([&] { return test_support::listens(port); })) {
    bench::fail(broker.output());
  }
  std::filesystem::create_directory(folder / "twin");
  bench::TwinDaemon daemon(folder / "twin", {"--mqtt", cat("tcp://127.0.0.1:", port)});
  // All its threads: those that are there, and those they make.
  for (const auto& task :
       std::filesystem::directory_iterator(cat("/proc/", daemon.process().pid(), "/task"))) {
    pin(std::stoi(task.path().filename().string()), 1);
  }
  bench::create_devices(daemon, 2, 10);
  const auto file = folder / "update.json";
  write_update(file);

  const Outcome beside = flood(daemon, port, file, "bench/nobody");
  const Outcome ours = flood(daemon, port, file, "$hw/events/device/default/nobody/twin/update");
  const auto p99 = [](const std::vector<double>& values) {
    return bench::percentile(values, 0.99);
  };
  report.add("", cat(updates, " updates of 940 kB, to nobody's topic"), beside.seconds, "s");
  report.add("", "  report p99", p99(beside.report_ms), "ms");
  report.add("", "  PATCH p99", p99(beside.patch_ms), "ms");
  report.add("", "  GET /healthz p99", p99(beside.healthz_ms), "ms");
  report.add("", cat(updates, " of them, to ours"), ours.seconds, "s");
  report.add("", "  report p99", p99(ours.report_ms), "ms");
  report.add("", "  PATCH p99", p99(ours.patch_ms), "ms");
  report.add("lanes.healthz_p99_ms", "  GET /healthz p99", p99(ours.healthz_ms), "ms", "aim <= 50");
  report.add("lanes.report_p99_ratio", "report p99, ours over nobody's",
             p99(ours.report_ms) / p99(beside.report_ms), "", "aim <= 5");
  report.add("lanes.patch_p99_ratio", "PATCH p99, ours over nobody's",
             p99(ours.patch_ms) / p99(beside.patch_ms), "", "aim <= 5");
  report.add("lanes.rss_growth_mib", "devicetwin, peak above before", ours.growth_mib, "MiB",
             "aim <= 64");
  return 0;
}

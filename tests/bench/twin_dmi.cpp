// ReportDeviceStatus calls per second and their latency, one changed value per call, with 1 and 8
// connections: as it starts by default, with its private broker (every change becomes a document
// there), and without MQTT. Clients are threads of this process; its cost is on the same cores.
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"

namespace {

using base::cat;
using bench::Clock;

constexpr int devices = 100;
constexpr int properties = 100;
constexpr auto measured = std::chrono::seconds(5);
constexpr auto warming = std::chrono::milliseconds(500);

struct Outcome {
  double per_s = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cores = 0;  // of devicetwin
};

// Calls from so many connections, each with so many in flight, for so long.
Outcome load(bench::TwinDaemon& daemon, int connections, int in_flight) {
  std::vector<std::unique_ptr<bench::Reporter>> reporters;
  for (int i = 0; i < connections; ++i) {
    reporters.push_back(std::make_unique<bench::Reporter>(daemon.socket(), in_flight));
  }
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      for (int count = i; !stop; count += connections) {
        const int property = count / devices % properties;
        reporters[std::size_t(i)]->send(
            bench::report_of(count % devices, property, cat(count, ".25")));
      }
    });
  }
  std::this_thread::sleep_for(warming);
  for (auto& reporter : reporters) reporter->take_latencies_us();
  const auto cpu = daemon.process().cpu_time();
  const auto begun = Clock::now();
  std::this_thread::sleep_for(measured);
  std::vector<double> latencies;
  for (auto& reporter : reporters) {
    const auto taken = reporter->take_latencies_us();
    latencies.insert(latencies.end(), taken.begin(), taken.end());
  }
  const double seconds = bench::seconds_since(begun);
  const auto used = daemon.process().cpu_time() - cpu;
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return {static_cast<double>(latencies.size()) / seconds, bench::percentile(latencies, 0.5),
          bench::percentile(latencies, 0.99), static_cast<double>(used.count()) / 1e6 / seconds};
}

// suffix of the metrics: "" as by default, "_no_mqtt".
void run(bench::Report& report, const std::string& suffix, std::vector<std::string> flags) {
  const std::string where = suffix.empty() ? "" : ", without MQTT";
  test_support::TempFolder folder;
  bench::TwinDaemon daemon(folder.path(), std::move(flags));
  bench::create_devices(daemon, devices, properties);
  const Outcome alone = load(daemon, 1, 1);
  report.add(cat("twin.dmi_p50_us_idle", suffix), cat("one call at a time, p50", where),
             alone.p50_us, "us");
  report.add(cat("twin.dmi_p99_us_idle", suffix), cat("one call at a time, p99", where),
             alone.p99_us, "us");
  for (const auto& [connections, in_flight] : {std::pair{1, 64}, std::pair{8, 16}}) {
    const Outcome loaded = load(daemon, connections, in_flight);
    const std::string what = cat(connections, connections == 1 ? " connection, " : " connections, ",
                                 in_flight, " calls in flight each");
    report.add(cat("twin.dmi_calls_", connections, suffix), cat(what, where), loaded.per_s,
               "calls/s", suffix.empty() ? "aim >= 20,000; EdgeCore 6,000 without limiter" : "");
    report.add("", "  p50", loaded.p50_us, "us");
    report.add(cat("twin.dmi_p99_us_", connections, suffix), "  p99", loaded.p99_us, "us",
               "EdgeCore 10,000");
    report.add("", "  devicetwin meanwhile", loaded.cores, "cores");
    report.add("", "  devicetwin, of its own time", 1e6 * loaded.cores / loaded.per_s, "us/call");
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  run(report, "", {"--mqtt-port", "0", "--log-level", "info"});
  run(report, "_no_mqtt", {"--mqtt", "none"});
  return 0;
}

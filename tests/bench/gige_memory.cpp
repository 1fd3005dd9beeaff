// Memory of a process that receives from 1 and from 4 cameras (640x480 at 25 fps each, from
// generators of their own), and how it grows: resident memory once a second, and the slope of the
// line through the second half.
//
//   --seconds N in place of 600 each.
#include "bench/gige_rig.hpp"
#include "bench/report.hpp"
#include "support/own_network.hpp"

namespace {

using bench::cat;
using bench::Clock;
using bench::fail;
using bench::Seconds;

// MiB an hour, of samples one a second.
double slope(const std::vector<double>& samples) {
  const double n = static_cast<double>(samples.size());
  double x = 0, y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double at = static_cast<double>(i);
    x += at;
    y += samples[i];
    xx += at * at;
    xy += at * samples[i];
  }
  return 3600 * (n * xy - x * y) / (n * xx - x * x);
}

// Not shared with the kernel's packet ring, other processes or files, MiB.
double own_mib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) / 1024;
  }
  return 0;
}

void measure(bench::Report& report, int count, int seconds) {
  std::vector<std::unique_ptr<test_support::Process>> senders;
  std::vector<std::unique_ptr<gige::Camera>> cameras;
  for (int i = 1; i <= count; ++i) {
    const std::string ip = cat("127.0.0.", i);
    senders.push_back(bench::generator({"-s", cat("MEM", i)}, ip));
    auto camera = gige::Camera::open(bench::found(ip), {});
    if (!camera) fail(camera.status().to_string());
    const base::Status started = (*camera)->start(cat("gige-memory-", ::getpid(), "-", i), 0,
                                                  [](const auto&, const auto&) {});
    if (!started.ok()) fail(started.to_string());
    cameras.push_back(std::move(camera).value());
  }
  std::vector<double> resident;
  std::vector<double> own;
  Clock::time_point next = Clock::now();
  for (int i = 0; i < seconds; ++i) {
    next += std::chrono::seconds(1);
    std::this_thread::sleep_until(next);
    if (i < seconds / 2) continue;
    resident.push_back(bench::resident_mib());
    own.push_back(own_mib());
  }
  double lost = 0;
  double complete = 0;
  for (const auto& camera : cameras) {
    lost += bench::incomplete(camera->counters());
    complete += static_cast<double>(camera->counters().complete);
  }
  const std::string what = cat(count, count == 1 ? " camera" : " cameras");
  report.add(cat("gige.memory_", count, "_mib"), cat(what, ", resident"), resident.back(), "MiB");
  report.add(cat("gige.memory_", count, "_own_mib"), cat(what, ", of it not shared"), own.back(),
             "MiB");
  report.add(cat("gige.memory_", count, "_slope"), cat(what, ", growth of what is not shared"),
             slope(own), "MiB/h", cat("over ", seconds / 2, " s"));
  report.add("", cat(what, ", frames"), complete, "");
  report.add("", cat(what, ", frames lost"), lost, "", "aim 0");
}

}  // namespace

int main(int argc, char** argv) {
  test_support::enter_own_network(8);
  bench::Report report(argc, argv);
  int seconds = 600;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view(argv[i]) == "--seconds") seconds = std::max(std::atoi(argv[i + 1]), 4);
  }
  report.add("", "nothing open, resident", bench::resident_mib(), "MiB");
  for (const int count : {1, 4}) measure(report, count, seconds);
  return 0;
}

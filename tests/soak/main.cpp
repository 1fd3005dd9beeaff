// soak: the whole device plane under load and faults for a stated time (scripts/soak).
//
// First third: kill -9 of every process at random moments, beside the other faults. Then no process
// is killed any more, so that what grows can be seen: devices die, answers are lost, panels are
// turned, the broker is stopped. In rounds: after each the plane must come to rest, and the checker
// of tests/system must find every promise kept.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/text.hpp"
#include "slope.hpp"
#include "system/load.hpp"

namespace {

using base::cat;
using std::chrono::duration;
using std::chrono::steady_clock;
using system_test::Load;

struct Flags {
  double minutes = 30;
  unsigned seed = 20261123;
  int points = 200;
};

// Past these something is wrong. Of growth only what is beyond the noise counts, and only of a
// steady part that is long enough to tell a leak from a cache that fills.
constexpr double most_mib = 256;
constexpr double most_mib_per_hour = 10;
constexpr double most_descriptors_per_hour = 5;
constexpr double judged_hours = 10.0 / 60;

class Soak {
 public:
  explicit Soak(Flags flags)
      : flags_(flags),
        load_({.seed = flags.seed, .moving = flags.points, .long_faults = true}),
        start_(steady_clock::now()) {}

  int run();

 private:
  double hours() const { return duration<double>(steady_clock::now() - start_).count() / 3600; }
  double end() const { return flags_.minutes / 60; }
  bool steady() const { return hours() > end() / 3; }

  void round(double until);
  void check_round();
  void wrong(const std::string& text);
  void sample();
  void progress();
  void table();
  void judge(const std::string& process, const char* what, const soak::Slope& slope, double limit);

  const Flags flags_;
  Load load_;
  const steady_clock::time_point start_;
  std::map<std::string, std::vector<soak::Sample>> memory_, descriptors_;  // steady part only
  std::map<std::string, double> newest_memory_, highest_memory_;
  double sampled_ = -1, told_ = -1;  // hours
  int rounds_ = 0;
  int findings_ = 0;
};

void Soak::wrong(const std::string& text) {
  ++findings_;
  std::printf("WRONG: %s\n", text.c_str());
  std::fflush(stdout);
}

double descriptors_of(pid_t pid) {
  std::error_code error;
  std::filesystem::directory_iterator folder(cat("/proc/", pid, "/fd"), error);
  return error ? 0 : static_cast<double>(std::distance(folder, {}));
}

void Soak::sample() {
  if (hours() - sampled_ < 2.0 / 3600) return;
  sampled_ = hours();
  test_support::Plane& plane = load_.plane();
  for (const auto& [name, process] :
       {std::pair<const char*, test_support::Process*>{"devicetwin", &plane.devicetwin()},
        {"modbus-mapper", &plane.mapper()},
        {"mosquitto", &plane.broker()}}) {
    const double mib = process->resident_mib();
    newest_memory_[name] = mib;
    highest_memory_[name] = std::max(highest_memory_[name], mib);
    // The first tenth after the last kill fills caches.
    if (hours() < end() * (1.0 / 3 + 0.1)) continue;
    memory_[name].push_back({hours(), mib});
    descriptors_[name].push_back({hours(), descriptors_of(process->pid())});
  }
}

void Soak::progress() {
  if (hours() - told_ < 5.0 / 3600) return;
  told_ = hours();
  std::printf("%5.1f min, round %d: %s; MiB:", hours() * 60, rounds_ + 1, load_.summary().c_str());
  for (const auto& [name, mib] : newest_memory_) std::printf(" %s %.1f", name.c_str(), mib);
  std::printf("\n");
  std::fflush(stdout);
}

void Soak::round(double until) {
  load_.begin_clients();
  while (hours() < until) {
    if (const std::string ended = load_.strike(!steady()); !ended.empty()) {
      wrong(ended);
      break;
    }
    sample();
    progress();
  }
  load_.end_clients();
  check_round();
  ++rounds_;
}

void Soak::check_round() {
  const bool quiet = load_.becomes_quiet(std::chrono::seconds(60));
  const system_test::History history = load_.history();
  const auto violations = system_test::check(history);
  std::set<std::string> keys;
  for (const auto& violation : violations) {
    wrong(cat("[", name(violation.rule), "] ", violation.key, ": ", violation.text));
    keys.insert(violation.key);
  }
  if (!quiet && violations.empty()) wrong("the plane did not come to rest within 60 s");
  if (quiet && violations.empty()) return;
  const std::string stem = cat("soak-", flags_.seed, "-round", rounds_ + 1);
  for (const std::string& key : keys) {
    std::string file = cat(stem, "-", key, ".txt");
    std::replace(file.begin(), file.end(), '/', '-');
    std::ofstream(file) << system_test::to_text(history, key);
    std::printf("  history of %s: %s\n", key.c_str(), file.c_str());
  }
  std::ofstream(stem + ".log") << load_.diagnosis();
  std::printf("  logs of devicetwin and the mapper: %s.log\n", stem.c_str());
}

void Soak::judge(const std::string& process, const char* what, const soak::Slope& slope,
                 double limit) {
  if (end() * (2.0 / 3 - 0.1) < judged_hours || slope.per_hour - slope.noise <= limit) return;
  wrong(cat(process, ": ", what, " grow by ", slope.per_hour, " an hour, more than ", limit));
}

void Soak::table() {
  std::printf("\n%-14s %8s %8s %8s %16s %6s %8s %16s %6s\n", "process", "MiB", "highest", "samples",
              "MiB/h", "R2", "fds", "fds/h", "R2");
  for (const auto& [process, samples] : memory_) {
    const auto& fds = descriptors_[process];
    const soak::Slope memory = soak::slope_of(samples);
    const soak::Slope descriptors = soak::slope_of(fds);
    std::printf("%-14s %8.1f %8.1f %8zu %7.1f ± %6.1f %6.2f %8.0f %7.1f ± %6.1f %6.2f\n",
                process.c_str(), samples.back().value, highest_memory_[process], samples.size(),
                memory.per_hour, memory.noise, memory.r_squared, fds.back().value,
                descriptors.per_hour, descriptors.noise, descriptors.r_squared);
    judge(process, "MiB", memory, most_mib_per_hour);
    judge(process, "descriptors", descriptors, most_descriptors_per_hour);
    if (highest_memory_[process] > most_mib) {
      wrong(cat(process, ": ", highest_memory_[process], " MiB, more than ", most_mib));
    }
  }
  std::printf("(of the last %.1f min, without kills; ±: two standard errors%s)\n",
              flags_.minutes * (2.0 / 3 - 0.1),
              end() * (2.0 / 3 - 0.1) < judged_hours ? "; too short to be judged" : "");
}

int Soak::run() {
  if (!load_.start()) {
    wrong("the plane did not start:\n" + load_.diagnosis());
    return 1;
  }
  // Short enough for a history that can be read, and several in a short run.
  const double length = std::min(30.0 / 3600, end() / 4);
  while (findings_ == 0 && hours() < end()) {
    round(std::min(end(), hours() + length));
    if (findings_ == 0) load_.next_round();
  }
  if (!memory_.empty()) table();
  std::printf("\n%-32s %8s\n", "fault", "times");
  for (const auto& [fault, times] : load_.struck()) {
    std::printf("%-32s %8d\n", fault.c_str(), times);
  }
  std::printf("%d rounds, seed %u: %s\n", rounds_, flags_.seed,
              findings_ == 0 ? "nothing was wrong" : cat(findings_, " things were wrong").c_str());
  return findings_ == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("The whole device plane under load and faults; exit status 1: something was wrong.");
  app.add_option("minutes", flags.minutes, "how long")
      ->check(CLI::Range(0.5, 24.0 * 60 * 30))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of all that is random")->capture_default_str();
  app.add_option("--points", flags.points, "of one device that change all the time")
      ->check(CLI::Range(0, system_test::RecordingDevice::moving))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return Soak(flags).run();
}

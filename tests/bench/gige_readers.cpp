// What readers of a frame ring cost its writer: CPU of a process that writes 1920×1080 Mono8 frames
// at 60 fps into a ring, while 0, 1, 4 and 8 other processes read every byte of every frame. No
// camera: the writer copies each frame from memory, as Aravis does from its packets.
//
// Readers cost the writer twice: waking them (a futex system call, counted apart below) and, with
// all the machine's caches and memory shared, slower copying.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "bench/report.hpp"
#include "gige/frame_reader.hpp"
#include "gige/frame_ring.hpp"

namespace {

using base::cat;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t width = 1920;
constexpr std::uint32_t height = 1080;
constexpr std::size_t frame_bytes = std::size_t{width} * height;
constexpr int frames_per_s = 60;
constexpr int frames = 4 * frames_per_s;  // of one run
constexpr int rounds = 3;                 // of all runs; the median is given
constexpr std::array counts = {0, 1, 4, 8};

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "gige-readers: %s\n", why.c_str());
  std::exit(1);
}

double cpu_s() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Reads until a frame that is not complete: the writer's last. Exits with the frames it missed, 100
// at most.
[[noreturn]] void read_all(const std::string& name) {
  gige_frames::Reader reader(name, gige_frames::Order::next);
  std::uint64_t missed = 0;
  volatile std::uint64_t sum = 0;
  for (;;) {
    const auto view = reader.wait(std::chrono::seconds(20));
    if (!view) ::_exit(255);
    if (view->info.status != gige_frames::Status::complete) break;
    sum = std::accumulate(view->pixels, view->pixels + view->info.size, sum);
    if (!view->still_valid()) ++missed;
  }
  ::_exit(static_cast<int>(std::min<std::uint64_t>(100, missed + reader.skipped())));
}

class Readers {
 public:
  Readers(const std::string& name, int count) {
    const pid_t parent = ::getpid();
    for (int i = 0; i < count; ++i) {
      const pid_t pid = ::fork();
      if (pid < 0) fail("fork");
      if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(255);
        read_all(name);
      }
      pids_.push_back(pid);
    }
  }
  // Frames that all of them missed.
  int wait() {
    int missed = 0;
    for (const pid_t pid : pids_) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (!WIFEXITED(status) || WEXITSTATUS(status) == 255) fail("a reader saw no frames");
      missed += WEXITSTATUS(status);
    }
    return missed;
  }

 private:
  std::vector<pid_t> pids_;
};

struct Outcome {
  double cpu_percent = 0;      // of one core
  double publish_percent = 0;  // publish and reclaim alone
  int missed = 0;
};

Outcome run(int readers, const std::vector<std::uint8_t>& picture) {
  const std::string name = cat("gige-bench-", ::getpid());
  auto created = gige::FrameRing::create(name, 8, frame_bytes);
  if (!created) fail(created.status().to_string());
  gige::FrameRing& ring = **created;
  Readers others(name, readers);
  gige::FrameInfo info;
  info.width = width;
  info.height = height;
  info.format = 0x01080001;  // Mono8
  info.size = frame_bytes;
  Outcome outcome;
  double publishing = 0;
  double before = 0;
  // The first second is for the readers to come; the slots' first use is in it, too.
  auto next = Clock::now();
  for (int i = -frames_per_s; i <= frames; ++i) {
    next += std::chrono::nanoseconds(1'000'000'000 / frames_per_s);
    const timespec at{static_cast<time_t>(next.time_since_epoch().count() / 1'000'000'000),
                      static_cast<long>(next.time_since_epoch().count() % 1'000'000'000)};
    ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
    if (i == 0) {
      before = cpu_s();
      publishing = 0;
    }
    const double start = cpu_s();
    const auto reclaimed = ring.reclaim(info.sequence < 8 ? 8 : 1);
    const std::size_t slot = reclaimed ? *reclaimed : info.sequence;
    if (slot >= 8) fail("no slot is free");
    publishing += cpu_s() - start;
    std::memcpy(ring.slot(slot), picture.data(), frame_bytes);
    ++info.sequence;
    if (i == frames) info.status = gige::FrameStatus::aborted;
    const double then = cpu_s();
    ring.publish(slot, info);
    publishing += cpu_s() - then;
  }
  const double seconds = static_cast<double>(frames) / frames_per_s;
  outcome.cpu_percent = 100 * (cpu_s() - before) / seconds;
  outcome.publish_percent = 100 * publishing / seconds;
  outcome.missed = others.wait();
  return outcome;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  const std::vector<std::uint8_t> picture(frame_bytes, 0x5A);
  std::map<int, std::vector<double>> cpu, publish;
  std::map<int, int> missed;
  // Round by round, so that what else the machine does falls on all alike.
  for (int round = 0; round < rounds; ++round) {
    for (const int readers : counts) {
      const Outcome outcome = run(readers, picture);
      cpu[readers].push_back(outcome.cpu_percent);
      publish[readers].push_back(outcome.publish_percent);
      missed[readers] += outcome.missed;
    }
  }
  for (const int readers : counts) {
    report.add(cat("gige.readers_", readers, "_cpu_percent"),
               cat("writer, ", readers, " readers, 1920x1080 at 60 fps"), median(cpu[readers]),
               "% of core");
    report.add(cat("gige.readers_", readers, "_publish_percent"),
               "  of it publishing (waking the readers)", median(publish[readers]), "% of core");
    if (readers == 0) continue;
    report.add(cat("gige.readers_", readers, "_each_cpu_percent"), "  each reader costs the writer",
               (median(cpu[readers]) - median(cpu[0])) / readers, "% of core", "<= 1");
    report.add(cat("gige.readers_", readers, "_missed"), "  frames missed by all readers together",
               missed[readers], "frames", cat("of ", readers * frames * rounds));
  }
  return 0;
}

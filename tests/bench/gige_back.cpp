// From the moment a camera is back to its first good frame, after a pulled cable and after a power
// cycle: lost is noticed by gige::Camera's watch, then the camera is looked for, opened, its
// features are written again and the stream is started. The time runs from when the camera answers
// again.
//
//   --quick: 3 times in place of 20.
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "bench/gige_rig.hpp"
#include "bench/report.hpp"
#include "generator/camera.hpp"
#include "support/own_network.hpp"

namespace {

using bench::cat;
using bench::Clock;
using bench::fail;
using bench::Seconds;

// What happens on the camera's threads, and waiting for it.
class Events {
 public:
  void frame() {
    const std::lock_guard lock(mutex_);
    ++frames_;
    changed_.notify_all();
  }
  void lost() {
    const std::lock_guard lock(mutex_);
    lost_ = true;
    changed_.notify_all();
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    frames_ = 0;
    lost_ = false;
  }
  void wait_for_frame() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(20), [&] { return frames_ > 0; })) {
      fail("no frame within 20 s");
    }
  }
  // false: not within patience.
  bool wait_for_loss(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return lost_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int frames_ = 0;
  bool lost_ = false;
};

std::unique_ptr<gige::Camera> streaming(Events& events) {
  gige::CameraQuery query;
  query.serial = "GEN001";
  for (;;) {
    const auto info = gige::find(query, std::chrono::seconds(10));
    if (!info) continue;
    auto camera = gige::Camera::open(*info, {});
    if (!camera) continue;
    ArvDevice* device = (*camera)->device();
    arv_device_set_integer_feature_value(device, "Width", 320, nullptr);
    arv_device_set_float_feature_value(device, "ExposureTime", 5000, nullptr);
    arv_device_set_float_feature_value(device, "AcquisitionFrameRate", 50, nullptr);
    const auto taken = [&events](const auto&, const gige::FrameInfo& info) {
      if (info.status == gige::FrameStatus::complete) events.frame();
    };
    if (!(*camera)->start(cat("gige-back-", ::getpid()), 0, taken).ok()) continue;
    (*camera)->watch([&events](base::Status) { events.lost(); });
    return std::move(camera).value();
  }
}

struct Times {
  std::vector<double> noticed;  // s after it was gone
  std::vector<double> back;     // s after it was there again
};

// gone: takes the camera away; back: brings it back, and returns when it is there.
template <class Gone, class Back>
Times measure(int rounds, Gone gone, Back back) {
  Times times;
  Events events;
  for (int round = 0; round < rounds; ++round) {
    auto camera = streaming(events);
    events.wait_for_frame();
    const Clock::time_point from = Clock::now();
    gone();
    if (!events.wait_for_loss(std::chrono::seconds(20))) fail("the loss was not noticed in 20 s");
    times.noticed.push_back(Seconds(Clock::now() - from).count());
    events.forget();
    // The stream of the lost camera ends beside what follows, as in the mapper; its return comes
    // whenever it likes: here a bit later.
    Clock::time_point there;
    std::thread bringing([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300 + 37 * round));
      back();
      there = Clock::now();
    });
    camera.reset();
    events.forget();
    camera = streaming(events);
    events.wait_for_frame();
    const Clock::time_point now = Clock::now();
    bringing.join();
    times.back.push_back(Seconds(now - there).count());
    camera.reset();
    events.forget();
  }
  return times;
}

void show(bench::Report& report, const std::string& metric, std::string_view what, Times times) {
  std::sort(times.back.begin(), times.back.end());
  std::sort(times.noticed.begin(), times.noticed.end());
  report.add("", cat(what, ", noticed after, median"), times.noticed[times.noticed.size() / 2],
             "s");
  report.add("", cat(what, ", back to good frame, median"), times.back[times.back.size() / 2], "s");
  report.add(cat("gige.back_", metric, "_max_s"), cat(what, ", back to good frame, longest"),
             times.back.back(), "s", "aim <= 3");
}

}  // namespace

int main(int argc, char** argv) {
  test_support::enter_own_network(1);
  bench::Report report(argc, argv);
  const int rounds = bench::has_flag(argc, argv, "--quick") ? 3 : 20;
  auto camera = generator::Camera::start({});
  if (!camera) fail(camera.status().to_string());
  generator::Camera& device = **camera;
  show(report, "cable", "cable pulled",
       measure(
           rounds, [&] { device.unplug(); }, [&] { device.plug(); }));
  // Off for longer than it takes to notice, so that it is really gone; then on by power_cycle(0).
  show(report, "power", "power cycle",
       measure(
           rounds, [&] { device.power_cycle(std::chrono::hours(1)); },
           [&] { device.power_cycle(std::chrono::milliseconds(0)); }));
  return 0;
}

// Looks after one camera, from a thread of its own: whether it answers, and whether it is still
// ours. Aravis notices after 5.8 s; this within 1.2 s.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "gige/camera.hpp"
#include "src/controller.hpp"

namespace gige {

struct WatchPlan {
  CameraInfo info;
  bool we_control = true;
  Seen us;
  std::function<std::uint64_t()> frames;  // so far: a camera that sends frames is there
  std::function<bool()> control_lost;     // whether Aravis says so
  std::function<void()> gone;             // before lost, when it does not answer any more
  std::function<void(base::Status)> lost;
};

class Watch {
 public:
  static constexpr std::chrono::milliseconds period{500};
  // For one question, asked again every 50 ms. Two in a row without an answer: it is gone.
  static constexpr std::chrono::milliseconds patience{300};

  explicit Watch(WatchPlan plan);
  ~Watch();  // waits for a call of lost that is under way
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  void run();
  bool pause();             // false: end
  base::Status look();      // ok: all is well
  base::Status has_gone();  // or moved
  base::Status not_ours(const Control& control) const;

  const WatchPlan plan_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gige

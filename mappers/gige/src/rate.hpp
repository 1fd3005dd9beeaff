// The frame rate that is achieved: of the frames of the last second, or of the last five when they
// come more slowly. Any thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>

namespace gige {

class RateMeter {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void frame(Time now) {
    const std::lock_guard lock(mutex_);
    frames_.push_back(now);
    while (frames_.size() > 5 && now - frames_.front() > std::chrono::seconds(1)) {
      frames_.pop_front();
    }
  }
  // Frames per second; 0 when none came for twice as long as they used to take, and a second.
  double rate(Time now) const {
    const std::lock_guard lock(mutex_);
    if (frames_.size() < 2) return 0;
    const std::chrono::duration<double> time = frames_.back() - frames_.front();
    const std::chrono::duration<double> silence = now - frames_.back();
    if (time.count() <= 0) return 0;
    const double rate = static_cast<double>(frames_.size() - 1) / time.count();
    return silence.count() > std::max(1.0, 2 / rate) ? 0 : rate;
  }
  void reset() {
    const std::lock_guard lock(mutex_);
    frames_.clear();
  }

 private:
  mutable std::mutex mutex_;  // the stream's thread counts, the device's asks
  std::deque<Time> frames_;
};

}  // namespace gige

// How often something is wanted of a stream of frames. Pure; one thread.
#pragma once

#include <chrono>

#include "base/loop.hpp"

namespace gige {

class Pace {
 public:
  explicit Pace(base::Duration every = base::Duration::zero()) : every_(every) {}

  base::Duration every() const { return every_; }
  // Whether a frame at `now` is wanted; if so the next one is wanted `every` later, on average:
  // frames come with jitter, and a camera of 25/s asked for 25/s must not lose each second one
  // because it was half a millisecond early.
  bool due(base::SteadyTime now) {
    if (now + every_ / 8 < next_) return false;
    // After a pause longer than that nothing is made up for.
    next_ = now < next_ + every_ ? next_ + every_ : now + every_;
    return true;
  }

 private:
  base::Duration every_;
  base::SteadyTime next_{};
};

}  // namespace gige

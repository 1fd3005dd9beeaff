// How late a loop comes to what is due: what everything on it waits for. Belongs to the loop.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/loop.hpp"

namespace devicetwin {

class LoopDelay {
 public:
  static constexpr auto look = std::chrono::milliseconds(250);
  static constexpr auto window = std::chrono::seconds(10);

  explicit LoopDelay(base::Loop& loop) : loop_(loop), timer_(loop), begun_(loop.now()) { wait(); }

  // The worst of the window that ended last and of the one since.
  double worst_seconds() const {
    return std::chrono::duration<double>(std::max(worst_, last_worst_)).count();
  }

 private:
  void wait() {
    due_ = loop_.now() + look;
    timer_.start(look, [this] { looked(); });
  }
  void looked() {
    const base::SteadyTime now = loop_.now();
    if (now - begun_ >= window) {
      last_worst_ = std::exchange(worst_, base::Duration::zero());
      begun_ = now;
    }
    worst_ = std::max(worst_, now - due_);
    wait();
  }

  base::Loop& loop_;
  base::Timer timer_;
  base::SteadyTime begun_;
  base::SteadyTime due_{};
  base::Duration worst_{};
  base::Duration last_worst_{};
};

}  // namespace devicetwin

// Waits between tries: first, twice that, … up to most, each with jitter of ± 20 %, so that a
// thousand devices that lost one switch do not come back in the same millisecond. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

namespace base {

class Backoff {
 public:
  using Ms = std::chrono::milliseconds;
  Backoff(Ms first, Ms most, std::uint32_t seed) : first_(first), most_(most), random_(seed) {}

  // The wait before the next try; doubles with every call until most.
  Ms next() {
    const Ms wait = std::min(most_, first_ * (std::int64_t{1} << std::min(tries_, 20)));
    ++tries_;
    std::uniform_int_distribution<std::int64_t> jitter(-wait.count() / 5, wait.count() / 5);
    return wait + Ms(jitter(random_));
  }
  // It worked: the next wait is first again.
  void reset() { tries_ = 0; }
  int tries() const { return tries_; }

 private:
  Ms first_;
  Ms most_;
  int tries_ = 0;
  std::minstd_rand random_;
};

}  // namespace base

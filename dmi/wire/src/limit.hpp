// How many calls each process may make. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "dmi/wire/dmi.hpp"

namespace dmi::wire {

// A bucket of tokens per process, or per user where the process is not known: it holds a second's
// calls and fills at the rate.
class Limit {
 public:
  using Clock = std::chrono::steady_clock;
  // Processes that are remembered; past it the one that called longest ago goes. It starts anew.
  static constexpr std::size_t max_callers = 1024;

  explicit Limit(double per_s) : per_s_(per_s) {}

  double per_s() const { return per_s_; }
  // Zero: the call may go on. Else when the next one may.
  std::chrono::nanoseconds take(const Caller& caller, Clock::time_point now);

 private:
  struct Bucket {
    double tokens = 0;
    Clock::time_point filled;
  };
  void forget_one();

  const double per_s_;
  std::mutex mutex_;  // guards buckets_: calls come on several threads
  std::unordered_map<std::int64_t, Bucket> buckets_;  // by pid; by -uid-1 where that is 0
};

}  // namespace dmi::wire

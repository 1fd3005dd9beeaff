#include "limit.hpp"

#include <algorithm>

namespace dmi::wire {

std::chrono::nanoseconds Limit::take(const Caller& caller, Clock::time_point now) {
  const std::int64_t key = caller.pid != 0 ? caller.pid : -std::int64_t{caller.uid} - 1;
  const std::lock_guard lock(mutex_);
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_callers) forget_one();
    found = buckets_.emplace(key, Bucket{per_s_, now}).first;
  }
  Bucket& bucket = found->second;
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  bucket.tokens = std::min(per_s_, bucket.tokens + std::max(0.0, seconds) * per_s_);
  bucket.filled = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return {};
  }
  return std::chrono::nanoseconds(1 +
                                  static_cast<std::int64_t>((1 - bucket.tokens) / per_s_ * 1e9));
}

void Limit::forget_one() {
  buckets_.erase(std::ranges::min_element(buckets_, {},
                                          [](const auto& entry) { return entry.second.filled; }));
}

}  // namespace dmi::wire

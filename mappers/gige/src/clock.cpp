#include "src/clock.hpp"

#include <algorithm>
#include <cmath>

#include "base/number.hpp"

namespace gige {

namespace {
// Camera times are any 64 bits: differences wrap instead of overflowing.
std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
std::int64_t magnitude(std::int64_t a) { return a < 0 ? minus(0, a) : a; }
}  // namespace

void ClockMap::add(std::int64_t camera_ns, std::int64_t arrived_ns) {
  const std::int64_t offset = minus(arrived_ns, camera_ns);
  if (!buckets_.empty()) {
    const std::int64_t step = minus(offset, minus(*host_ns(camera_ns), camera_ns));
    const bool back = minus(camera_ns, newest_ns_) < 0;
    // Late is not a step: only frames that are early, or that the camera dates back, are. A clock
    // that jumped back by more than the window is one that was reset.
    if (step < -max_step_ns || (back && magnitude(minus(camera_ns, newest_ns_)) > max_step_ns)) {
      buckets_.clear();
    }
  }
  if (buckets_.empty()) newest_ns_ = camera_ns;
  if (minus(camera_ns, newest_ns_) > 0) newest_ns_ = camera_ns;
  if (buckets_.empty() || minus(camera_ns, buckets_.back().began_ns) >= bucket_ns) {
    buckets_.push_back({camera_ns, camera_ns, offset});
    if (buckets_.size() > max_buckets) buckets_.pop_front();
  } else if (minus(offset, buckets_.back().offset_ns) < 0) {
    buckets_.back().camera_ns = camera_ns;
    buckets_.back().offset_ns = offset;
  } else {
    return;  // nothing that the line depends on has changed
  }
  fit();
}

// Least squares through the buckets' pairs, moved down until none is earlier than the line.
void ClockMap::fit() {
  base_ns_ = buckets_.back().camera_ns;
  const std::int64_t base_offset = buckets_.back().offset_ns;
  const auto count = static_cast<double>(buckets_.size());
  double x_mean = 0;
  double y_mean = 0;
  for (const Bucket& bucket : buckets_) {
    x_mean += static_cast<double>(minus(bucket.camera_ns, base_ns_)) / count;
    y_mean += static_cast<double>(minus(bucket.offset_ns, base_offset)) / count;
  }
  double xx = 0;
  double xy = 0;
  for (const Bucket& bucket : buckets_) {
    const double x = static_cast<double>(minus(bucket.camera_ns, base_ns_)) - x_mean;
    const double y = static_cast<double>(minus(bucket.offset_ns, base_offset)) - y_mean;
    xx += x * x;
    xy += x * y;
  }
  // Below a few seconds, noise would be taken for drift.
  drift_ = buckets_.size() < 4 || xx == 0 ? 0 : std::clamp(xy / xx, -max_drift, max_drift);
  double least = 0;
  for (const Bucket& bucket : buckets_) {
    const double y = static_cast<double>(minus(bucket.offset_ns, base_offset));
    least = std::min(least, y - drift_ * static_cast<double>(minus(bucket.camera_ns, base_ns_)));
  }
  offset_ = plus(base_offset, base::clamped<std::int64_t>(std::floor(least)));
}

std::optional<std::int64_t> ClockMap::host_ns(std::int64_t camera_ns) const {
  if (buckets_.empty()) return std::nullopt;
  const double drifted = drift_ * static_cast<double>(minus(camera_ns, base_ns_));
  return plus(plus(camera_ns, offset_), base::clamped<std::int64_t>(std::round(drifted)));
}

std::int64_t ClockMap::offset_ns() const {
  return buckets_.empty() ? 0 : minus(*host_ns(newest_ns_), newest_ns_);
}

}  // namespace gige

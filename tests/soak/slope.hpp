// Whether something grows: a straight line through samples. Pure.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace soak {

struct Sample {
  double hours = 0;
  double value = 0;
};

struct Slope {
  double per_hour = 0;
  double noise = 0;      // two standard errors of per_hour, were the samples independent
  double r_squared = 0;  // of the samples' variance, the part that the line explains
};

// Least squares. All 0 with fewer than three samples.
inline Slope slope_of(const std::vector<Sample>& samples) {
  const auto count = static_cast<double>(samples.size());
  if (samples.size() < 3) return {};
  double mean_x = 0, mean_y = 0;
  for (const Sample& sample : samples) {
    mean_x += sample.hours / count;
    mean_y += sample.value / count;
  }
  double xx = 0, xy = 0, yy = 0;
  for (const Sample& sample : samples) {
    xx += (sample.hours - mean_x) * (sample.hours - mean_x);
    xy += (sample.hours - mean_x) * (sample.value - mean_y);
    yy += (sample.value - mean_y) * (sample.value - mean_y);
  }
  if (xx == 0 || yy == 0) return {};
  const double residue = std::max(0.0, yy - xy * xy / xx);
  return {xy / xx, 2 * std::sqrt(residue / (count - 2) / xx), xy * xy / (xx * yy)};
}

}  // namespace soak

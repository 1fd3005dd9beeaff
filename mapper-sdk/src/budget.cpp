#include "budget.hpp"

#include <algorithm>

namespace mapper {

void Budget::refill() {
  const base::SteadyTime now = loop_.now();
  const auto periods = (now - since_) / period_;
  since_ += periods * period_;
  if (periods >= burst - tokens_) {
    tokens_ = burst;
    since_ = now;  // a full bucket saves nothing up
  } else {
    tokens_ += static_cast<int>(periods);
  }
}

bool Budget::take(bool urgent) {
  refill();
  if (tokens_ < needed(urgent)) return false;
  --tokens_;
  taken_ = true;
  return true;
}

void Budget::refused() {
  tokens_ = 0;
  since_ = loop_.now();
  accepted_ = 0;
  if (taken_) period_ = std::min(longest, period_ * 2);
  taken_ = false;
}

void Budget::accepted() {
  if (++accepted_ < successes) return;
  accepted_ = 0;
  refill();
  period_ = std::max(shortest, period_ / 2);
}

base::Duration Budget::wait(bool urgent) const {
  const base::Duration needs = (needed(urgent) - tokens_) * period_;
  return std::max(base::Duration::zero(), since_ + needs - loop_.now());
}

}  // namespace mapper

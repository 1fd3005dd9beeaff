#include "budget.hpp"

#include <algorithm>

namespace mapper {

// What passed while the rate grew counts at the old one.
void Budget::refill() {
  const base::SteadyTime now = loop_.now();
  const auto periods = (now - since_) / period();
  since_ += periods * period();
  if (periods >= burst - tokens_) {
    tokens_ = burst;
    since_ = now;  // a full bucket saves nothing up
  } else {
    tokens_ += static_cast<int>(periods);
  }
  const auto steps = (now - grown_) / growth;
  grown_ += steps * growth;
  rate_ = static_cast<int>(std::min<std::int64_t>(most, rate_ + steps));
}

bool Budget::take(bool urgent) {
  refill();
  if (tokens_ < needed(urgent)) return false;
  --tokens_;
  taken_ = true;
  return true;
}

void Budget::refused() {
  refill();
  tokens_ = 0;
  since_ = loop_.now();
  grown_ = since_;
  if (taken_) rate_ = std::max(1, rate_ / 2);
  taken_ = false;
}

base::Duration Budget::wait(bool urgent) const {
  const base::Duration needs = (needed(urgent) - tokens_) * period();
  return std::max(base::Duration::zero(), since_ + needs - loop_.now());
}

}  // namespace mapper

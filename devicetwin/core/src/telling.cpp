#include "telling.hpp"

#include <utility>

namespace devicetwin {

void Telling::push(Change change) {
  ++counters_.changes;
  counters_.rows += change.rows.size();
  untold_.push_back(std::move(change));
  if (holds_ == 0) tell();
}

void Telling::tell() {
  if (std::exchange(telling_, true)) return;
  while (!untold_.empty() && holds_ == 0) {
    const Change next = std::move(untold_.front());
    untold_.pop_front();
    for (Outlet* outlet : outlets_) outlet->changed(next);
  }
  telling_ = false;
}

}  // namespace devicetwin

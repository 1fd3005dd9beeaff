// Up to when retention by age looks: the calendar, as far as it is to be believed. Pure.
//
// What is pruned cannot be had back, and calendars are wrong for a while: before a node knows the
// time, or because somebody set 2099. So the horizon follows the calendar at `pace` times the speed
// of the steady clock at most: one minute of a wrong calendar costs at most an hour of history, and
// a node that was off for a month is level after twelve hours. It begins where nothing is over its
// age. Reading goes by the calendar itself: a page that was empty for a minute harms nobody.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/build.hpp"
#include "base/loop.hpp"

namespace devicetwin {

class Horizon {
 public:
  static constexpr int pace = 60;

  // Once a period. nothing_over_ms: the latest time at which no sample is over its age.
  // nullopt: the calendar is not to be believed; nothing is to be pruned by age.
  std::optional<std::int64_t> move(base::Time wall, base::SteadyTime now,
                                   std::int64_t nothing_over_ms) {
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - seen_.value_or(now));
    seen_ = now;
    if (!base::believable(wall)) return std::nullopt;
    const std::int64_t reach = at_ms_ ? *at_ms_ + pace * elapsed.count() : nothing_over_ms;
    at_ms_ = std::min(base::to_ms(wall), reach);
    return at_ms_;
  }

 private:
  std::optional<base::SteadyTime> seen_;
  std::optional<std::int64_t> at_ms_;
};

}  // namespace devicetwin

// A device's plans: made once per set of points that is due together, and what was learnt from
// refused requests. One thread; time is an argument.
#pragma once

#include <span>
#include <vector>

#include "base/loop.hpp"
#include "mapper/driver.hpp"
#include "modbus/place.hpp"
#include "modbus/plan.hpp"

namespace modbus {

class Planner {
 public:
  // places: by Point::index; must outlive the planner. Points with a wrong place are left out.
  Planner(const std::vector<base::Result<Place>>& places, Limits limits);

  // Ids in the plan are positions in batch. Valid until the next plan().
  const Plan& plan(std::span<const mapper::Reading> batch, base::SteadyTime now);

  // A request for several points of the last plan was refused: they are not joined across gaps any
  // more; the second time, not joined at all.
  void refused(std::span<const mapper::Reading> batch, std::span<const std::uint32_t> members,
               base::SteadyTime now);
  // A point was refused on its own: it is kept apart, so that it spoils no neighbours.
  void refused_alone(const mapper::Point& point, base::SteadyTime now);

  // What was learnt is tried again after this, because firmware and configuration change; a vain
  // try costs one refused request and one request per point of it.
  static constexpr auto forget_after = std::chrono::minutes(10);
  // Cycles of a device's points in common use: 0.1, 1, 10, 60 s and their coincidences.
  static constexpr std::size_t max_plans = 16;

 private:
  struct Cached {
    std::vector<std::size_t> due;  // Point::index of every position
    Plan plan;
  };
  Plan make(std::span<const mapper::Reading> batch) const;
  void learn(std::size_t index, Join join, base::SteadyTime now);

  const std::vector<base::Result<Place>>& places_;
  const Limits limits_;
  std::vector<Join> learnt_;  // by Point::index; empty while nothing is
  base::SteadyTime forget_at_{};
  std::vector<Cached> cache_;  // the last used first
  bool stale_ = false;         // what was learnt since makes the cache wrong
};

}  // namespace modbus

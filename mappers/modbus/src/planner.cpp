#include "modbus/planner.hpp"

#include <algorithm>
#include <utility>

namespace modbus {

using mapper::Reading;

namespace {

bool same(std::span<const Reading> batch, const std::vector<std::size_t>& due) {
  return std::ranges::equal(batch, due, {}, [](const Reading& one) { return one.point.index; });
}

}  // namespace

Planner::Planner(const std::vector<base::Result<Place>>& places, Limits limits)
    : places_(places), limits_(limits) {}

const Plan& Planner::plan(std::span<const Reading> batch, base::SteadyTime now) {
  if (!learnt_.empty() && now >= forget_at_) {
    learnt_.clear();
    stale_ = true;
  }
  if (std::exchange(stale_, false)) cache_.clear();
  const auto known =
      std::ranges::find_if(cache_, [&](const Cached& cached) { return same(batch, cached.due); });
  if (known != cache_.end()) {
    std::rotate(cache_.begin(), known, known + 1);
    return cache_.front().plan;
  }
  if (cache_.size() == max_plans) cache_.pop_back();
  Cached made;
  for (const Reading& reading : batch) made.due.push_back(reading.point.index);
  made.plan = make(batch);
  cache_.insert(cache_.begin(), std::move(made));
  return cache_.front().plan;
}

Plan Planner::make(std::span<const Reading> batch) const {
  std::vector<Wanted> wanted;
  wanted.reserve(batch.size());
  for (std::uint32_t at = 0; at < batch.size(); ++at) {
    const std::size_t index = batch[at].point.index;
    if (!places_[index]) continue;
    wanted.push_back(
        {places_[index]->hull, at, learnt_.empty() ? Join::across_gaps : learnt_[index]});
  }
  return make_plan(std::move(wanted), limits_);
}

void Planner::learn(std::size_t index, Join join, base::SteadyTime now) {
  if (learnt_.empty()) {
    learnt_.resize(places_.size(), Join::across_gaps);
    forget_at_ = now + forget_after;
  }
  if (learnt_[index] == join) return;
  learnt_[index] = join;
  stale_ = true;
}

void Planner::refused(std::span<const Reading> batch, std::span<const std::uint32_t> members,
                      base::SteadyTime now) {
  for (const std::uint32_t at : members) {
    const std::size_t index = batch[at].point.index;
    const bool again = !learnt_.empty() && learnt_[index] != Join::across_gaps;
    learn(index, again ? Join::alone : Join::adjacent, now);
  }
}

void Planner::refused_alone(const mapper::Point& point, base::SteadyTime now) {
  learn(point.index, Join::alone, now);
}

}  // namespace modbus

#include "modbus/planner.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.hpp"

namespace modbus {

using base::Status;
using mapper::Reading;

namespace {

constexpr std::uint32_t absent = UINT32_MAX;
// One lost answer is noise: a block is asked once more before it is halved.
constexpr int misses_to_halve = 2;

bool contains(std::span<const std::uint32_t> points, std::uint32_t point) {
  return std::ranges::find(points, point) != points.end();
}

}  // namespace

Planner::Planner(std::shared_ptr<Layout> layout, std::uint32_t first)
    : layout_(std::move(layout)), first_(first) {}

Planner::Learnt& Planner::learnt() {
  if (!learnt_) {
    learnt_ = std::make_unique<Learnt>();
    start_cycle_of_learnt();
  }
  return *learnt_;
}

void Planner::begin(std::span<const Reading> batch, base::SteadyTime now) {
  batch_ = batch;
  now_ = now;
  if (asked_ > 0) last_heard_ = std::exchange(now_heard_, {});
  if (last_heard_.any) first_ = 0;
  next_ = 0;
  asked_ = 0;
  timeouts_ = 0;
  gave_up_ = false;
  expire();
  if (!learnt_) {
    plan_ = layout_->plan(batch);
    return;
  }
  start_cycle_of_learnt();
  plan_ = plan_around();
}

void Planner::start_cycle_of_learnt() {
  Learnt& known = *learnt_;
  known.halves.clear();
  known.suspect = 0;
  known.halvings = 0;
  known.probed_in_vain = false;
  known.positions.assign(layout_->size(), absent);
  for (std::uint32_t at = 0; at < batch_.size(); ++at) {
    known.positions[batch_[at].point.index] = at;
  }
}

void Planner::expire() {
  if (!learnt_) return;
  const auto gone =
      std::erase_if(learnt_->walls, [&](const Wall& wall) { return wall.until <= now_; });
  if (gone > 0) learnt_->cache.clear();
  if (learnt_->walls.empty() && learnt_->quarantined.empty() && learnt_->suspects.empty()) {
    learnt_.reset();
  }
}

std::shared_ptr<const CyclePlan> Planner::plan_around() {
  if (std::shared_ptr<const CyclePlan> known = learnt_->cache.find(batch_)) return known;
  std::vector<bool> leave_out(layout_->size());
  std::vector<Barrier> barriers;
  for (const Wall& wall : learnt_->walls) barriers.push_back(wall.barrier);
  // What is left out is not read across either.
  const auto avoid = [&](const Points& points) {
    for (const std::uint32_t point : points) {
      const Range& range = layout_->place(point)->hull;
      leave_out[point] = true;
      barriers.push_back({range.table, range.first, static_cast<std::uint16_t>(range.end() - 1)});
    }
  };
  for (const Quarantined& one : learnt_->quarantined) avoid(one.points);
  for (const Suspect& one : learnt_->suspects) avoid(one.points);
  return learnt_->cache.add(layout_->make(batch_, leave_out, barriers));
}

Status Planner::why_left_out(std::uint32_t at) const {
  const std::uint32_t point = index_of(at);
  if (!layout_->place(point)) return layout_->place(point).status();
  assert(learnt_);
  for (const Quarantined& one : learnt_->quarantined) {
    if (contains(one.points, point)) return one.why;
  }
  const auto suspect = std::ranges::find_if(
      learnt_->suspects, [&](const Suspect& one) { return contains(one.points, point); });
  assert(suspect != learnt_->suspects.end());
  return suspect->why;
}

std::size_t Planner::quarantined() const {
  std::size_t count = 0;
  if (!learnt_) return count;
  for (const Quarantined& one : learnt_->quarantined) count += one.points.size();
  return count;
}

// ---- What to ask.

const Planner::Block* Planner::next() {
  if (gave_up_) return nullptr;
  if (learnt_ && !learnt_->halves.empty()) {
    const Half half = std::move(learnt_->halves.back());
    learnt_->halves.pop_back();
    return ask(Kind::half, half.points, half.split);
  }
  const Plan& plan = plan_->plan;
  if (next_ < plan.requests.size()) {
    const Request& request = plan.requests[(next_++ + first_) % plan.requests.size()];
    kind_ = Kind::planned;
    split_ = 0;
    ++asked_;
    block_ = {request.range, plan.members_of(request), false};
    return &block_;
  }
  // Doubtful blocks come last, and only while nothing was silent: one time-out a cycle is enough.
  if (!learnt_ || timeouts_ > 0) return nullptr;
  if (const Block* block = ask_suspect()) return block;
  return ask_quarantined();
}

const Planner::Block* Planner::ask(Kind kind, const Points& points, std::uint32_t split) {
  kind_ = kind;
  split_ = split;
  ++asked_;
  members_.clear();
  for (const std::uint32_t point : points) members_.push_back(learnt_->positions[point]);
  block_ = {hull(points), members_, kind == Kind::suspect || kind == Kind::probe};
  return &block_;
}

const Planner::Block* Planner::ask_suspect() {
  for (; learnt_->suspect < learnt_->suspects.size(); ++learnt_->suspect) {
    const Suspect& one = learnt_->suspects[learnt_->suspect];
    const Points due = due_of(one.points);
    if (!due.empty()) return ask(Kind::suspect, due, one.split);
  }
  return nullptr;
}

// The one that has waited longest. Where nothing else is left to ask, one is asked in every cycle:
// else nobody would see the device go, or come back.
const Planner::Block* Planner::ask_quarantined() {
  if (learnt_->probed_in_vain) return nullptr;
  const bool anyhow = asked_ == 0 && all_are_sick();
  const Quarantined* oldest = nullptr;
  for (const Quarantined& one : learnt_->quarantined) {
    if (!anyhow && one.until > now_) continue;
    if (oldest != nullptr && oldest->until <= one.until) continue;
    if (due_of(one.points).size() == one.points.size()) oldest = &one;
  }
  if (oldest == nullptr) return nullptr;
  probed_ = static_cast<std::size_t>(oldest - learnt_->quarantined.data());
  return ask(Kind::probe, oldest->points, 0);
}

bool Planner::all_are_sick() const {
  std::size_t sick = layout_->wrong() + quarantined();
  for (const Suspect& one : learnt_->suspects) sick += one.points.size();
  return sick == layout_->size();
}

Planner::Points Planner::due_of(const Points& points) const {
  Points due;
  for (const std::uint32_t point : points) {
    if (learnt_->positions[point] != absent) due.push_back(point);
  }
  return due;
}

Planner::Points Planner::points_of_block() const {
  Points points;
  for (const std::uint32_t at : block_.members) points.push_back(index_of(at));
  return points;
}

// ---- What became of it.

void Planner::hear() {
  if (!now_heard_.any) now_heard_ = {true, block_.range, block_.range};
  now_heard_.last = block_.range;
}

// Whether a block other than this one was answered lately: the unit is there.
bool Planner::other_heard() const {
  const auto other = [&](const Heard& heard) {
    return heard.any && !(heard.first == block_.range && heard.last == block_.range);
  };
  return other(now_heard_) || other(last_heard_);
}

void Planner::answered() {
  hear();
  switch (kind_) {
    case Kind::planned:
      return;
    case Kind::half:
      return passed(split_);
    case Kind::suspect:
      return suspect_answered();
    case Kind::probe:
      break;
  }
  std::vector<Quarantined>& all = learnt_->quarantined;
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(probed_));
  for (Quarantined& one : all) one.until = now_;
  learnt_->cache.clear();
}

std::optional<Status> Planner::refused(const Status& why, bool address_at_fault) {
  nonsense();  // but for the addresses, which it may tell about
  if (!address_at_fault) return why;
  if (kind_ == Kind::probe) return quarantine_again(why);
  return halve_or_quarantine(why);
}

void Planner::nonsense() {
  hear();
  if (kind_ == Kind::suspect) suspect_answered();
  if (kind_ == Kind::probe) learnt_->probed_in_vain = true;
}

std::optional<Status> Planner::halve_or_quarantine(const Status& why) {
  Points points = points_of_block();
  Learnt& known = learnt();
  known.splits.erase(split_);
  const std::size_t middle = middle_of(points);
  if (middle == 0) return quarantine(std::move(points), why);
  if (known.halvings + 2 > max_halvings) return why;
  known.halvings += 2;
  Half left{Points(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(middle)), 0};
  Half right{Points(points.begin() + static_cast<std::ptrdiff_t>(middle), points.end()), 0};
  left.split = right.split = open_split(left.points, right.points);
  known.halves.push_back(std::move(right));
  known.halves.push_back(std::move(left));
  return std::nullopt;
}

Status Planner::silent(const Status& why) {
  if (!other_heard()) {
    gave_up_ = true;
    return why;
  }
  if (++timeouts_ == 2) gave_up_ = true;
  if (kind_ == Kind::probe) {
    learnt_->probed_in_vain = true;
    return quarantine_again(why);
  }
  if (kind_ == Kind::suspect) return still_silent(why);
  Learnt& known = learnt();
  known.splits.erase(split_);
  known.suspects.push_back({points_of_block(), 1, 0, why});
  known.cache.clear();
  return why;
}

Status Planner::still_silent(const Status& why) {
  std::vector<Suspect>& all = learnt_->suspects;
  Suspect asked = all[learnt_->suspect];
  Points points = points_of_block();
  learnt_->cache.clear();
  // Those that are not due together with the others go on as a suspect of their own.
  std::erase_if(all[learnt_->suspect].points,
                [&](std::uint32_t point) { return contains(points, point); });
  all[learnt_->suspect].split = 0;
  if (all[learnt_->suspect].points.empty()) {
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(learnt_->suspect));
  }
  learnt_->splits.erase(asked.split);
  if (asked.misses + 1 < misses_to_halve) {
    all.push_back({std::move(points), asked.misses + 1, 0, why});
    return why;
  }
  const std::size_t middle = middle_of(points);
  if (middle == 0) return quarantine(std::move(points), why);
  const std::span<const std::uint32_t> whole = points;
  const std::span<const std::uint32_t> left = whole.first(middle);
  const std::span<const std::uint32_t> right = whole.subspan(middle);
  const std::uint32_t split = open_split(left, right);
  all.push_back({Points(left.begin(), left.end()), 1, split, why});
  all.push_back({Points(right.begin(), right.end()), 1, split, why});
  return why;
}

void Planner::suspect_answered() {
  std::vector<Suspect>& all = learnt_->suspects;
  Suspect& one = all[learnt_->suspect];
  const Points points = points_of_block();
  if (points.size() == one.points.size()) {
    passed(one.split);
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(learnt_->suspect));
  } else {
    std::erase_if(one.points, [&](std::uint32_t point) { return contains(points, point); });
    ++learnt_->suspect;
  }
  learnt_->cache.clear();
}

Status Planner::quarantine(Points points, const Status& why) {
  learnt().quarantined.push_back(
      {std::move(points), first_window, now_ + first_window,
       Status(why.code(), base::cat(why.text(), "; quarantined, asked again after ",
                                    first_window.count(), " min"))});
  learnt_->cache.clear();
  return learnt_->quarantined.back().why;
}

Status Planner::quarantine_again(const Status& why) {
  Quarantined& one = learnt_->quarantined[probed_];
  if (one.until <= now_) one.window = std::min(2 * one.window, longest_window);
  one.until = now_ + one.window;
  one.why = Status(why.code(), base::cat(why.text(), "; quarantined, asked again after ",
                                         one.window.count(), " min"));
  return one.why;
}

// ---- Halving.

Range Planner::hull(std::span<const std::uint32_t> points) const {
  Range all = layout_->place(points.front())->hull;
  for (const std::uint32_t point : points) all = hull_of(all, layout_->place(point)->hull);
  return all;
}

// Where the second half of points begins, pins kept whole; 0: there are no two halves.
std::size_t Planner::middle_of(std::span<const std::uint32_t> points) const {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::uint32_t pin = layout_->pin(points[i]);
    if (i == 0 || pin == 0 || pin != layout_->pin(points[i - 1])) starts.push_back(i);
  }
  return starts.size() < 2 ? 0 : starts[starts.size() / 2];
}

// Remembers two halves of a block that failed: when both pass, they are kept apart.
std::uint32_t Planner::open_split(std::span<const std::uint32_t> left,
                                  std::span<const std::uint32_t> right) {
  const Range one = hull(left);
  const Range other = hull(right);
  if (other.end() <= one.end()) return 0;  // the left half alone is the whole
  Barrier barrier{one.table, static_cast<std::uint16_t>(one.end() - 1), other.first};
  if (barrier.high <= barrier.low) {
    barrier.low = one.first;
    barrier.high = static_cast<std::uint16_t>(other.end() - 1);
  }
  Learnt& known = learnt();
  known.splits[++known.last_split] = {barrier, 0};
  return known.last_split;
}

void Planner::passed(std::uint32_t split) {
  const auto halves = learnt_->splits.find(split);
  if (halves == learnt_->splits.end()) return;
  if (++halves->second.passed < 2) return;
  learnt_->walls.push_back({halves->second.barrier, now_ + barrier_window});
  learnt_->splits.erase(halves);
  learnt_->cache.clear();
}

}  // namespace modbus

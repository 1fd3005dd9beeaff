#include "modbus/layout.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using mapper::Reading;

namespace {

bool same(Place one, const Place& other) {
  if (one.extra && other.extra && *one.extra == *other.extra) one.extra = other.extra;
  return one == other;
}

}  // namespace

std::shared_ptr<const CyclePlan> PlanCache::find(std::span<const Reading> batch) {
  const auto known = std::ranges::find_if(plans_, [&](const auto& plan) {
    return std::ranges::equal(batch, plan->due, {},
                              [](const Reading& one) { return one.point.index; });
  });
  if (known == plans_.end()) return nullptr;
  std::rotate(plans_.begin(), known, known + 1);
  return plans_.front();
}

std::shared_ptr<const CyclePlan> PlanCache::add(CyclePlan plan) {
  if (plans_.size() == max_plans) plans_.pop_back();
  plans_.insert(plans_.begin(), std::make_shared<const CyclePlan>(std::move(plan)));
  return plans_.front();
}

Layout::Layout(std::span<const mapper::Point> points, std::vector<Result<Place>> places,
               Limits limits)
    : places_(std::move(places)), limits_(std::move(limits)) {
  assert(points.size() == places_.size());
  check_limits(points);
  check_pins(points);
  wrong_ = static_cast<std::size_t>(
      std::ranges::count_if(places_, [](const Result<Place>& one) { return !one.ok(); }));
}

// Why hull cannot be read in one request; "": it can.
std::string Layout::trouble_with(const Range& hull) const {
  if (hull.count > limits_.longest(hull.table)) {
    return cat(hull.count, is_bits(hull.table) ? " bits" : " registers", " are above the device's ",
               is_bits(hull.table) ? "maxBits " : "maxRegisters ", limits_.longest(hull.table));
  }
  for (const Range& forbidden : limits_.forbidden) {
    if (overlap(forbidden, hull)) {
      return cat(hull.to_string(), " is in forbidden ", forbidden.to_string());
    }
  }
  return "";
}

void Layout::check_limits(std::span<const mapper::Point> points) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (!places_[i]) continue;
    const std::string trouble = trouble_with(places_[i]->hull);
    if (trouble.empty()) continue;
    const bool wide = places_[i]->hull.count > limits_.longest(places_[i]->hull.table);
    places_[i] = Status(Code::invalid,
                        cat(points[i].visitor.path(), wide ? ".limit: " : ".offset: ", trouble));
  }
}

void Layout::check_pins(std::span<const mapper::Point> points) {
  std::map<std::string, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i] && !places_[i]->pin.empty()) members[places_[i]->pin].push_back(i);
  }
  if (members.empty()) return;
  pins_.resize(places_.size());
  std::uint32_t number = 0;
  for (const auto& [pin, indices] : members) {
    const Place first = *places_[indices.front()];
    ++number;
    std::uint32_t low = first.hull.first;
    std::uint32_t high = first.hull.end();
    std::string trouble;
    for (const std::size_t i : indices) {
      pins_[i] = number;
      const Range& hull = places_[i]->hull;
      if (hull.table != first.hull.table) {
        trouble = cat(hull.to_string(), " and ", first.hull.to_string(), " are in two tables");
      }
      low = std::min<std::uint32_t>(low, hull.first);
      high = std::max(high, hull.end());
    }
    const auto count = static_cast<std::uint16_t>(std::min(high - low, max_address));
    if (trouble.empty()) {
      trouble = trouble_with({first.hull.table, static_cast<std::uint16_t>(low), count});
    }
    if (trouble.empty()) continue;
    for (const std::size_t i : indices) {
      pins_[i] = 0;
      places_[i] = Status(Code::invalid, cat(points[i].visitor.path(), ".pin: \"", pin,
                                             "\" cannot be read in one request: ", trouble));
    }
  }
}

std::shared_ptr<const CyclePlan> Layout::plan(std::span<const Reading> batch) {
  if (std::shared_ptr<const CyclePlan> known = cache_.find(batch)) return known;
  return cache_.add(make(batch, {}, {}));
}

CyclePlan Layout::make(std::span<const Reading> batch, const std::vector<bool>& leave_out,
                       std::span<const Barrier> barriers) const {
  CyclePlan made;
  made.due.reserve(batch.size());
  std::vector<Wanted> wanted;
  wanted.reserve(batch.size());
  for (std::uint32_t at = 0; at < batch.size(); ++at) {
    const std::size_t index = batch[at].point.index;
    made.due.push_back(static_cast<std::uint32_t>(index));
    if (!places_[index] || (!leave_out.empty() && leave_out[index])) {
      made.left_out.push_back(at);
    } else {
      wanted.push_back({places_[index]->hull, at, pin(index)});
    }
  }
  made.plan = make_plan(std::move(wanted), limits_, barriers);
  return made;
}

bool Layout::equals(const Layout& other) const {
  const auto alike = [](const Result<Place>& one, const Result<Place>& two) {
    if (one.ok() != two.ok()) return false;
    return one.ok() ? same(*one, *two) : one.status() == two.status();
  };
  return limits_ == other.limits_ && std::ranges::equal(places_, other.places_, alike);
}

// FNV-1a over the addresses, which tell models apart well enough.
std::size_t Layout::hash() const {
  std::uint64_t hash = 14695981039346656037u;
  const auto mix = [&](std::uint64_t value) { hash = (hash ^ value) * 1099511628211u; };
  mix(limits_.max_registers);
  for (const Result<Place>& place : places_) {
    if (place) mix(static_cast<std::uint64_t>(place->range.table) << 16 | place->range.first);
  }
  return static_cast<std::size_t>(hash);
}

std::shared_ptr<Layout> Layouts::share(Layout made, const mapper::Points& points) {
  if (known_.size() + by_points_.size() >= sweep_at_) sweep();
  const std::size_t hash = made.hash();
  const auto [begin, end] = known_.equal_range(hash);
  std::shared_ptr<Layout> layout;
  for (auto one = begin; one != end && !layout; ++one) {
    layout = one->second.lock();
    if (layout && !layout->equals(made)) layout.reset();
  }
  if (!layout) {
    layout = std::make_shared<Layout>(std::move(made));
    known_.emplace(hash, layout);
  }
  if (!points.empty()) by_points_.emplace(points.data(), Made{points, layout});
  return layout;
}

std::shared_ptr<Layout> Layouts::find(const mapper::Points& points, const Limits& limits) const {
  const auto [begin, end] = by_points_.equal_range(points.data());
  for (auto one = begin; one != end; ++one) {
    std::shared_ptr<Layout> layout = one->second.layout.lock();
    if (layout && layout->limits() == limits) return layout;
  }
  return nullptr;
}

void Layouts::sweep() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(by_points_, [](const auto& entry) { return entry.second.layout.expired(); });
  sweep_at_ = 2 * (known_.size() + by_points_.size()) + 64;
}

}  // namespace modbus

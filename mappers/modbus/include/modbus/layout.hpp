// Where the points of a device lie and how they are read when nothing is wrong with it. Devices of
// one model with equal settings share one layout, plans included: a thousand of them plan once.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.hpp"
#include "mapper/driver.hpp"
#include "modbus/place.hpp"
#include "modbus/plan.hpp"

namespace modbus {

// How one set of points that are due together is read.
struct CyclePlan {
  std::vector<std::uint32_t> due;       // Point::index of every position of the batch
  Plan plan;                            // ids are positions in the batch
  std::vector<std::uint32_t> left_out;  // positions that no request reads
};

// The last used plans, newest first. A plan that is in use outlives its place here.
class PlanCache {
 public:
  // Cycles of a device's points in common use: 0.1, 1, 10, 60 s and their coincidences.
  static constexpr std::size_t max_plans = 16;

  std::shared_ptr<const CyclePlan> find(std::span<const mapper::Reading> batch);  // may be nullptr
  std::shared_ptr<const CyclePlan> add(CyclePlan plan);
  void clear() { plans_.clear(); }

 private:
  std::vector<std::shared_ptr<const CyclePlan>> plans_;
};

class Layout {
 public:
  // Places by Point::index. One that the limits do not allow becomes an error: invalid, with the
  // path of its point and the limit. All places of a pin must fit in one request.
  Layout(std::span<const mapper::Point> points, std::vector<base::Result<Place>> places,
         Limits limits);

  std::size_t size() const { return places_.size(); }
  const base::Result<Place>& place(std::size_t index) const { return places_[index]; }
  const std::vector<base::Result<Place>>& places() const { return places_; }
  std::uint32_t pin(std::size_t index) const { return pins_.empty() ? 0 : pins_[index]; }
  const Limits& limits() const { return limits_; }
  std::size_t wrong() const { return wrong_; }  // points whose place is an error

  // How batch is read when nothing is known against any of it.
  std::shared_ptr<const CyclePlan> plan(std::span<const mapper::Reading> batch);
  // The same, made anew, without the points for which leave_out (by Point::index) is true.
  CyclePlan make(std::span<const mapper::Reading> batch, const std::vector<bool>& leave_out,
                 std::span<const Barrier> barriers) const;

  bool equals(const Layout& other) const;  // the plans do not count
  std::size_t hash() const;

 private:
  void check_limits(std::span<const mapper::Point> points);
  void check_pins(std::span<const mapper::Point> points);
  std::string trouble_with(const Range& hull) const;

  std::vector<base::Result<Place>> places_;
  std::vector<std::uint32_t> pins_;  // by Point::index; empty: none has any
  Limits limits_;
  std::size_t wrong_ = 0;
  PlanCache cache_;
};

// The layouts in use.
class Layouts {
 public:
  // The layout that equals made, if a device has it; else made.
  // points: what it was made of, to be found by; none: it is not found.
  std::shared_ptr<Layout> share(Layout made, const mapper::Points& points = {});
  // The layout of these very points under these limits, without making another; nullptr: unknown.
  std::shared_ptr<Layout> find(const mapper::Points& points, const Limits& limits) const;

 private:
  void sweep();

  struct Made {
    mapper::Points points;  // kept, so that no others stand at their address
    std::weak_ptr<Layout> layout;
  };
  std::unordered_multimap<std::size_t, std::weak_ptr<Layout>> known_;
  std::unordered_multimap<const mapper::Point*, Made> by_points_;
  std::size_t sweep_at_ = 64;
};

}  // namespace modbus

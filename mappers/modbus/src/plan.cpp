#include "modbus/plan.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace modbus {

namespace {

// Addresses that may be read for nothing between two points of a table.
std::uint32_t allowed_gap(const Wanted& left, const Wanted& right, const Limits& limits) {
  if (left.join != Join::across_gaps || right.join != Join::across_gaps) return 0;
  return is_bits(right.range.table) ? 16u * limits.max_gap : limits.max_gap;
}

std::uint32_t longest(Table table, const Limits& limits) {
  return is_bits(table) ? limits.max_bits : limits.max_registers;
}

// last: the member that reaches furthest so far, the one next would be joined to.
bool fits(const Range& block, const Wanted& last, const Wanted& next, const Limits& limits) {
  if (next.range.table != block.table) return false;
  if (last.join == Join::alone || next.join == Join::alone) return false;
  if (next.range.first > block.end() + allowed_gap(last, next, limits)) return false;
  return std::max(block.end(), next.range.end()) - block.first <= longest(block.table, limits);
}

}  // namespace

Plan make_plan(std::vector<Wanted> wanted, const Limits& limits) {
  // Points that stay alone come last in each table, so that they do not part their neighbours.
  std::ranges::sort(wanted, {}, [](const Wanted& one) {
    return std::tuple(one.range.table, one.join == Join::alone, one.range.first, one.range.count,
                      one.id);
  });
  Plan plan;
  plan.members.reserve(wanted.size());
  const Wanted* last = nullptr;
  // From the left, a block takes whatever still fits: a point that starts later fits in every
  // later block if it fits in this one, so leaving it out never saves a request.
  for (const Wanted& next : wanted) {
    assert(next.range.count >= 1 && next.range.count <= longest(next.range.table, limits));
    const auto position = static_cast<std::uint32_t>(plan.members.size());
    if (last == nullptr || !fits(plan.requests.back().range, *last, next, limits)) {
      plan.requests.push_back({next.range, position, position});
      last = &next;
    }
    Request& request = plan.requests.back();
    if (next.range.end() >= request.range.end()) {
      request.range.count = static_cast<std::uint16_t>(next.range.end() - request.range.first);
      last = &next;
    }
    plan.members.push_back(next.id);
    request.end = position + 1;
  }
  return plan;
}

}  // namespace modbus

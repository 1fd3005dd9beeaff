#include "modbus/plan.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include "modbus/random.hpp"

namespace modbus {
namespace {

using modbus_test::Random;
using std::chrono::nanoseconds;
using ::testing::ElementsAre;

constexpr LinkCost slow_line{nanoseconds(25'000'000), nanoseconds(1'146'000)};  // RTU, 9,600 baud

Wanted holding_span(std::uint16_t first, std::uint16_t count, std::uint32_t id,
                    std::uint32_t pin = 0) {
  return {{Table::holding, first, count}, id, pin};
}

std::vector<std::string> ranges(const Plan& plan) {
  std::vector<std::string> texts;
  for (const Request& request : plan.requests) texts.push_back(request.range.to_string());
  return texts;
}

struct Case {
  std::vector<Wanted> wanted;
  Limits limits;
  std::vector<Barrier> barriers;
};

bool forbidden(const Range& range, const Limits& limits) {
  return std::ranges::any_of(limits.forbidden, [&](const Range& f) { return overlap(f, range); });
}

bool crosses(const Range& range, const Barrier& barrier) {
  return range.table == barrier.table && range.first <= barrier.low && barrier.high < range.end();
}

// Ranges, some pinned, that the limits allow; barriers that no single one of them crosses.
Case random_case(Random& random, std::uint32_t most, std::uint32_t space) {
  Case made;
  Limits& limits = made.limits;
  limits.max_registers = static_cast<std::uint16_t>(random.number(4, max_read_registers));
  limits.max_bits = static_cast<std::uint16_t>(random.number(4, max_read_bits));
  limits.max_gap = static_cast<std::uint16_t>(random.chance(0.5) ? 125 : random.number(0, 20));
  limits.cost = {nanoseconds(random.number(1, 200)), nanoseconds(random.number(0, 20))};
  for (std::uint32_t i = random.number(0, 2); i > 0; --i) {
    limits.forbidden.push_back({static_cast<Table>(random.number(0, 3)),
                                static_cast<std::uint16_t>(random.number(0, space - 1)),
                                static_cast<std::uint16_t>(random.number(1, 5))});
  }
  const std::uint32_t count = random.number(0, most);
  std::map<std::uint32_t, Range> hulls;
  for (std::uint32_t id = 0; id < count; ++id) {
    Range range;
    range.table = static_cast<Table>(random.number(0, 3));
    range.count = static_cast<std::uint16_t>(random.number(1, 4));
    range.first = static_cast<std::uint16_t>(random.number(0, space - range.count));
    if (forbidden(range, limits)) continue;
    std::uint32_t pin = random.chance(0.2) ? random.number(1, 2) : 0;
    if (pin != 0) {
      const auto known = hulls.try_emplace(pin, range).first;
      if (known->second.table != range.table) continue;
      const std::uint32_t first = std::min(known->second.first, range.first);
      if (std::max(known->second.end(), range.end()) - first > limits.longest(range.table) ||
          forbidden(hull_of(known->second, range), limits)) {
        continue;
      }
      known->second = hull_of(known->second, range);
    }
    made.wanted.push_back({range, static_cast<std::uint32_t>(made.wanted.size()), pin});
  }
  for (std::uint32_t i = random.number(0, 2); i > 0; --i) {
    const auto low = static_cast<std::uint16_t>(random.number(0, space - 2));
    const Barrier barrier{static_cast<Table>(random.number(0, 3)), low,
                          static_cast<std::uint16_t>(low + 1)};
    const auto crossed = [&](const Range& range) { return crosses(range, barrier); };
    if (std::ranges::none_of(made.wanted, crossed, &Wanted::range) &&
        std::ranges::none_of(hulls, [&](const auto& hull) { return crossed(hull.second); })) {
      made.barriers.push_back(barrier);
    }
  }
  return made;
}

// The range of one request for members; nullopt: the rules forbid it.
std::optional<Range> allowed(std::vector<Wanted> members, const Case& made) {
  std::map<std::uint32_t, Range> hulls;
  for (const Wanted& one : members) {
    if (one.pin == 0) continue;
    const auto known = hulls.try_emplace(one.pin, one.range).first;
    if (known->second.table != one.range.table) return std::nullopt;
    known->second = hull_of(known->second, one.range);
  }
  for (Wanted& one : members) {
    if (one.pin != 0) one.range = hulls[one.pin];
  }
  std::ranges::sort(members, {}, [](const Wanted& one) { return one.range.first; });
  Range block = members.front().range;
  for (const Wanted& one : members) {
    if (one.range.table != block.table) return std::nullopt;
    const std::uint32_t gap =
        is_bits(block.table) ? 16u * made.limits.max_gap : made.limits.max_gap;
    if (one.range.first > block.end() + gap) return std::nullopt;
    block = hull_of(block, one.range);
  }
  if (block.count > made.limits.longest(block.table) || forbidden(block, made.limits)) {
    return std::nullopt;
  }
  for (const Barrier& barrier : made.barriers) {
    if (crosses(block, barrier)) return std::nullopt;
  }
  return block;
}

nanoseconds cost_of(const Plan& plan, const Limits& limits) {
  nanoseconds sum{0};
  for (const Request& request : plan.requests) sum += limits.cost.of(request.range);
  return sum;
}

// The cheapest of all ways to part the wanted ranges into requests, neighbours or not.
nanoseconds cheapest_of_all(const Case& made) {
  nanoseconds best = nanoseconds::max();
  std::vector<std::vector<Wanted>> groups;
  const std::function<void(std::size_t)> place = [&](std::size_t at) {
    if (at == made.wanted.size()) {
      nanoseconds sum{0};
      std::map<std::uint32_t, int> groups_of_pin;
      for (const auto& group : groups) {
        const std::optional<Range> range = allowed(group, made);
        if (!range) return;
        sum += made.limits.cost.of(*range);
        std::map<std::uint32_t, bool> pins;
        for (const Wanted& one : group) pins[one.pin] = true;
        for (const auto& [pin, here] : pins) {
          if (pin != 0 && ++groups_of_pin[pin] > 1) return;
        }
      }
      best = std::min(best, sum);
      return;
    }
    for (std::size_t i = 0; i < groups.size(); ++i) {
      groups[i].push_back(made.wanted[at]);
      place(at + 1);
      groups[i].pop_back();
    }
    groups.push_back({made.wanted[at]});
    place(at + 1);
    groups.pop_back();
  };
  place(0);
  return best;
}

TEST(Plan, EveryPointIsWholeInExactlyOneRequestWithinAllRules) {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const Case made =
        random_case(random, 300, random.chance(0.3) ? 65536 : random.number(20, 3000));
    const Plan plan = make_plan(made.wanted, made.limits, made.barriers);
    std::vector<int> covered(made.wanted.size());
    std::map<std::uint32_t, const Request*> pins;
    for (const Request& request : plan.requests) {
      std::vector<Wanted> members;
      for (const std::uint32_t id : plan.members_of(request)) {
        const Wanted& one = made.wanted[id];
        members.push_back(one);
        ++covered[id];
        if (one.pin != 0) {
          ASSERT_EQ(pins.try_emplace(one.pin, &request).first->second, &request) << seed;
        }
      }
      ASSERT_FALSE(members.empty()) << "seed " << seed;
      ASSERT_EQ(allowed(members, made), request.range) << "seed " << seed;
    }
    for (const int times : covered) ASSERT_EQ(times, 1) << "seed " << seed;
  }
}

TEST(Plan, NoOtherWayToPartThePointsTakesLessTime) {
  for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
    Random random(seed);
    const Case made = random_case(random, 7, random.number(8, 60));
    const Plan plan = make_plan(made.wanted, made.limits, made.barriers);
    ASSERT_EQ(cost_of(plan, made.limits), cheapest_of_all(made)) << "seed " << seed;
  }
}

TEST(Plan, OneThousandContiguousFloatsAreSeventeenRequests) {
  std::vector<Wanted> wanted;
  for (std::uint32_t id = 0; id < 1000; ++id) {
    wanted.push_back(holding_span(static_cast<std::uint16_t>(2 * id), 2, id));
  }
  const Plan plan = make_plan(wanted, {});
  EXPECT_EQ(plan.requests.size(), 17u);
  // 62 floats of 2 registers fit in 125.
  EXPECT_EQ(plan.requests.front().range.to_string(), "holding 0..123");
}

TEST(Plan, RegistersAreUsedUpToTheLimitOf125) {
  const auto plan = [](std::uint16_t second) {
    return ranges(make_plan({holding_span(0, 1, 0), holding_span(second, 1, 1)}, {}));
  };
  EXPECT_THAT(plan(123), ElementsAre("holding 0..123"));
  EXPECT_THAT(plan(124), ElementsAre("holding 0..124"));
  EXPECT_THAT(plan(125), ElementsAre("holding 0", "holding 125"));
  EXPECT_THAT(ranges(make_plan({holding_span(65532, 4, 0), holding_span(65530, 2, 1)}, {})),
              ElementsAre("holding 65530..65535"));
}

TEST(Plan, BitsAreUsedUpToTheLimitOf2000) {
  const auto plan = [](std::uint16_t second) {
    return ranges(make_plan({{{Table::coils, 0, 1}, 0, 0}, {{Table::coils, second, 1}, 1, 0}}, {}));
  };
  EXPECT_THAT(plan(1998), ElementsAre("coils 0..1998"));
  EXPECT_THAT(plan(1999), ElementsAre("coils 0..1999"));
  EXPECT_THAT(plan(2000), ElementsAre("coils 0", "coils 2000"));
}

TEST(Plan, DevicesWithLowerLimitsAreAskedForLess) {
  Limits limits;
  limits.max_registers = 16;
  EXPECT_THAT(ranges(make_plan(
                  {holding_span(0, 8, 0), holding_span(8, 8, 1), holding_span(16, 1, 2)}, limits)),
              ElementsAre("holding 0..15", "holding 16"));
}

TEST(Plan, AGapIsReadWhereThatTakesLessTimeThanARequest) {
  const auto plan = [](std::uint16_t gap, const LinkCost& cost) {
    Limits limits;
    limits.cost = cost;
    return make_plan(
               {holding_span(0, 1, 0), holding_span(static_cast<std::uint16_t>(1 + gap), 1, 1)},
               limits)
        .requests.size();
  };
  // A register of the gap is 2 bytes, 2.3 ms at 9,600 baud; a request is 25 ms.
  EXPECT_EQ(plan(10, slow_line), 1u);
  EXPECT_EQ(plan(11, slow_line), 2u);
  EXPECT_EQ(plan(123, LinkCost{}), 1u);
}

TEST(Plan, MaxGapLimitsWhatCostAllows) {
  Limits limits;
  limits.max_gap = 3;
  EXPECT_THAT(ranges(make_plan(
                  {holding_span(0, 1, 0), holding_span(4, 1, 1), holding_span(9, 1, 2)}, limits)),
              ElementsAre("holding 0..4", "holding 9"));
}

TEST(Plan, ForbiddenAddressesAreInNoRequest) {
  Limits limits;
  limits.forbidden = {{Table::holding, 5, 1}, {Table::input, 0, 100}};
  EXPECT_THAT(ranges(make_plan({holding_span(3, 2, 0), holding_span(6, 2, 1)}, limits)),
              ElementsAre("holding 3..4", "holding 6..7"));
}

TEST(Plan, BarriersAreNotCrossed) {
  const Barrier barrier{Table::holding, 4, 8};
  EXPECT_THAT(
      ranges(make_plan({holding_span(3, 2, 0), holding_span(8, 2, 1)}, {}, std::span(&barrier, 1))),
      ElementsAre("holding 3..4", "holding 8..9"));
}

TEST(Plan, PinnedPointsAreReadTogetherWhateverTheGapCosts) {
  Limits limits;
  limits.cost = slow_line;
  limits.max_gap = 0;
  EXPECT_THAT(
      ranges(make_plan(
          {holding_span(0, 1, 0, 1), holding_span(90, 1, 1, 1), holding_span(40, 1, 2)}, limits)),
      ElementsAre("holding 0..90"));
}

}  // namespace
}  // namespace modbus

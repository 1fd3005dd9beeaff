#include "modbus/plan.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "modbus/planner.hpp"
#include "modbus/points.hpp"
#include "modbus/random.hpp"

namespace modbus {
namespace {

using modbus_test::Random;

Wanted holding(std::uint16_t first, std::uint16_t count, std::uint32_t id,
               Join join = Join::across_gaps) {
  return {{Table::holding, first, count}, id, join};
}

std::vector<std::string> ranges(const Plan& plan) {
  std::vector<std::string> texts;
  for (const Request& request : plan.requests) texts.push_back(request.range.to_string());
  return texts;
}

struct Case {
  std::vector<Wanted> wanted;
  Limits limits;
};

Case random_case(Random& random) {
  Case made;
  made.limits.max_registers = static_cast<std::uint16_t>(random.number(4, max_read_registers));
  made.limits.max_bits = static_cast<std::uint16_t>(random.number(1, max_read_bits));
  made.limits.max_gap = static_cast<std::uint16_t>(random.number(0, 125));
  const std::uint32_t space = random.chance(0.3) ? 65536 : random.number(20, 3000);
  const std::uint32_t count = random.number(0, 300);
  for (std::uint32_t id = 0; id < count; ++id) {
    Range range;
    range.table = static_cast<Table>(random.number(0, 3));
    range.count =
        is_bits(range.table) ? std::uint16_t{1} : static_cast<std::uint16_t>(random.number(1, 4));
    range.first = static_cast<std::uint16_t>(random.number(0, space - range.count));
    const Join join =
        random.chance(0.9) ? Join::across_gaps : static_cast<Join>(random.number(1, 2));
    made.wanted.push_back({range, id, join});
  }
  return made;
}

TEST(Plan, EveryPointIsWholeInExactlyOneRequestWithinTheLimits) {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    Random random(seed);
    const Case made = random_case(random);
    const Plan plan = make_plan(made.wanted, made.limits);
    std::vector<int> covered(made.wanted.size());
    for (const Request& request : plan.requests) {
      const Range& range = request.range;
      ASSERT_LE(range.count,
                is_bits(range.table) ? made.limits.max_bits : made.limits.max_registers)
          << "seed " << seed;
      ASSERT_LE(range.end(), 65536u) << "seed " << seed;
      ASSERT_FALSE(plan.members_of(request).empty()) << "seed " << seed;
      for (const std::uint32_t id : plan.members_of(request)) {
        const Wanted& wanted = made.wanted[id];
        ++covered[id];
        ASSERT_EQ(wanted.range.table, range.table) << "seed " << seed;
        ASSERT_GE(wanted.range.first, range.first) << "seed " << seed;
        ASSERT_LE(wanted.range.end(), range.end()) << "seed " << seed;
        if (wanted.join == Join::alone) {
          ASSERT_EQ(range, wanted.range) << "seed " << seed;
        }
      }
    }
    for (const int times : covered) ASSERT_EQ(times, 1) << "seed " << seed;
    ASSERT_LE(plan.requests.size(), made.wanted.size()) << "seed " << seed;
  }
}

// No address is read for nothing beyond the gap, and none where an address was refused before.
TEST(Plan, GapsStayWithinTheirLimit) {
  for (std::uint32_t seed = 1; seed <= 1000; ++seed) {
    Random random(seed);
    const Case made = random_case(random);
    const Plan plan = make_plan(made.wanted, made.limits);
    for (const Request& request : plan.requests) {
      std::vector<const Wanted*> members;
      for (const std::uint32_t id : plan.members_of(request)) members.push_back(&made.wanted[id]);
      std::ranges::sort(members, {}, [](const Wanted* one) { return one->range.first; });
      std::uint32_t end = members.front()->range.end();
      for (const Wanted* member : members) {
        if (member->range.first > end) {
          const std::uint32_t unit = is_bits(member->range.table) ? 16 : 1;
          ASSERT_LE(member->range.first - end, unit * made.limits.max_gap) << "seed " << seed;
          ASSERT_EQ(member->join, Join::across_gaps) << "seed " << seed;
        }
        end = std::max(end, member->range.end());
      }
    }
  }
}

// Fewest blocks that cover sorted ranges under the same rules, by trying every first cut.
std::size_t fewest(const std::vector<Range>& sorted, const Limits& limits, std::size_t from = 0) {
  if (from == sorted.size()) return 0;
  std::size_t best = sorted.size();
  std::uint32_t end = sorted[from].end();
  for (std::size_t to = from; to < sorted.size(); ++to) {
    if (sorted[to].first > end + limits.max_gap) break;
    end = std::max(end, sorted[to].end());
    if (end - sorted[from].first > limits.max_registers) break;
    best = std::min(best, 1 + fewest(sorted, limits, to + 1));
  }
  return best;
}

TEST(Plan, RequestsAreTheFewest) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    Limits limits;
    limits.max_registers = static_cast<std::uint16_t>(random.number(4, 20));
    limits.max_gap = static_cast<std::uint16_t>(random.number(0, 6));
    std::vector<Wanted> wanted;
    std::vector<Range> sorted;
    for (std::uint32_t id = 0; id < 12; ++id) {
      wanted.push_back(holding(static_cast<std::uint16_t>(random.number(0, 80)),
                               static_cast<std::uint16_t>(random.number(1, 4)), id));
      sorted.push_back(wanted.back().range);
    }
    std::ranges::sort(sorted, {}, [](const Range& one) { return std::pair(one.first, one.count); });
    ASSERT_LE(make_plan(wanted, limits).requests.size(), fewest(sorted, limits)) << "seed " << seed;
  }
}

TEST(Plan, OneThousandContiguousFloatsAreSeventeenRequests) {
  std::vector<Wanted> wanted;
  for (std::uint32_t id = 0; id < 1000; ++id) {
    wanted.push_back(holding(static_cast<std::uint16_t>(2 * id), 2, id));
  }
  // 62 floats of 2 registers fit in 125.
  EXPECT_EQ(make_plan(wanted, {}).requests.size(), 17u);
}

TEST(Plan, BoundariesOfTheSpecificationAreUsedToTheLastRegister) {
  EXPECT_THAT(ranges(make_plan({holding(0, 1, 0), holding(124, 1, 1)}, {.max_gap = 125})),
              ::testing::ElementsAre("holding 0..124"));
  EXPECT_THAT(ranges(make_plan({holding(0, 1, 0), holding(125, 1, 1)}, {.max_gap = 125})),
              ::testing::ElementsAre("holding 0", "holding 125"));
  EXPECT_THAT(ranges(make_plan({holding(65532, 4, 0), holding(65530, 2, 1)}, {})),
              ::testing::ElementsAre("holding 65530..65535"));
}

TEST(Plan, APointThatWasRefusedDoesNotPartItsNeighbours) {
  EXPECT_THAT(ranges(make_plan({holding(0, 2, 0), holding(2, 2, 1, Join::alone), holding(4, 2, 2)},
                               {.max_gap = 2})),
              ::testing::ElementsAre("holding 0..5", "holding 2..3"));
}

class PlannerTest : public ::testing::Test {
 protected:
  PlannerTest() : target_(modbus_test::floats(10)) {
    for (const mapper::Point& point : target_.points) places_.push_back(parse_place(point));
  }
  base::SteadyTime at(int minutes) const {
    return base::SteadyTime{} + std::chrono::minutes(minutes);
  }

  mapper::Target target_;
  std::vector<base::Result<Place>> places_;
};

TEST_F(PlannerTest, SamePointsGetTheSamePlanWithoutPlanningAgain) {
  Planner planner(places_, {});
  auto all = modbus_test::batch_of(target_);
  const Plan& first = planner.plan(all, at(0));
  const Request* const requests = first.requests.data();
  EXPECT_EQ(planner.plan(all, at(1)).requests.data(), requests);
  planner.plan(std::span(all).first(3), at(1));
  EXPECT_EQ(planner.plan(all, at(2)).requests.data(), requests);
}

TEST_F(PlannerTest, RefusedPointIsKeptApartAndTriedTogetherAgainLater) {
  Planner planner(places_, {});
  auto all = modbus_test::batch_of(target_);
  EXPECT_EQ(planner.plan(all, at(0)).requests.size(), 1u);
  planner.refused(all, planner.plan(all, at(0)).members, at(0));
  planner.refused_alone(target_.points[9], at(0));
  EXPECT_EQ(planner.plan(all, at(0)).requests.size(), 2u);
  EXPECT_EQ(planner.plan(all, at(11)).requests.size(), 1u);
}

TEST_F(PlannerTest, JoinedRequestThatIsRefusedTwiceIsNotMadeAThirdTime) {
  Planner planner(places_, {});
  auto all = modbus_test::batch_of(target_);
  for (int time = 0; time < 2; ++time) {
    planner.refused(all, planner.plan(all, at(0)).members, at(0));
  }
  EXPECT_EQ(planner.plan(all, at(0)).requests.size(), 10u);
}

}  // namespace
}  // namespace modbus

#include "budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace mapper {
namespace {

using namespace std::chrono_literals;

class BudgetTest : public ::testing::Test {
 protected:
  int take_all(bool urgent) {
    int taken = 0;
    while (budget.take(urgent)) ++taken;
    return taken;
  }

  base::ManualLoop loop;
  Budget budget{loop};
};

TEST_F(BudgetTest, ValuesLeaveAReserveThatUrgentCallsUse) {
  EXPECT_EQ(take_all(false), 17);
  EXPECT_EQ(take_all(true), 3);
  EXPECT_EQ(budget.wait(true), 1s);
  EXPECT_EQ(budget.wait(false), 4s);
}

TEST_F(BudgetTest, ATokenASecondIsGranted) {
  take_all(false);
  EXPECT_EQ(budget.wait(false), 1s);
  loop.advance(999ms);
  EXPECT_EQ(budget.wait(false), 1ms);
  EXPECT_FALSE(budget.take(false));
  loop.advance(1ms);
  EXPECT_EQ(budget.wait(false), 0s);
  EXPECT_EQ(take_all(false), 1);
  loop.advance(5500ms);
  EXPECT_EQ(take_all(false), 5);
  loop.advance(500ms);  // with the half that was left
  EXPECT_EQ(take_all(false), 1);
}

TEST_F(BudgetTest, NoMoreThanTheBurstIsSavedUp) {
  take_all(true);
  loop.advance(1h);
  EXPECT_EQ(take_all(true), 20);
  EXPECT_EQ(budget.wait(true), 1s);
}

TEST_F(BudgetTest, AWaitAlwaysEndsWithAToken) {
  take_all(true);
  for (int round = 0; round < 50; ++round) {
    const bool urgent = round % 3 == 0;
    if (round % 7 == 0) budget.refused();
    loop.advance(budget.wait(urgent));
    ASSERT_TRUE(budget.take(urgent));
    loop.advance(std::chrono::milliseconds(round * 37 % 900));
  }
}

TEST_F(BudgetTest, RefusalsEmptyTheBucketAndDoubleThePeriodUpToEightSeconds) {
  for (const auto period : {2s, 4s, 8s, 8s}) {
    ASSERT_TRUE(budget.take(true));
    budget.refused();
    EXPECT_EQ(budget.wait(true), period);
    EXPECT_FALSE(budget.take(true));
    loop.advance(period);
  }
}

TEST_F(BudgetTest, RefusalsOfCallsOnTheirWayTogetherCountOnce) {
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(budget.take(false));
  for (int i = 0; i < 8; ++i) budget.refused();
  EXPECT_EQ(budget.wait(true), 2s);
}

TEST_F(BudgetTest, WithoutRefusalsTheRateGrowsByATermUntilItIsWhatItWas) {
  const auto period = [this] {
    take_all(true);
    loop.advance(budget.wait(true));
    EXPECT_TRUE(budget.take(true));  // just come, so that the next is a whole period away
    return budget.wait(true);
  };
  for (const auto& [after, expected] : {std::pair{0s, 8s}, std::pair{11s, 4s}, std::pair{31s, 2s},
                                        std::pair{70s, 1s}, std::pair{1000s, 1s}}) {
    for (int i = 0; i < 4; ++i) {
      loop.advance(budget.wait(true));
      ASSERT_TRUE(budget.take(true));
      budget.refused();
    }
    ASSERT_EQ(budget.wait(true), 8s);
    loop.advance(after);
    EXPECT_EQ(period(), expected) << after.count();
  }
}

TEST_F(BudgetTest, NoMoreCallsThanTheRateInAnyStretch) {
  int calls = 0;
  for (int second = 0; second <= 100; ++second) {
    calls += take_all(second % 2 == 0);
    EXPECT_LE(calls, Budget::burst + second);
    loop.advance(1s);
  }
  EXPECT_EQ(calls, 120);
}

// EdgeCore's bucket: golang.org/x/time/rate with one token a second and 100 saved up, of which a
// refused call takes nothing.
class Node {
 public:
  explicit Node(const base::Loop& loop) : loop_(loop), last_(loop.now()) {}
  bool allow() {
    const std::chrono::duration<double> passed = loop_.now() - last_;
    last_ = loop_.now();
    tokens_ = std::min(100.0, tokens_ + passed.count());
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  const base::Loop& loop_;
  base::SteadyTime last_;
  double tokens_ = 100;
};

struct Share {
  int granted = 0;
  int refused = 0;
};

// Mappers that always have more to tell than they may; who is first changes from turn to turn.
std::vector<Share> share_a_node(int mappers, base::Duration time) {
  base::ManualLoop loop;
  Node node(loop);
  std::deque<Budget> budgets;
  for (int i = 0; i < mappers; ++i) budgets.emplace_back(loop);
  std::vector<Share> shares(budgets.size());
  const base::SteadyTime end = loop.now() + time;
  for (std::size_t turn = 0; loop.now() < end; ++turn) {
    for (std::size_t n = 0; n < budgets.size(); ++n) {
      const std::size_t i = (n + turn * 7) % budgets.size();
      if (!budgets[i].take(false)) continue;
      const bool granted = node.allow();
      if (!granted) budgets[i].refused();
      ++(granted ? shares[i].granted : shares[i].refused);
    }
    loop.advance(97ms);
  }
  return shares;
}

TEST(BudgetShare, MappersOfOneNodeWasteNothingAndGetEqualShares) {
  for (const int mappers : {2, 5, 8, 20}) {
    const std::vector<Share> shares = share_a_node(mappers, 4h);
    int granted = 0;
    for (const Share& share : shares) granted += share.granted;
    EXPECT_GE(granted, 4 * 3600) << mappers;
    for (const Share& share : shares) {
      EXPECT_GE(share.granted, granted / mappers * 3 / 4) << mappers;
      EXPECT_LE(share.granted, granted / mappers * 4 / 3) << mappers;
    }
  }
}

TEST(BudgetShare, AMapperAloneIsNeverRefused) {
  const std::vector<Share> shares = share_a_node(1, 4h);
  EXPECT_EQ(shares[0].refused, 0);
  EXPECT_GE(shares[0].granted, 4 * 3600);
}

// Each refusal is a call that a report waits for in vain.
TEST(BudgetShare, EightMappersAreRefusedLessOftenThanGranted) {
  for (const Share& share : share_a_node(8, 4h)) EXPECT_LT(share.refused, share.granted / 2);
}

}  // namespace
}  // namespace mapper

#include "budget.hpp"

#include <gtest/gtest.h>

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

TEST_F(BudgetTest, TenSuccessesInARowHalveThePeriod) {
  for (int i = 0; i < 2; ++i) {
    loop.advance(budget.wait(true));
    ASSERT_TRUE(budget.take(true));
    budget.refused();
  }
  const auto period = [this] {
    take_all(true);
    return budget.wait(true);
  };
  for (int i = 0; i < 9; ++i) budget.accepted();
  EXPECT_EQ(period(), 4s);
  budget.accepted();
  EXPECT_EQ(period(), 2s);
  for (int i = 0; i < 10; ++i) budget.accepted();
  EXPECT_EQ(period(), 1s);
  for (int i = 0; i < 100; ++i) budget.accepted();
  EXPECT_EQ(period(), 1s);
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

}  // namespace
}  // namespace mapper

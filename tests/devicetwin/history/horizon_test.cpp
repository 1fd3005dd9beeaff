#include "horizon.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace devicetwin {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t never_ms = std::numeric_limits<std::int64_t>::max();
constexpr base::Time wrong_1970{seconds(20)};
const base::Time right = base::build().date + hours(24);
const base::Time wrong_2099 = base::from_ms(4'070'908'800'000);
constexpr base::SteadyTime start{hours(1)};

TEST(Horizon, FollowsARightCalendarStepByStep) {
  Horizon horizon;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(horizon.move(right + seconds(10 * i), start + seconds(10 * i), never_ms),
              base::to_ms(right + seconds(10 * i)));
  }
}

TEST(Horizon, AMinuteAheadTakesAnHourAndTheRightTimeGivesItBack) {
  Horizon horizon;
  horizon.move(right, start, never_ms);
  EXPECT_EQ(horizon.move(wrong_2099, start + minutes(1), never_ms),
            base::to_ms(right + minutes(60)));
  EXPECT_EQ(horizon.move(right + minutes(2), start + minutes(2), never_ms),
            base::to_ms(right + minutes(2)));
}

TEST(Horizon, BeginsWhereNothingIsOver) {
  Horizon horizon;
  const std::int64_t begin = base::to_ms(right);
  EXPECT_EQ(horizon.move(wrong_2099, start, begin), begin);
  EXPECT_EQ(horizon.move(wrong_2099, start + minutes(1), begin), begin + 3'600'000);
}

TEST(Horizon, ACalendarOf1970MovesNothingAndSavesNothingUp) {
  Horizon horizon;
  const std::int64_t begin = base::to_ms(right);
  EXPECT_FALSE(horizon.move(wrong_1970, start, begin));
  EXPECT_FALSE(horizon.move(wrong_1970, start + hours(100), begin));
  EXPECT_EQ(horizon.move(wrong_2099, start + hours(100) + seconds(10), begin), begin);
  EXPECT_FALSE(horizon.move(wrong_1970, start + hours(200), begin));
  EXPECT_EQ(horizon.move(wrong_2099, start + hours(200) + seconds(10), begin), begin + 600'000);
}

}  // namespace
}  // namespace devicetwin

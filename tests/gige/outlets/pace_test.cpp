#include "outlets/pace.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"

namespace gige {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

int count(Pace pace, base::Duration apart, int frames, std::mt19937& random) {
  int taken = 0;
  base::SteadyTime at = base::SteadyTime() + std::chrono::hours(1);
  for (int i = 0; i < frames; ++i, at += apart) {
    const base::Duration jitter = apart / 20 * (static_cast<int>(random() % 3) - 1);
    if (pace.due(at + jitter)) ++taken;
  }
  return taken;
}

TEST(Pace, KeepsItsRateOnAverageWhateverTheJitter) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(base::cat("seed ", seed));
  std::mt19937 random(seed);
  EXPECT_EQ(count(Pace(milliseconds(40)), milliseconds(40), 1000, random), 1000);
  EXPECT_NEAR(count(Pace(milliseconds(100)), milliseconds(40), 1000, random), 400, 4);
  EXPECT_NEAR(count(Pace(milliseconds(40)), microseconds(33'333), 1200, random), 1000, 10);
  EXPECT_EQ(count(Pace(), milliseconds(1), 100, random), 100) << "zero: every frame";
}

TEST(Pace, DoesNotMakeUpForAPause) {
  Pace pace{milliseconds(100)};
  base::SteadyTime now = base::SteadyTime() + std::chrono::hours(1);
  EXPECT_TRUE(pace.due(now));
  now += std::chrono::seconds(10);
  int taken = 0;
  for (int i = 0; i < 100; ++i, now += milliseconds(1)) taken += pace.due(now) ? 1 : 0;
  EXPECT_LE(taken, 2);
}

}  // namespace
}  // namespace gige

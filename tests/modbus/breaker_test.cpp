// When a unit is left alone, for how long, and who may ask again.
#include "modbus/breaker.hpp"

#include <gtest/gtest.h>

namespace modbus_test {
namespace {

using modbus::Breaker;
using Admission = Breaker::Admission;
using State = Breaker::State;
using namespace std::chrono_literals;

class BreakerTest : public ::testing::Test {
 protected:
  void fail(std::uint8_t unit = 7) { breaker_.unanswered(unit, now_ - 1s, now_); }
  Breaker breaker_;
  base::SteadyTime now_{1000s};
};

TEST_F(BreakerTest, OneLostAnswerIsNoise) {
  fail();
  EXPECT_EQ(breaker_.state(7), State::closed);
  EXPECT_EQ(breaker_.admit(7, now_), Admission::normal);
  breaker_.answered(7, now_);
  fail();
  EXPECT_EQ(breaker_.state(7), State::closed);
}

TEST_F(BreakerTest, TwoInARowOpenItForThatUnitOnly) {
  fail();
  EXPECT_TRUE(breaker_.unanswered(7, now_ - 1s, now_).first);
  EXPECT_EQ(breaker_.state(7), State::open);
  EXPECT_EQ(breaker_.admit(7, now_), Admission::refused);
  EXPECT_EQ(breaker_.admit(8, now_), Admission::normal);
  EXPECT_EQ(breaker_.open_units(), "7");
}

TEST_F(BreakerTest, HalfOpenLetsExactlyOneThrough) {
  fail(), fail();
  now_ += 499ms;
  EXPECT_EQ(breaker_.admit(7, now_), Admission::refused);
  now_ += 1ms;
  EXPECT_EQ(breaker_.admit(7, now_), Admission::probe);
  EXPECT_EQ(breaker_.state(7), State::half_open);
  EXPECT_EQ(breaker_.admit(7, now_ + 1h), Admission::refused);
}

TEST_F(BreakerTest, ProbeThatWasNeverSentLeavesTheNextOneItsPlace) {
  fail(), fail();
  now_ += 1s;
  EXPECT_EQ(breaker_.admit(7, now_), Admission::probe);
  breaker_.returned(7);
  EXPECT_EQ(breaker_.admit(7, now_), Admission::probe);
}

TEST_F(BreakerTest, SuccessClosesAndTheNextWindowIsShortAgain) {
  fail(), fail();
  for (int i = 0; i < 5; ++i) {
    now_ += 1h;
    EXPECT_EQ(breaker_.admit(7, now_), Admission::probe);
    fail();
  }
  now_ += 1h;
  EXPECT_EQ(breaker_.admit(7, now_), Admission::probe);
  EXPECT_EQ(breaker_.answered(7, now_), 6h + 1s);
  EXPECT_EQ(breaker_.state(7), State::closed);
  fail(), fail();
  EXPECT_EQ(breaker_.admit(7, now_ + 500ms), Admission::probe);
}

TEST_F(BreakerTest, WindowsDoubleUpToThirtySeconds) {
  fail(), fail();
  for (const auto window : {500ms, 1000ms, 2000ms, 4000ms, 8000ms, 16000ms, 30000ms, 30000ms}) {
    EXPECT_EQ(breaker_.admit(7, now_ + window - 1ms), Admission::refused) << window.count();
    EXPECT_EQ(breaker_.admit(7, now_ + window), Admission::probe) << window.count();
    now_ += window;
    EXPECT_FALSE(breaker_.unanswered(7, now_, now_).first);
  }
}

TEST_F(BreakerTest, SaysSinceWhenAndWhenItIsAskedAgain) {
  fail();
  now_ += 2500ms;
  fail();
  EXPECT_EQ(breaker_.explain(7, now_ + 100ms),
            "unit 7 has not answered for 3.6 s; asked again in 0.4 s");
  now_ += 20s;
  breaker_.admit(7, now_);
  EXPECT_EQ(breaker_.explain(7, now_), "unit 7 has not answered for 24 s; it is being asked now");
}

}  // namespace
}  // namespace modbus_test

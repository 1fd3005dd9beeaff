#include "src/clock.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace gige {
namespace {

// A camera whose clock began at `begin`, is off by `drift`, and whose frames come late by 0.1 ms
// and more, sometimes a lot.
struct Simulated {
  std::int64_t host_ns = 1'700'000'000'000'000'000;
  std::int64_t camera_ns = 0;
  double drift = 0;
  std::mt19937_64 random{1};

  static constexpr std::int64_t least_delay = 100'000;

  void pass(std::int64_t ns) {
    host_ns += ns;
    camera_ns += ns + static_cast<std::int64_t>(std::llround(static_cast<double>(ns) * drift));
  }
  std::int64_t arrival() {
    std::exponential_distribution<double> late(1.0 / 2e6);
    return host_ns + least_delay + static_cast<std::int64_t>(late(random));
  }
};

TEST(Clock, NothingIsKnownBeforeTheFirstFrame) {
  const ClockMap clock;
  EXPECT_FALSE(clock.host_ns(5));
  EXPECT_EQ(clock.offset_ns(), 0);
}

TEST(Clock, FollowsDriftWithinHalfAMillisecondHoweverLateFramesAre) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Simulated world;
    world.random.seed(seed);
    std::uniform_real_distribution<double> drift(-100e-6, 100e-6);
    world.drift = drift(world.random);
    world.camera_ns = static_cast<std::int64_t>(world.random() >> 2);
    ClockMap clock;
    for (int i = 0; i < 25 * 60; ++i) {
      clock.add(world.camera_ns, world.arrival());
      if (i > 25 * 5) {
        const double error = static_cast<double>(*clock.host_ns(world.camera_ns) - world.host_ns -
                                                 Simulated::least_delay);
        ASSERT_LT(std::abs(error), 500'000) << "seed " << seed << " frame " << i;
      }
      world.pass(40'000'000);
    }
  }
}

TEST(Clock, IsNeverLaterThanAFrameArrived) {
  Simulated world;
  world.drift = 50e-6;
  ClockMap clock;
  for (int i = 0; i < 2000; ++i) {
    const std::int64_t arrived = world.arrival();
    clock.add(world.camera_ns, arrived);
    ASSERT_LE(*clock.host_ns(world.camera_ns), arrived + 100'000) << i;
    world.pass(10'000'000);
  }
}

TEST(Clock, BeginsAnewWhenTheCameraDoes) {
  for (const std::int64_t to : {std::int64_t{0}, std::int64_t{9'000'000'000'000}}) {
    Simulated world;
    world.camera_ns = 1'000'000'000'000;
    ClockMap clock;
    for (int i = 0; i < 100; ++i) {
      clock.add(world.camera_ns, world.arrival());
      world.pass(40'000'000);
    }
    world.camera_ns = to;
    const std::int64_t arrived = world.arrival();
    clock.add(world.camera_ns, arrived);
    EXPECT_EQ(clock.host_ns(world.camera_ns), arrived);
  }
}

TEST(Clock, AVeryLateFrameChangesNothing) {
  Simulated world;
  ClockMap clock;
  for (int i = 0; i < 100; ++i) {
    clock.add(world.camera_ns, world.arrival());
    world.pass(10'000'000);
  }
  const std::int64_t before = clock.offset_ns();
  clock.add(world.camera_ns, world.host_ns + 5'000'000'000);
  EXPECT_LT(std::abs(clock.offset_ns() - before), 1'000'000);
}

TEST(Clock, AnyNumbersAreBorne) {
  std::mt19937_64 random(7);
  ClockMap clock;
  for (int i = 0; i < 100'000; ++i) {
    clock.add(static_cast<std::int64_t>(random()), static_cast<std::int64_t>(random()));
    ASSERT_TRUE(clock.host_ns(static_cast<std::int64_t>(random())));
  }
}

}  // namespace
}  // namespace gige

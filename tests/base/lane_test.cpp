#include "base/lane.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace base {
namespace {

using std::chrono::milliseconds;

TEST(Lane, TasksRunInTheirOrder) {
  ManualLoop loop;
  Lane lane(loop, {});
  std::vector<int> ran;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(lane.post(0, [&ran, i] { ran.push_back(i); }));
  EXPECT_EQ(lane.counters().tasks, 5u);
  loop.settle();
  EXPECT_EQ(ran, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(lane.counters().tasks, 0u);
  EXPECT_EQ(lane.counters().bytes, 0u);
}

TEST(Lane, WhatIsAboveTheBudgetIsRefusedAndCountedUntilThereIsRoom) {
  ManualLoop loop;
  Lane lane(loop, {.bytes = 10'000});
  const auto kept = std::make_shared<int>();
  int ran = 0;
  const auto post = [&](std::size_t bytes) { return lane.post(bytes, [&ran, kept] { ++ran; }); };
  EXPECT_TRUE(post(4'000));
  EXPECT_TRUE(post(4'000));
  EXPECT_FALSE(post(4'000));
  EXPECT_EQ(kept.use_count(), 3);  // nothing of the refused one is kept
  EXPECT_EQ(lane.counters().refused, 1u);
  EXPECT_LE(lane.counters().bytes, 10'000u);
  loop.settle();
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_TRUE(post(1'000'000));  // alone
  EXPECT_FALSE(post(0));
}

TEST(Lane, ItsEndDropsWhatWaits) {
  ManualLoop loop;
  const auto kept = std::make_shared<int>();
  auto lane = std::make_unique<Lane>(loop, Lane::Limits{});
  lane->post(0, [&lane] { lane.reset(); });  // by one of its own tasks
  lane->post(0, [kept] { FAIL(); });
  loop.settle();
  EXPECT_EQ(lane, nullptr);
  EXPECT_EQ(kept.use_count(), 1);
}

// A flood in one lane: the other lane and the timers of the loop have their turn after each slice.
TEST(Lane, FloodInOneHoldsUpTheOthersForASliceEach) {
  IoLoop loop;
  Lane flood(loop, {.slice = milliseconds(1)});
  Lane other(loop, {.slice = milliseconds(1)});
  int flooded = 0;
  std::vector<int> seen;  // tasks of the flood between two of the others
  const auto busy = [&] {
    const auto end = std::chrono::steady_clock::now() + milliseconds(2);
    while (std::chrono::steady_clock::now() < end) {
    }
    ++flooded;
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(flood.post(0, busy));
  Timer timer(loop);
  std::function<void()> next = [&] {
    seen.push_back(std::exchange(flooded, 0));
    if (seen.size() == 20) return loop.stop();
    if (seen.size() % 2 == 0) {
      other.post(0, next);
    } else {
      timer.start(Duration::zero(), next);
    }
  };
  other.post(0, next);
  loop.run();
  EXPECT_EQ(seen.size(), 20u);
  for (const int tasks : seen) EXPECT_LE(tasks, 2);
}

}  // namespace
}  // namespace base

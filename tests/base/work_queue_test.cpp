#include "base/work_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace base {
namespace {

using std::chrono::milliseconds;
using Queue = WorkQueue<int>;

constexpr SteadyTime begin{std::chrono::hours(1)};

TEST(WorkQueue, KeysAreTakenInTheOrderTheyCameEachOnce) {
  Queue queue(milliseconds(100), milliseconds(1000), 1);
  for (const int key : {3, 1, 3, 2, 1}) queue.add(key);
  EXPECT_EQ(queue.take(begin), 3);
  queue.add(3);  // changed again while it is served
  EXPECT_EQ(queue.take(begin), 1);
  EXPECT_EQ(queue.take(begin), 2);
  EXPECT_EQ(queue.take(begin), 3);
  EXPECT_EQ(queue.take(begin), std::nullopt);
}

TEST(WorkQueue, OneThatFailedWaitsEverLongerUntilItIsDoneOrHurried) {
  Queue queue(milliseconds(100), milliseconds(400), 1);
  SteadyTime now = begin;
  queue.add(7);
  for (const int wait : {100, 200, 400, 400}) {
    ASSERT_EQ(queue.take(now), 7);
    queue.failed(7, now);
    queue.add(7);  // nothing new: it waits all the same
    EXPECT_EQ(queue.take(now), std::nullopt);
    ASSERT_TRUE(queue.next().has_value());
    const auto left = *queue.next() - now;
    EXPECT_GE(left, milliseconds(wait) * 8 / 10);
    EXPECT_LE(left, milliseconds(wait) * 12 / 10);
    now = *queue.next();
  }
  ASSERT_EQ(queue.take(now), 7);
  queue.failed(7, now, std::chrono::seconds(9));
  EXPECT_EQ(*queue.next() - now, std::chrono::seconds(9));
  queue.hurry(7);
  EXPECT_EQ(queue.next(), std::nullopt);
  EXPECT_EQ(queue.take(now), 7);
  queue.failed(7, now);
  EXPECT_LE(*queue.next() - now, milliseconds(120));  // a first failure again
  queue.done(7);
  EXPECT_EQ(queue.take(now + std::chrono::hours(1)), std::nullopt);
}

// Whatever fails for ever and whatever is added when: each of the others is served within one round
// of the keys there are, counted from when it was added.
TEST(WorkQueue, KeysThatFailForEverStarveNobody) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const int keys = 2 + static_cast<int>(random() % 30);
    std::set<int> failing;
    while (failing.empty()) {
      for (int key = 0; key < keys; ++key) {
        if (random() % 3 == 0) failing.insert(key);
      }
    }
    Queue queue(milliseconds(100), milliseconds(1000), seed);
    std::map<int, int> waits;  // turns since it was added
    SteadyTime now = begin;
    for (int turn = 0; turn < 2000; ++turn) {
      if (random() % 4 == 0) {
        const int key = static_cast<int>(random() % static_cast<unsigned>(keys));
        queue.add(key);
        if (!failing.contains(key)) waits.try_emplace(key, 0);
      }
      // Turns cost time, sometimes so much that everything that failed is due again.
      now += milliseconds(random() % 50 == 0 ? 2000 : random() % 30);
      const auto key = queue.take(now);
      if (!key) continue;
      for (auto& [other, turns] : waits) ASSERT_LE(++turns, keys) << "seed " << seed;
      if (failing.contains(*key)) {
        queue.failed(*key, now);
      } else {
        queue.done(*key);
        waits.erase(*key);
      }
    }
  }
}

}  // namespace
}  // namespace base

#include "base/loop.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>

#include "base/backoff.hpp"

namespace base {
namespace {

using namespace std::chrono_literals;

TEST(ManualLoop, RunsTimersInOrderOfTimeAndWhatTheyPost) {
  ManualLoop loop;
  std::string order;
  loop.after(20ms, [&] { order += 'b'; });
  loop.after(10ms, [&] {
    order += 'a';
    loop.post([&] { order += 'p'; });
  });
  loop.after(30ms, [&] { order += 'c'; });
  loop.advance(25ms);
  EXPECT_EQ(order, "apb");
  loop.advance(5ms);
  EXPECT_EQ(order, "apbc");
}

TEST(ManualLoop, JumpMovesTheCalendarAlone) {
  ManualLoop loop;
  const SteadyTime steady = loop.now();
  const Time wall = loop.wall();
  loop.jump(-1h);
  EXPECT_EQ(loop.now(), steady);
  EXPECT_EQ(loop.wall(), wall - 1h);
}

TEST(Timer, StartingAgainReplacesAndDestroyingCancels) {
  ManualLoop loop;
  int runs = 0;
  {
    Timer timer(loop);
    timer.start(10ms, [&] { runs += 1; });
    timer.start(20ms, [&] { runs += 10; });
    loop.advance(20ms);
    EXPECT_EQ(runs, 10);
    timer.start(10ms, [&] { runs += 100; });
  }
  loop.advance(1s);
  EXPECT_EQ(runs, 10);
}

TEST(Timer, TaskMayDestroyItsOwnTimer) {
  ManualLoop loop;
  auto timer = std::make_unique<Timer>(loop);
  timer->start(1ms, [&] { timer.reset(); });
  loop.advance(1ms);
  EXPECT_EQ(timer, nullptr);
}

TEST(IoLoop, RunsWhatOtherThreadsPostInTheirOrder) {
  IoLoop loop;
  std::vector<int> seen;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) {
      EXPECT_TRUE(loop.post([&seen, i] { seen.push_back(i); }));
    }
    loop.stop();
  });
  loop.run();
  poster.join();
  ASSERT_EQ(seen.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(IoLoop, RefusesTasksBeyondItsLimitAndAfterStop) {
  IoLoop loop;
  std::size_t ran = 0;
  for (std::size_t i = 0; i < Loop::max_tasks; ++i) ASSERT_TRUE(loop.post([&] { ++ran; }));
  EXPECT_FALSE(loop.post([&] { ++ran; }));
  loop.stop();
  loop.run();
  EXPECT_EQ(ran, Loop::max_tasks);
  EXPECT_FALSE(loop.post([] {}));
}

TEST(IoLoop, CancelledTimerNeverRuns) {
  IoLoop loop;
  bool ran = false;
  const Loop::TimerId cancelled = loop.after(1ms, [&] { ran = true; });
  loop.after(0ms, [&] { loop.cancel(cancelled); });
  loop.after(5ms, [&] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(ran);
}

TEST(IoLoop, SignalReachesItsHandlerOnTheLoop) {
  IoLoop loop;
  int got = 0;
  loop.on_signal([&](int signal) {
    got = signal;
    EXPECT_TRUE(loop.here());
    loop.stop();
  });
  loop.post([] { std::raise(SIGTERM); });
  loop.run();
  EXPECT_EQ(got, SIGTERM);
}

TEST(Times, FarAwayMillisecondsDoNotOverflow) {
  EXPECT_EQ(to_ms(from_ms(1'700'000'000'123)), 1'700'000'000'123);
  EXPECT_GT(from_ms(INT64_MAX), from_ms(0));
  EXPECT_LT(from_ms(INT64_MIN), from_ms(0));
  EXPECT_EQ(to_rfc3339(from_ms(0)), "1970-01-01T00:00:00Z");
}

TEST(Backoff, DoublesToItsLimitWithinJitterAndStartsAnew) {
  Backoff backoff(1000ms, 60000ms, 1);
  std::int64_t expected = 1000;
  for (int i = 0; i < 100; ++i) {
    const auto wait = backoff.next().count();
    EXPECT_GE(wait, expected * 8 / 10);
    EXPECT_LE(wait, expected * 12 / 10);
    expected = std::min<std::int64_t>(2 * expected, 60000);
  }
  backoff.reset();
  EXPECT_LE(backoff.next(), 1200ms);
}

}  // namespace
}  // namespace base

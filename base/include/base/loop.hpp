// The event loop of a process. Objects belong to a loop and are touched only on its thread;
// other threads post. IoLoop is the real one (Boost.Asio); ManualLoop is virtual time for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace base {

using Time = std::chrono::system_clock::time_point;        // what a calendar shows; may jump
using SteadyTime = std::chrono::steady_clock::time_point;  // for intervals; never jumps
using Duration = std::chrono::steady_clock::duration;

// Milliseconds since 1970, as every wire of this project writes times.
std::int64_t to_ms(Time time);
Time from_ms(std::int64_t ms);
// "2026-11-22T19:27:29Z" (seconds) — the form Kubernetes uses.
std::string to_rfc3339(Time time);
// The way back, with a fraction and any offset: milliseconds since 1970. false: not such a time
// of the years 1970 to 9999; ms is untouched.
bool from_rfc3339(std::string_view text, std::int64_t& ms);

class Loop {
 public:
  using Task = std::function<void()>;
  using TimerId = std::uint64_t;  // 0 is no timer

  virtual ~Loop() = default;

  // Runs task later on the loop's thread. Any thread. Tasks of one thread keep their order.
  // false: the loop holds back max_tasks already, or has stopped; the task is dropped.
  virtual bool post(Task task) = 0;
  // Runs task once, not before delay has passed. Loop thread only.
  virtual TimerId after(Duration delay, Task task) = 0;
  // Forgets a timer; a timer that has run, or 0, is fine. Loop thread only.
  virtual void cancel(TimerId timer) = 0;
  virtual SteadyTime now() const = 0;  // any thread
  virtual Time wall() const = 0;       // any thread
  virtual bool here() const = 0;       // whether the caller runs on this loop

  // Tasks a loop holds back. A loop that is 65,536 behind is not slow, it is stuck.
  static constexpr std::size_t max_tasks = 65536;
};

// One pending call at a time; starting again replaces it, destroying cancels. Loop thread only.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Duration delay, Loop::Task task);
  void stop();
  bool running() const { return id_ != 0; }

 private:
  Loop& loop_;
  Loop::TimerId id_ = 0;
};

// The loop of a real process. Construct, hand out, run() on one thread.
class IoLoop final : public Loop {
 public:
  IoLoop();
  ~IoLoop() override;

  void run();   // until stop(); runs what was posted before. Then destroys waiting timers' tasks.
  void stop();  // any thread, and safe in a signal handler set with on_signal
  // Calls handler on the loop at SIGINT or SIGTERM; the second signal kills the process.
  void on_signal(std::function<void(int)> handler);

  bool post(Task task) override;
  TimerId after(Duration delay, Task task) override;
  void cancel(TimerId timer) override;
  SteadyTime now() const override;
  Time wall() const override;
  bool here() const override;

  // For sockets. Only .cpp files that do I/O include Boost.Asio.
  boost::asio::io_context& io();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Time moves only by advance(). Single-threaded but for post(), which any thread may call.
class ManualLoop final : public Loop {
 public:
  explicit ManualLoop(Time start = from_ms(1'700'000'000'000));

  // Runs what is posted, then every timer up to now()+by in order of time, and what those post.
  void advance(Duration by);
  // Runs what is posted and due, without moving time.
  void settle() { advance(Duration::zero()); }
  // Moves only the calendar: a clock that jumps.
  void jump(Duration by) { wall_ += by; }

  bool post(Task task) override;
  TimerId after(Duration delay, Task task) override;
  void cancel(TimerId timer) override;
  SteadyTime now() const override { return now_; }
  Time wall() const override { return wall_; }
  bool here() const override { return true; }

 private:
  void run_posted();

  SteadyTime now_{};
  Time wall_;
  TimerId next_id_ = 1;
  std::map<std::pair<SteadyTime, TimerId>, Task> timers_;
  std::map<TimerId, SteadyTime> due_;
  std::mutex mutex_;  // guards posted_: other threads (gRPC, drivers) post into test loops too
  std::vector<Task> posted_;
};

}  // namespace base

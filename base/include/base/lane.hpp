// A way onto a loop from other threads, with a budget of bytes and a share of the loop's time.
//
// The loop serves its lanes in turn with its sockets and timers: a lane runs its tasks in order for
// a slice, one at least, and then everybody else has a turn. So nobody waits longer than for a
// slice, and the end of a task, of each lane. What is above the budget is refused before anything
// of it is kept, and counted; who posts must say so to whoever sent it.
//
// Threads: post and counters from any; made and destroyed on the loop. What was not run by then is
// dropped, so a task may use what the lane's owner has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/loop.hpp"

namespace base {

class Lane {
 public:
  struct Limits {
    std::size_t bytes = 16u << 20;  // of tasks that wait; one alone may have more
    Duration slice = std::chrono::milliseconds(1);
  };
  struct Counters {
    std::size_t tasks = 0;  // that wait or run
    std::size_t bytes = 0;  // of them
    std::uint64_t refused = 0;
  };

  Lane(Loop& loop, Limits limits);
  ~Lane();
  Lane(const Lane&) = delete;

  // bytes: what the task keeps alive until it has run, beside itself. false: above the budget, or
  // the loop has stopped; the task is dropped.
  bool post(std::size_t bytes, Loop::Task task);
  Counters counters() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace base

// A thread that does one thing after the other: encoding, writing files, running commands.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/loop.hpp"

namespace gige {

class Worker {
 public:
  using Task = std::function<void()>;

  // name: of the thread, as ps and gdb show it; at most 15 characters. most: tasks that wait.
  Worker(const std::string& name, std::size_t most);
  ~Worker() { finish({}); }
  Worker(const Worker&) = delete;

  // Any thread. false: `most` tasks wait already, or finish() was called; the task is dropped.
  bool post(Task task);
  // Runs what waits until the deadline, drops the rest, and ends the thread. A task that runs is
  // waited for. Not on the worker's own thread.
  void finish(base::SteadyTime deadline);

 private:
  void run();

  const std::size_t most_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool finishing_ = false;
  base::SteadyTime deadline_{};
  std::thread thread_;  // last: it uses the others
};

}  // namespace gige

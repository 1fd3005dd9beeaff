// Tasks that other threads leave for a loop. Unlike Loop::post it loses nothing when the loop is
// full: what waits is run with the next task or by drain(). What arrives after close() is dropped,
// so late completions are harmless.
//
// Threads: post from any; the rest on the loop.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/loop.hpp"

namespace mapper {

class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  explicit Inbox(base::Loop& loop) : loop_(&loop) {}

  void post(base::Loop::Task task);
  void drain();
  // Destroys what waits. The loop may go after this.
  void close();
  // As close(), but runs what waits.
  void finish();

 private:
  std::mutex mutex_;  // guards all below: every thread of gRPC and of the buses leaves tasks here
  base::Loop* loop_;  // null: closed
  std::vector<base::Loop::Task> tasks_;
  bool posted_ = false;
};

}  // namespace mapper

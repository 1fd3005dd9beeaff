// The calls a server has taken and not answered yet. Any thread.
//
// Whoever comes first answers a call: the handler's completion, the server's end, or, when a
// handler loses its completion (a loop that refused the task), the completion's destructor. What
// comes later does nothing. So no peer waits for ever, and a completion kept past the server's end
// is harmless.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "base/status.hpp"

namespace dmi::wire {

class Answers;

// Requests that a server has and that are not answered yet, in bytes. Any thread.
class Open {
 public:
  // Four of the largest; a registration's answer is not among them.
  static constexpr std::size_t max_bytes = 64u << 20;

  // false: no room; one alone may have more.
  bool take(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (bytes_ != 0 && bytes_ + bytes > max_bytes) return false;
    bytes_ += bytes;
    return true;
  }
  void give(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ -= bytes;
  }
  std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;  // guards what follows
  std::size_t bytes_ = 0;
};

class Answer {
 public:
  // method: a literal, for texts. bytes: of the request, taken from open.
  Answer(std::shared_ptr<Answers> open, grpc::ServerUnaryReactor& reactor, const char* method,
         std::size_t bytes);
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  // Sends status; if it is ok, fill writes the response before.
  void finish(base::Status status, const std::function<void()>& fill = nullptr);

 private:
  friend class Answers;
  std::shared_ptr<Answers> open_;  // shared: a completion may outlive the server
  grpc::ServerUnaryReactor& reactor_;
  const char* method_;
  const std::size_t bytes_;
  std::atomic<bool> answered_ = false;
};

class Answers : public std::enable_shared_from_this<Answers> {
 public:
  // Calls a server holds open. A handler that is 4,096 behind is stuck: further ones are refused.
  static constexpr std::size_t max_open = 4096;

  // nullptr: closed (unavailable), or too many or too large (RESOURCE_EXHAUSTED); the call is
  // answered already. bytes: of the request.
  std::shared_ptr<Answer> take(grpc::ServerUnaryReactor& reactor, const char* method,
                               std::size_t bytes);
  // Refuses new calls, waits for the open ones, and after grace answers them with unavailable.
  void close(std::chrono::milliseconds grace);
  std::uint64_t overflow() const { return overflow_; }
  const std::shared_ptr<Open>& open() const { return bytes_; }

 private:
  friend class Answer;
  void forget(const Answer* answer);

  // guards all below: calls come and are answered on several threads, and none may be lost at the
  // end
  std::mutex mutex_;
  std::condition_variable empty_;
  std::map<const Answer*, std::weak_ptr<Answer>> open_;
  bool closed_ = false;
  std::atomic<std::uint64_t> overflow_ = 0;
  const std::shared_ptr<Open> bytes_ = std::make_shared<Open>();  // the batches' too
};

}  // namespace dmi::wire

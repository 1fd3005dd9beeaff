#include "outlets/worker.hpp"

#include <pthread.h>

#include <utility>

namespace gige {

Worker::Worker(const std::string& name, std::size_t most)
    : most_(most), thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

bool Worker::post(Task task) {
  {
    const std::lock_guard guard(mutex_);
    if (finishing_ || tasks_.size() >= most_) return false;
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
  return true;
}

void Worker::finish(base::SteadyTime deadline) {
  {
    const std::lock_guard guard(mutex_);
    if (!finishing_) deadline_ = deadline;
    finishing_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return finishing_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    if (finishing_ && std::chrono::steady_clock::now() >= deadline_) {
      // Dropped outside the lock: what a task holds may be destroyed with it.
      const auto dropped = std::exchange(tasks_, {});
      lock.unlock();
      return;
    }
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace gige

#include "inbox.hpp"

#include <utility>

namespace mapper {

void Inbox::post(base::Loop::Task task) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  tasks_.push_back(std::move(task));
  if (posted_) return;
  posted_ = loop_->post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->drain();
  });
}

void Inbox::drain() {
  std::vector<base::Loop::Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
    posted_ = false;
  }
  for (base::Loop::Task& task : tasks) {
    {
      // A task may close this inbox: the ones behind it are then dropped too.
      const std::lock_guard lock(mutex_);
      if (loop_ == nullptr) return;
    }
    task();
  }
}

void Inbox::close() {
  std::vector<base::Loop::Task> dropped;
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
  dropped.swap(tasks_);
}

void Inbox::finish() {
  std::vector<base::Loop::Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
    tasks.swap(tasks_);
  }
  for (base::Loop::Task& task : tasks) task();
}

}  // namespace mapper

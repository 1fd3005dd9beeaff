#include "mailbox.hpp"

#include <cassert>
#include <utility>

namespace mapper {

Sink::Mailbox::Mailbox(base::Loop& loop, std::size_t points, std::function<void()> arrived)
    : loop_(&loop), arrived_(std::move(arrived)), points_(points) {}

void Sink::Mailbox::put(std::size_t point, dmi::Sample sample) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  assert(point < points_);
  newest_.resize(points_);
  if (!newest_[point]) filled_.push_back(point);
  newest_[point] = std::move(sample);
  notify();
}

void Sink::Mailbox::put_lost(base::Status why) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  lost_ = std::move(why);
  notify();
}

// The loop may be full; then the next put tries again, and the newest sample still wins.
void Sink::Mailbox::notify() {
  if (posted_) return;
  posted_ = loop_->post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex_);
      self->posted_ = false;
      if (self->loop_ == nullptr) return;
    }
    self->arrived_();
  });
}

Sink::Mailbox::Contents Sink::Mailbox::take() {
  Contents contents;
  const std::lock_guard lock(mutex_);
  contents.samples.reserve(filled_.size());
  for (const std::size_t point : filled_) {
    contents.samples.emplace_back(point, std::move(*newest_[point]));
    newest_[point].reset();
  }
  filled_.clear();
  contents.lost = std::exchange(lost_, std::nullopt);
  return contents;
}

void Sink::Mailbox::close() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

void Sink::publish(std::size_t point_index, dmi::Sample sample) const {
  if (const auto mailbox = mailbox_.lock()) mailbox->put(point_index, std::move(sample));
}

void Sink::lost(base::Status why) const {
  if (const auto mailbox = mailbox_.lock()) mailbox->put_lost(std::move(why));
}

}  // namespace mapper

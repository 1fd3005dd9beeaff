// The feeds that live, by device. Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "outlets/feed.hpp"

namespace gige {

class Registry {
 public:
  // A newer feed of the same device takes the place of the older one.
  void add(const std::shared_ptr<FeedImpl>& feed) {
    const std::lock_guard guard(mutex_);
    feeds_[feed->device()] = feed;
  }
  std::shared_ptr<FeedImpl> find(const dmi::ObjectId& device) const {
    const std::lock_guard guard(mutex_);
    const auto found = feeds_.find(device);
    return found == feeds_.end() ? nullptr : found->second.lock();
  }
  // Sorted by device; forgets those that are gone.
  std::vector<std::shared_ptr<FeedImpl>> all() {
    std::vector<std::shared_ptr<FeedImpl>> living;
    const std::lock_guard guard(mutex_);
    for (auto each = feeds_.begin(); each != feeds_.end();) {
      if (auto feed = each->second.lock()) {
        living.push_back(std::move(feed));
        ++each;
      } else {
        each = feeds_.erase(each);
      }
    }
    return living;
  }

 private:
  mutable std::mutex mutex_;
  std::map<dmi::ObjectId, std::weak_ptr<FeedImpl>> feeds_;
};

}  // namespace gige

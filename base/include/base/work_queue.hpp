// Keys that wait for their turn, each once, as a level-triggered controller keeps them: whoever
// serves one compares what is with what should be, so it does not matter how often it was added.
// One that failed waits by itself, ever longer, while the others go on: with any number of keys
// that fail for ever, one that does not is served within one round of those that are due. Pure; one
// thread; time comes as an argument.
//
// A key that was taken is nobody's until done() or failed() is said of it; it may be added again
// meanwhile, and is then due at once.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/backoff.hpp"
#include "base/loop.hpp"

namespace base {

template <class Key>
class WorkQueue {
 public:
  using Ms = Backoff::Ms;
  // Waits after failures in a row: first, twice that, … most.
  WorkQueue(Ms first, Ms most, std::uint32_t seed) : first_(first), most_(most), seed_(seed) {}

  // Due behind those that are due; one that waits after a failure goes on waiting.
  void add(const Key& key) {
    if (!waiting(key)) push(key);
  }
  // Due also if it waits, because what made it fail is not so any more; its waits begin anew.
  void hurry(const Key& key) {
    done(key);
    push(key);
  }
  void hurry_all() {
    while (!later_.empty()) hurry(Key(later_.begin()->second));
  }

  // The next one that is due; nullopt: none is now.
  std::optional<Key> take(SteadyTime now) {
    while (!later_.empty() && later_.begin()->first <= now) {
      const Key key = later_.begin()->second;
      later_.erase(later_.begin());
      failed_.at(key).until.reset();
      push(key);
    }
    if (queue_.empty()) return std::nullopt;
    Key key = std::move(queue_.front());
    queue_.pop_front();
    queued_.erase(key);
    return key;
  }
  // The one that was taken failed: it waits, at_least so long.
  void failed(const Key& key, SteadyTime now, Duration at_least = Duration::zero()) {
    if (queued_.contains(key)) return;  // added meanwhile, so it may be another matter now
    const auto entry = failed_.try_emplace(key, Backoff(first_, most_, ++seed_)).first;
    unwait(entry->second, key);
    entry->second.until = now + std::max<Duration>(entry->second.backoff.next(), at_least);
    later_.insert({*entry->second.until, key});
  }
  // It is as it should be, or is gone: its next failure is a first one.
  void done(const Key& key) {
    const auto found = failed_.find(key);
    if (found == failed_.end()) return;
    unwait(found->second, key);
    failed_.erase(found);
  }
  void clear() {
    queue_.clear();
    queued_.clear();
    later_.clear();
    failed_.clear();
  }

  bool due(SteadyTime now) const {
    return !queue_.empty() || (!later_.empty() && later_.begin()->first <= now);
  }
  // Whether it waits after a failure.
  bool waiting(const Key& key) const {
    const auto found = failed_.find(key);
    return found != failed_.end() && found->second.until.has_value();
  }
  // When the first of those that wait is due; nullopt: none waits.
  std::optional<SteadyTime> next() const {
    if (later_.empty()) return std::nullopt;
    return later_.begin()->first;
  }

 private:
  struct Failure {
    explicit Failure(Backoff waits) : backoff(std::move(waits)) {}
    Backoff backoff;
    std::optional<SteadyTime> until;
  };
  void push(const Key& key) {
    if (queued_.insert(key).second) queue_.push_back(key);
  }
  void unwait(Failure& failure, const Key& key) {
    if (!failure.until) return;
    later_.erase({*failure.until, key});
    failure.until.reset();
  }

  const Ms first_;
  const Ms most_;
  std::uint32_t seed_;
  std::deque<Key> queue_;  // each once
  std::set<Key> queued_;
  std::set<std::pair<SteadyTime, Key>> later_;
  std::map<Key, Failure> failed_;  // since they were last as they should be
};

}  // namespace base

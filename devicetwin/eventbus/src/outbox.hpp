// Messages on their way to the broker: in order, bounded, kept until the broker has them. Pure;
// belongs to the loop.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "message.hpp"

namespace devicetwin::bus {

class Outbox {
 public:
  // A broker this far behind is not slow: what is newest is worth more then.
  static constexpr std::size_t max_messages = 10'000;
  static constexpr std::size_t max_bytes = 16u << 20;
  // A broker this far behind is slow: news of twins wait as their newest value only, until it has
  // caught up to below the low mark. Half of the limits: the other half is for answers, which
  // nothing replaces.
  static constexpr std::size_t high_messages = max_messages / 2;
  static constexpr std::size_t high_bytes = max_bytes / 2;
  static constexpr std::size_t low_messages = high_messages / 4;
  static constexpr std::size_t low_bytes = high_bytes / 4;
  // Unacknowledged at the broker. As fast as more on loopback, and the loop is held up less: Paho
  // looks for a message among those that fly, from the first, with its lock held. With 128 DMI
  // took 12,500 reports a second, with 32 21,000 (scripts/bench twin-dmi).
  static constexpr std::size_t max_flying = 32;

  // What the broker takes at once, if that is fewer: MQTT 5's Receive Maximum. Paho 1.3 given more
  // than that stalls to 130 messages a second.
  void set_most_flying(std::size_t most) { most_flying_ = std::min(most, max_flying); }

  // Drops the oldest that wait where there is no room.
  void push(Message message) {
    bytes_ += size(message);
    waiting_.emplace(next_++, std::move(message));
    while ((waiting_.size() > max_messages || bytes_ > max_bytes) && waiting_.size() > 1) {
      bytes_ -= size(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      ++dropped_;
    }
  }
  // The next to be sent; it flies until sent() or failed().
  std::optional<std::pair<std::uint64_t, Message>> take() {
    if (waiting_.empty() || flying_.size() >= most_flying_) return std::nullopt;
    const auto node = flying_.insert(waiting_.extract(waiting_.begin()));
    return std::pair(node.position->first, node.position->second);
  }
  void sent(std::uint64_t id) {
    const auto found = flying_.find(id);
    if (found == flying_.end()) return;
    bytes_ -= size(found->second);
    flying_.erase(found);
  }
  // Goes back to its place.
  void failed(std::uint64_t id) {
    if (auto node = flying_.extract(id)) waiting_.insert(std::move(node));
  }

  // Everything that flies goes back: its client is gone.
  void failed_all() {
    waiting_.merge(flying_);
    flying_.clear();
  }

  bool above_high() const { return size() >= high_messages || bytes_ >= high_bytes; }
  bool below_low() const { return size() <= low_messages && bytes_ <= low_bytes; }
  bool empty() const { return waiting_.empty() && flying_.empty(); }
  std::size_t size() const { return waiting_.size() + flying_.size(); }
  std::uint64_t dropped() const { return dropped_; }

 private:
  static std::size_t size(const Message& message) {
    return message.topic.size() + message.payload.size();
  }

  std::map<std::uint64_t, Message> waiting_;
  std::map<std::uint64_t, Message> flying_;
  std::size_t most_flying_ = max_flying;
  std::uint64_t next_ = 1;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace devicetwin::bus

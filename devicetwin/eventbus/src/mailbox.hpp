// What Paho's threads leave for the loop. Private header: it knows Paho.
#pragma once

#include <mqtt/async_client.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"

namespace devicetwin::bus {

// Outlives the connection where a callback still holds it. A mutex and one post per batch, because
// a post per acknowledgement would fill the loop at 20,000 messages a second.
struct Mailbox {
  explicit Mailbox(base::Loop& owner) : loop(owner) {}

  base::Loop& loop;
  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, bool>> outcomes;  // guarded by mutex: id, delivered
  bool posted = false;                                   // guarded by mutex
  std::function<void()> collect;  // on the loop; set before the client starts
  std::weak_ptr<const bool> life;

  void outcome(std::uint64_t id, bool delivered) {
    const std::lock_guard guard(mutex);
    outcomes.emplace_back(id, delivered);
    if (posted) return;
    posted = post(collect);
  }
  bool post(base::Loop::Task task) {
    return loop.post([life = life, task = std::move(task)] {
      if (!life.expired()) task();
    });
  }
  std::vector<std::pair<std::uint64_t, bool>> take() {
    const std::lock_guard guard(mutex);
    posted = false;
    return std::exchange(outcomes, {});
  }
};

// The token's user context is the message's number.
class Deliveries final : public mqtt::iaction_listener {
 public:
  explicit Deliveries(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
  void on_success(const mqtt::token& token) override { mailbox_->outcome(id(token), true); }
  void on_failure(const mqtt::token& token) override { mailbox_->outcome(id(token), false); }

 private:
  static std::uint64_t id(const mqtt::token& token) {
    return reinterpret_cast<std::uintptr_t>(token.get_user_context());
  }
  std::shared_ptr<Mailbox> mailbox_;
};

// The end of a connect or subscribe, told on the loop: 0 or Paho's code.
class Told final : public mqtt::iaction_listener {
 public:
  Told(std::shared_ptr<Mailbox> mailbox, std::function<void(int)> done)
      : mailbox_(std::move(mailbox)), done_(std::move(done)) {}
  void on_success(const mqtt::token&) override { tell(0); }
  void on_failure(const mqtt::token& token) override {
    tell(token.get_return_code() == 0 ? -1 : token.get_return_code());
  }

 private:
  void tell(int code) {
    mailbox_->post([done = done_, code] { done(code); });
  }
  std::shared_ptr<Mailbox> mailbox_;
  std::function<void(int)> done_;
};

}  // namespace devicetwin::bus

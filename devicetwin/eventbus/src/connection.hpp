// The connection to the MQTT broker: Paho, kept alive. Tries again for ever, speaks MQTT 5 or
// 3.1.1, and says once why a broker does not take us. Belongs to the loop; Paho's threads only post
// to it. Blocks in close(), and at its end for the second that Paho takes; never else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/event_bus.hpp"
#include "inbound.hpp"
#include "message.hpp"

namespace devicetwin::bus {

class Connection {
 public:
  // All are called on the loop.
  struct Events {
    std::function<void()> up;    // connected and subscribed
    std::function<void()> down;  // may come several times; nothing can be published now
    Inbound::Events inbound;
    // Of messages given to publish, some at a time; then settled() once.
    std::function<void(std::uint64_t id, bool delivered)> outcome;
    std::function<void()> settled;
    // The client is another one: what it had not delivered it never will.
    std::function<void()> renewed;
  };

  // will: published by the broker when we vanish without a farewell.
  Connection(base::Loop& loop, const EventBus::Settings& settings, Message will, Events events);
  ~Connection();

  // invalid: the URL is none of Paho's forms, or TLS files do not fit together or cannot be read.
  base::Status start(std::vector<std::string> subscriptions);
  // false: not now; settled() or up() come before it is worth another try.
  bool publish(std::uint64_t id, const Message& message);
  // Has message() called with what the broker retains on these topics, without staying subscribed.
  void read_retained(const std::vector<std::string>& topics);
  // Publishes the farewell and what Paho holds, for at most 1 s. Nothing is called afterwards.
  void close(const Message& farewell);

  bool connected() const;
  int version() const;  // 3 or 5: what the running connection speaks, or the next will
  // How many publications the broker takes before it has acknowledged one (MQTT 5, 3.2.2.3.3).
  std::size_t receive_maximum() const;
  Inbound::Counters inbound() const;

 private:
  struct Client;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin::bus

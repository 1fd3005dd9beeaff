// What clients of the broker publish, on its way from Paho's thread to the loop: bounded in bytes,
// and read beside the loop where reading takes long. Paho's thread never waits here: it serves all
// clients of the process.
//
// Messages of a topic keep their order, as MQTT promises it. What is above the budget is refused
// unread; the loop is told of it once a topic and second.
//
// Threads: made and destroyed on the loop; arrived() and counters() from any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/lane.hpp"
#include "request.hpp"
#include "topic.hpp"

namespace devicetwin::bus {

class Inbound {
 public:
  // A payload past this is read on a thread of its own, one for all: JSON of this size takes half a
  // millisecond, which is what a slice of the loop has.
  static constexpr std::size_t large_bytes = 64u << 10;
  // Payloads that wait: of all, and of the large ones among them before they are read. Sixteen of
  // the largest that are allowed.
  static constexpr std::size_t max_bytes = 16u << 20;
  static constexpr auto refusal_pause = std::chrono::seconds(1);
  // Topics whose refusals are remembered; past it all are told anew.
  static constexpr std::size_t max_refused_topics = 1024;

  // All on the loop.
  struct Events {
    std::function<void(std::string_view topic, std::string_view payload, bool retained)> message;
    // A large one that was read already.
    std::function<void(const Topic& topic, Request request)> request;
    std::function<void(std::string_view topic)> refused;
  };
  struct Message {
    std::string topic;
    std::shared_ptr<const void> owner;  // keeps the payload alive
    std::string_view payload;
    bool retained = false;
  };
  struct Counters {
    base::Lane::Counters lane;
    std::size_t reading = 0;  // bytes of large ones that are not read yet
    std::uint64_t refused = 0;
  };

  Inbound(base::Loop& loop, Events events);
  ~Inbound();

  void arrived(Message message);
  Counters counters() const;

 private:
  struct Reader;
  bool has_reader();
  bool take(Message& message);
  void refuse(const std::string& topic);

  base::Loop& loop_;
  const std::shared_ptr<const Events> events_;
  const std::shared_ptr<base::Lane> lane_;
  const std::shared_ptr<Reader> reader_;
  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, base::SteadyTime> told_;
  std::uint64_t refused_ = 0;
};

}  // namespace devicetwin::bus

// Publishing to MQTT brokers: one connection per broker, whatever cameras use it. QoS 0: a picture
// that is lost is followed by the next one. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/backoff.hpp"
#include "base/loop.hpp"
#include "base/mqtt.hpp"
#include "outlets/counts.hpp"

namespace gige {

inline constexpr base::MqttNames mqtt_names = {.url = "broker",
                                               .forms = "tcp://HOST:PORT or ssl://HOST:PORT",
                                               .ca = "caFile",
                                               .certificate = "certFile",
                                               .key = "keyFile",
                                               .user = "user",
                                               .password = "passwordFile",
                                               .version = "3.1.1 is spoken"};

// A connection and its thread. Paho's calls are made here only, one after the other, and never
// while it connects: with 1.2.0 publishing during a connect can end in a deadlock
// (eclipse/paho.mqtt.cpp#356).
class Publisher {
 public:
  // What waits while the broker is away or slow; past either the oldest goes.
  static constexpr std::size_t max_waiting = 64;
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;

  explicit Publisher(base::MqttAccess broker);
  ~Publisher();
  Publisher(const Publisher&) = delete;

  // Returns at once; counts as published when the broker's connection has taken it, as left out
  // when it had to make room.
  void push(std::string topic, std::string payload, std::shared_ptr<Counts> counts);
  // Sends what waits until the deadline, if it is connected, and ends the thread.
  void finish(base::SteadyTime deadline);

 private:
  struct Message {
    std::string topic;
    std::string payload;
    std::shared_ptr<Counts> counts;
  };
  struct Client;

  void run();
  bool connect();
  void drop_client();
  bool send(const Message& message);
  void away(const std::string& why);
  bool out_of_time();
  // Waits for a token in slices, so that finish() is not held up by a broker that hangs.
  template <class Token>
  bool wait(const Token& token, base::Duration patience);

  const base::MqttAccess broker_;
  std::unique_ptr<Client> client_;  // of the thread
  base::Backoff backoff_;           // of the thread
  std::string said_;                // of the thread: why it is away, as it was logged last
  std::mutex mutex_;                // guards what follows
  std::condition_variable changed_;
  std::deque<Message> waiting_;
  std::size_t bytes_ = 0;
  bool finishing_ = false;
  base::SteadyTime deadline_{};
  std::thread thread_;  // last: it uses the others
};

}  // namespace gige

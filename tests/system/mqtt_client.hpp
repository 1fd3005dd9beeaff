// An MQTT client of a test's load: one connection, made anew when it is gone, nothing sent twice.
// publish() from one thread; on_message comes on Paho's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace system_test {

class MqttClient {
 public:
  using OnMessage = std::function<void(const std::string& topic, const std::string& payload)>;
  MqttClient(std::uint16_t port, std::vector<std::string> topics, OnMessage on_message);
  ~MqttClient();

  // Connects and subscribes where that is not so. false: the broker does not answer.
  bool ready();
  // QoS 1. false: not sent, or perhaps sent: its connection was lost.
  bool publish(const std::string& topic, const std::string& payload);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace system_test

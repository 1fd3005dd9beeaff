#include "system/mqtt_client.hpp"

#include <mqtt/async_client.h>

#include "base/text.hpp"

namespace system_test {

struct MqttClient::Impl {
  std::uint16_t port;
  std::vector<std::string> topics;
  OnMessage on_message;
  std::unique_ptr<mqtt::async_client> client;

  void connect() {
    client.reset();
    client = std::make_unique<mqtt::async_client>(base::cat("tcp://127.0.0.1:", port),
                                                  base::cat("load-", base::random_hex(6)));
    client->set_message_callback([this](mqtt::const_message_ptr message) {
      on_message(message->get_topic(), message->to_string());
    });
    const mqtt::connect_options options = mqtt::connect_options_builder()
                                              .clean_session(true)
                                              .connect_timeout(std::chrono::seconds(2))
                                              .finalize();
    if (!client->connect(options)->wait_for(std::chrono::seconds(2))) client.reset();
    if (!client) return;
    for (const std::string& topic : topics) {
      if (!client->subscribe(topic, 1)->wait_for(std::chrono::seconds(2))) return client.reset();
    }
  }
};

MqttClient::MqttClient(std::uint16_t port, std::vector<std::string> topics, OnMessage on_message)
    : impl_(std::make_unique<Impl>()) {
  impl_->port = port;
  impl_->topics = std::move(topics);
  impl_->on_message = std::move(on_message);
}

MqttClient::~MqttClient() = default;

bool MqttClient::ready() {
  if (impl_->client && impl_->client->is_connected()) return true;
  try {
    impl_->connect();
  } catch (const mqtt::exception&) {
    impl_->client.reset();
  }
  return impl_->client != nullptr;
}

bool MqttClient::publish(const std::string& topic, const std::string& payload) {
  if (!impl_->client) return false;
  try {
    impl_->client->publish(topic, payload, 1, false);
    return true;
  } catch (const mqtt::exception&) {
    return false;
  }
}

}  // namespace system_test

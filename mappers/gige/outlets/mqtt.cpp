#include "outlets/mqtt.hpp"

#include <mqtt/async_client.h>
#include <pthread.h>

#include "base/log.hpp"
#include "base/text.hpp"

namespace gige {

using base::cat;

namespace {

constexpr auto first_wait = std::chrono::milliseconds(500);
constexpr auto most_wait = std::chrono::milliseconds(10'000);
constexpr auto keep_alive = std::chrono::seconds(20);
constexpr auto connect_patience = std::chrono::seconds(5);
// For one message to be handed to the kernel: 8 MB in ten seconds is 6 Mbit/s.
constexpr auto send_patience = std::chrono::seconds(10);
constexpr auto slice = std::chrono::milliseconds(50);

// One client comes or goes at a time: with its last one Paho ends its threads, for a second, and
// one that begins meanwhile would be left without. Held on the threads of publishers only.
std::mutex& paho_door() {
  static std::mutex door;
  return door;
}

}  // namespace

struct Publisher::Client {
  explicit Client(const std::string& broker)
      : paho(base::paho_url(broker), cat("gige-mapper-", base::random_hex(6))) {}
  mqtt::async_client paho;
};

void Publisher::drop_client() {
  const std::lock_guard guard(paho_door());
  client_.reset();
}

Publisher::Publisher(base::MqttAccess broker)
    : broker_(std::move(broker)),
      backoff_(first_wait, most_wait,
               static_cast<std::uint32_t>(std::hash<std::string>{}(base::random_hex(4)))),
      thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "gige-mqtt");
}

Publisher::~Publisher() { finish({}); }

void Publisher::push(std::string topic, std::string payload, std::shared_ptr<Counts> counts) {
  {
    const std::lock_guard guard(mutex_);
    if (finishing_) return;
    bytes_ += payload.size();
    waiting_.push_back({std::move(topic), std::move(payload), std::move(counts)});
    while ((waiting_.size() > max_waiting || bytes_ > max_bytes) && waiting_.size() > 1) {
      bytes_ -= waiting_.front().payload.size();
      ++waiting_.front().counts->left_out;
      waiting_.pop_front();
    }
  }
  changed_.notify_one();
}

void Publisher::finish(base::SteadyTime deadline) {
  {
    const std::lock_guard guard(mutex_);
    if (!finishing_) deadline_ = deadline;
    finishing_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Publisher::out_of_time() {
  const std::lock_guard guard(mutex_);
  return finishing_ && std::chrono::steady_clock::now() >= deadline_;
}

template <class Token>
bool Publisher::wait(const Token& token, base::Duration patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!token->wait_for(slice)) {
    if (out_of_time() || std::chrono::steady_clock::now() > end) return false;
  }
  return true;
}

void Publisher::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return finishing_ || !waiting_.empty(); });
    if (waiting_.empty()) break;
    if (finishing_ && std::chrono::steady_clock::now() >= deadline_) break;
    lock.unlock();
    const bool connected = connect();
    lock.lock();
    if (!connected) {
      if (changed_.wait_for(lock, backoff_.next(), [this] { return finishing_; })) break;
      continue;
    }
    if (waiting_.empty()) continue;
    const Message message = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= message.payload.size();
    lock.unlock();
    ++(send(message) ? message.counts->published : message.counts->failed);
    lock.lock();
  }
  for (const Message& message : waiting_) ++message.counts->failed;
  waiting_.clear();
  lock.unlock();
  try {
    if (client_ && client_->paho.is_connected()) {
      wait(client_->paho.disconnect(), std::chrono::seconds(1));
    }
  } catch (const mqtt::exception&) {
    // The broker went first.
  }
  drop_client();
}

bool Publisher::connect() {
  if (client_ && client_->paho.is_connected()) return true;
  // A client that lost its connection is not used again: whatever Paho still holds goes with it.
  drop_client();
  try {
    mqtt::connect_options_builder builder;
    builder.clean_session(true).keep_alive_interval(keep_alive).connect_timeout(connect_patience);
    base::Status status = base::check_mqtt_files(broker_, mqtt_names);
    if (status.ok()) status = base::enter_mqtt(builder, broker_);
    if (!status.ok()) {
      away(cat("is not tried: ", status.text()));
      return false;
    }
    const mqtt::connect_options options = builder.finalize();
    mqtt::token_ptr connecting;
    {
      const std::lock_guard guard(paho_door());
      client_ = std::make_unique<Client>(broker_.url);
      connecting = client_->paho.connect(options);
    }
    if (!wait(connecting, connect_patience + std::chrono::seconds(1))) {
      away("does not answer");
      return false;
    }
  } catch (const mqtt::exception& error) {
    const bool tls = base::is_mqtt_tls(broker_.url);
    away(base::explain({error.get_return_code(), error.get_message(), tls}, mqtt_names));
    return false;
  }
  backoff_.reset();
  base::log_info(cat("frames: connected to the MQTT broker ", broker_.url));
  said_.clear();
  return true;
}

bool Publisher::send(const Message& message) {
  try {
    const auto token = client_->paho.publish(message.topic, message.payload.data(),
                                             message.payload.size(), 0, false);
    if (wait(token, send_patience)) return true;
    away("takes nothing");
  } catch (const mqtt::exception& error) {
    away(cat("is gone (", error.what(), ")"));
  }
  drop_client();
  return false;
}

void Publisher::away(const std::string& why) {
  if (std::exchange(said_, why) == why) return;
  base::log_warning(
      cat("frames: MQTT broker ", broker_.url, " ", why, "; trying again until it answers"));
}

}  // namespace gige

// The event bus: KubeEdge's MQTT topics and payloads on a broker (docs/mqtt.md). An
// outlet of Core: what changes there is published, what clients publish becomes verbs. Belongs to
// the loop; Paho's threads only post to it. Never blocks but in the destructor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/lane.hpp"
#include "base/loop.hpp"
#include "base/mqtt.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/history_reader.hpp"
#include "devicetwin/topic_policy.hpp"

namespace devicetwin {

class Outbox;

class EventBus {
 public:
  struct Settings : base::MqttAccess {
    std::string client_id;  // "": "devicetwin-" and the node's name
    // The broker keeps our subscriptions and what was published while we were away.
    bool persistent_session = true;
    // For how long, with MQTT 5; with 3.1.1 the broker decides.
    std::chrono::seconds session_expiry = std::chrono::hours(24);
    int mqtt_version = 0;  // 5; 3: 3.1.1; 0: 5, and 3.1.1 where the broker refuses it
    TopicPolicies policies = {};
    // Keeps changes of reported values that no listener can hear, for consumer "mqtt", and they are
    // published when one can; outlives the bus. nullptr: listeners hear the newest only.
    Outbox* outbox = nullptr;
    double replay_per_s = 1000;
    // Takes messages of the upload and user topics; {}: they are not subscribed to.
    std::function<void(std::string_view topic, std::string_view payload)> upload = {};
    HistoryReader* history = nullptr;  // who answers twin/history/get; outlives the bus
  };
  struct Counters {
    std::uint64_t received = 0;
    std::uint64_t ignored = 0;  // topics of nobody here, among them twin/cloud_updated
    std::uint64_t published = 0;
    std::uint64_t conflated = 0;    // changes that a newer one replaced while nobody could hear
    std::uint64_t replayed = 0;     // changes that were kept and have been published since
    std::uint64_t uploaded = 0;     // messages of upload and user topics handed on
    std::uint64_t slow = 0;         // times the broker fell behind
    std::uint64_t dropped_in = 0;   // above the budget of bytes
    std::uint64_t dropped_out = 0;  // the outbox was full: oldest first
  };

  // Adds itself to core's outlets; core and loop outlive it, and core makes no verb after it.
  // Returns at once, whether the broker is there or not: it is tried again after 0.5, 1, 2 … 10 s
  // for ever. invalid: what check_mqtt_form() says; also what check_mqtt_files() says.
  static base::Result<std::unique_ptr<EventBus>> start(Core& core, base::Loop& loop,
                                                       Settings settings);
  // Publishes what the broker was given and that the node is offline, for at most 1 s, and
  // disconnects.
  ~EventBus();

  bool connected() const;
  // Messages of the broker on their way to the loop.
  base::Lane::Counters lane() const;
  int mqtt_version() const;  // 5 or 3: what is spoken, or tried next
  Counters counters() const;

 private:
  struct Impl;
  explicit EventBus(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin

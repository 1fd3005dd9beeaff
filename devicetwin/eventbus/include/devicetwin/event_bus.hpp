// The event bus: KubeEdge's MQTT topics and payloads on an external broker (docs/mqtt.md). An
// outlet of Core: what changes there is published, what clients publish becomes verbs. Belongs to
// the loop; Paho's threads only post to it. Never blocks but in the destructor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/history_reader.hpp"

namespace devicetwin {

class EventBus {
 public:
  struct Settings {
    std::string url = "tcp://127.0.0.1:1883";
    std::string user;  // "": no user and no password
    std::string password;
    std::string client_id;  // "": "devicetwin-" and the node's name
    // The broker keeps our subscriptions and what was published while we were away.
    bool persistent_session = true;
    HistoryReader* history = nullptr;  // who answers twin/history/get; outlives the bus
  };
  struct Counters {
    std::uint64_t received = 0;
    std::uint64_t ignored = 0;  // topics of nobody here, among them twin/cloud_updated
    std::uint64_t published = 0;
    std::uint64_t dropped_in = 0;   // the loop was full
    std::uint64_t dropped_out = 0;  // the outbox was full: oldest first
  };

  // Adds itself to core's outlets; core and loop outlive it, and core makes no verb after it.
  // Returns at once, whether the broker is there or not: it is tried again after 0.5, 1, 2 … 10 s
  // for ever. invalid: url is none of Paho's forms.
  static base::Result<std::unique_ptr<EventBus>> start(Core& core, base::Loop& loop,
                                                       Settings settings);
  // Publishes what is queued for at most 1 s, and disconnects.
  ~EventBus();

  bool connected() const;
  Counters counters() const;

 private:
  struct Impl;
  explicit EventBus(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace devicetwin

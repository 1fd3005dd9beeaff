// Changes of reported values that nobody could hear, kept in the outbox and published beside the
// live ones once somebody can (docs/mqtt.md, Replay). Belongs to the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "devicetwin/core.hpp"
#include "devicetwin/replay.hpp"
#include "message.hpp"

namespace devicetwin::bus {

// What the outbox calls the listeners on the broker.
inline constexpr const char* mqtt_consumer = "mqtt";

class Replayer {
 public:
  // Marks the ids of its publications among those of the live ones.
  static constexpr std::uint64_t id_bit = std::uint64_t{1} << 63;

  // false: not now. outcome() is called for each that was taken.
  using Publish = std::function<bool(std::uint64_t id, const Message& message)>;

  Replayer(base::Loop& loop, devicetwin::Outbox& outbox, std::string node,
           Replay::Settings settings, Publish publish);

  // Keeps the rows whose reported value or quality changed, with the time of the source.
  void keep(const dmi::ObjectId& device, const std::vector<const Change::Row*>& rows);
  // The broker is there and what is live has been handed to it.
  void resume() { replay_.resume(); }
  void pause();
  void outcome(std::uint64_t id, bool delivered);
  std::uint64_t delivered() const { return replay_.counters().delivered; }

 private:
  void send(const Record& record, Replay::Done done);

  devicetwin::Outbox& outbox_;
  std::string node_;
  Publish publish_;
  std::map<std::uint64_t, Replay::Done> flying_;  // by sequence number
  Replay replay_;
};

// What is published for a record: the payload of a twin/update/result with "seq" before it; of a
// gap: {"seq":…,"gap":{…}} on the node's topic, because it is of all devices.
Message replay_message(const Record& record, const std::string& node);

}  // namespace devicetwin::bus

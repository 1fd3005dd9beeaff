// A dispatcher on a Core without disk and broker; what it publishes is kept.
#pragma once

#include <string>
#include <vector>

#include "devicetwin/core/fixture.hpp"
#include "dispatcher.hpp"

namespace devicetwin::bus::test {

using dmi::Json;
using dmi::ObjectId;

using Published = Message;

class DispatcherTest : public devicetwin::test::CoreTest {
 protected:
  DispatcherTest() { core_.add_outlet(dispatcher_); }

  std::vector<Published> send(const std::string& topic, const std::string& payload) {
    sent_.clear();
    dispatcher_.message(topic, payload);
    loop_.settle();
    return sent_;
  }
  std::vector<Published> update(const std::string& payload) {
    return send("$hw/events/device/default/boiler/twin/update", payload);
  }
  static std::string tail(const Published& message) {
    const std::string start = "$hw/events/device/default/boiler/";
    return message.topic.starts_with(start) ? message.topic.substr(start.size()) : message.topic;
  }
  static std::vector<std::string> tails(const std::vector<Published>& messages) {
    std::vector<std::string> out;
    for (const Published& message : messages) out.push_back(tail(message));
    return out;
  }
  static Json json(const Published& message) { return Json::parse(message.payload); }

  std::vector<Published> sent_;
  Dispatcher dispatcher_{core_, [this](Message message) { sent_.push_back(std::move(message)); }};
};

using Tails = std::vector<std::string>;

}  // namespace devicetwin::bus::test

#include "dmi/idle_keys.hpp"

#include <array>
#include <string_view>

#include "base/text.hpp"

namespace dmi {

using base::cat;

namespace {

constexpr const char* no_push = "values are on MQTT and in the history";

// Of a property, with what acts instead. A cycle of 0 and a pushMethod without it are no wish.
struct Rule {
  std::string_view key;
  bool (*wished)(const DeviceProperty&);
  const char* instead;
};

bool pushes(const DeviceProperty& property, const char* way) {
  return property.push.is_object() && property.push.contains(way);
}

constexpr std::array<Rule, 6> rules = {{
    {"reportCycle", [](const DeviceProperty& property) { return property.report_cycle_ms != 0; },
     "a change is told when it is read; minInterval and maxInterval in visitors.configData pace "
     "it"},
    {"pushMethod.http", [](const DeviceProperty& property) { return pushes(property, "http"); },
     no_push},
    {"pushMethod.mqtt", [](const DeviceProperty& property) { return pushes(property, "mqtt"); },
     "values are at this node's broker, on $hw/events/device/…/twin/update/document"},
    {"pushMethod.otel", [](const DeviceProperty& property) { return pushes(property, "otel"); },
     no_push},
    {"pushMethod.dbMethod",
     [](const DeviceProperty& property) { return pushes(property, "dbMethod"); }, no_push},
    {"pushMethod.anomalyDetection",
     [](const DeviceProperty& property) { return pushes(property, "anomalyDetection"); }, no_push},
}};

std::string does_nothing(std::string_view instead, std::size_t more = 0) {
  return cat(more == 0 ? "" : cat("and ", more, " more of these "),
             more == 0 ? "does nothing here: " : "do nothing here: ", instead);
}

}  // namespace

std::vector<IdleKey> idle_keys(const Device& device) {
  std::vector<IdleKey> found;
  for (const Rule& rule : rules) {
    std::size_t count = 0;
    std::size_t first = 0;
    for (std::size_t i = 0; i < device.properties.size(); ++i) {
      if (rule.wished(device.properties[i]) && count++ == 0) first = i;
    }
    if (count == 0) continue;
    found.push_back(
        {cat("spec.properties[", first, "].", rule.key), does_nothing(rule.instead, count - 1)});
  }
  if (!device.methods.empty()) {
    found.push_back(
        {"spec.methods", does_nothing("nobody calls them; desired values are written")});
  }
  if (device.state_report) {
    found.push_back({"spec.stateReport",
                     does_nothing("a state is told when it changes, and again each minute")});
  }
  return found;
}

std::vector<IdleKey> idle_keys(const DeviceModel& model) {
  if (model.protocol_config.empty()) return {};
  return {{"spec.protocolConfigData",
           does_nothing("settings stand in the Device's spec.protocol.configData, and defaults of "
                        "properties in the model's visitors")}};
}

}  // namespace dmi

// SunSpec points as DeviceModel and Device objects. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "modbus/endpoint.hpp"
#include "tools/sunspec.hpp"

namespace modbus_tools::sunspec {

struct Named {
  std::string name;   // of the Device; its DeviceModel is NAME-model
  std::string space;  // namespace
  std::uint8_t unit = 1;
};

// Two YAML documents, ready for kubectl apply and for lint. A property is named as its point, with
// the model before it where that is ambiguous.
std::string to_yaml(const Named& named, const modbus::Endpoint& endpoint,
                    const std::vector<Found>& models, std::vector<Point> points);

// "Fronius Symo 10.0-3" → "fronius-symo-10.0-3": what Kubernetes allows as a name; "" when nothing
// is left.
std::string kubernetes_name(std::string text);

}  // namespace modbus_tools::sunspec

// Devices and models for the SDK's tests. One thread.
#pragma once

#include <string>
#include <vector>

#include "dmi/device.hpp"

namespace mapper::testing {

// A model with points a, b, … of FLOAT, ReadWrite, 0..1000.
inline dmi::DeviceModel model_of(const std::vector<std::string>& points) {
  dmi::DeviceModel model;
  model.id = {"default", "m"};
  for (const std::string& name : points) {
    model.properties.push_back({name, "", "FLOAT", "ReadWrite", "0", "1000", "", {}});
  }
  return model;
}

inline dmi::Device device_of(const std::string& name, const std::vector<std::string>& points,
                             std::int64_t cycle_ms = 1000) {
  dmi::Device device;
  device.id = {"default", name};
  device.model = "m";
  device.protocol.protocol = "fake";
  for (const std::string& point : points) {
    dmi::DeviceProperty property;
    property.name = point;
    property.collect_cycle_ms = cycle_ms;
    device.properties.push_back(property);
  }
  return device;
}

inline dmi::Device desiring(dmi::Device device, std::size_t property, const std::string& value) {
  device.properties.at(property).desired = dmi::TwinValue{value, {}};
  return device;
}

}  // namespace mapper::testing

// Keys of KubeEdge's Device and DeviceModel that are accepted, stored and told on to mappers, and
// on which nothing here acts. Declared once, so that lint, kubectl's warnings and the status say
// the same. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "dmi/device.hpp"

namespace dmi {

struct IdleKey {
  std::string path;  // of the first one: "spec.properties[2].pushMethod.http"
  // "does nothing here: …", with what does it instead, and how many more there are.
  std::string what;
  std::string text() const { return path + " " + what; }
  friend bool operator==(const IdleKey&, const IdleKey&) = default;
};

// One for each key, however often it is there; in a fixed order. Empty for most devices.
std::vector<IdleKey> idle_keys(const Device& device);
std::vector<IdleKey> idle_keys(const DeviceModel& model);

}  // namespace dmi

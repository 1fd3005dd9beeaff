// Which properties keep history, and how much. Read from a device's merged specification when its
// first change comes, and again after a change of the specification. Belongs to the loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "devicetwin/core.hpp"
#include "dmi/history_rule.hpp"

namespace devicetwin {

struct DeviceRules {
  dmi::HistoryRule everything;
  std::map<std::string, dmi::HistoryRule, std::less<>> own;  // of properties that say something

  const dmi::HistoryRule& of(std::string_view property) const {
    const auto found = own.find(property);
    return found == own.end() ? everything : found->second;
  }
};

class HistoryRules {
 public:
  HistoryRules(Core& core, dmi::HistoryRule everything) : core_(core), everything_(everything) {}

  // nullptr: nothing of this device is kept. Valid until the device or its model changes.
  const DeviceRules* of(const dmi::ObjectId& device);
  void device_changed(const dmi::ObjectId& device) { known_.erase(device); }
  void model_changed(const dmi::ObjectId& model);
  std::uint64_t wrong() const { return wrong_; }

 private:
  std::unique_ptr<DeviceRules> read(const dmi::ObjectId& device);
  bool models_ask(const std::string& space);

  Core& core_;
  dmi::HistoryRule everything_;
  // nullptr: looked at, and nothing is kept.
  std::unordered_map<dmi::ObjectId, std::unique_ptr<DeviceRules>, dmi::ObjectIdHash> known_;
  // By namespace, whether a model of it has one of the keys.
  std::map<std::string, bool> models_ask_;
  std::uint64_t wrong_ = 0;
};

}  // namespace devicetwin

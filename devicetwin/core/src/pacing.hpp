// Which reports are taken, and when: dmi::PaceRule of the properties that have one. Belongs to the
// loop.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "state.hpp"

namespace devicetwin {

// Keys of dmi::PaceRule in visitors; mistakes have their paths.
base::Status check_paces(const dmi::Device& device);
base::Status check_paces(const dmi::DeviceModel& model);
std::map<std::string, dmi::Json, std::less<>> paces_of(const dmi::DeviceModel& model);
// Of the properties that pace. model: nullptr, not known.
PaceRules pace_rules(const dmi::Device& device, const ModelEntry* model);

class Pacing {
 public:
  // report: takes a value whose minimum interval is over.
  using Report = std::function<void(const dmi::ObjectId& device, TwinUpdate update)>;

  Pacing(State& state, Report report) : state_(state), report_(std::move(report)) {}

  // paces get these rules, and keep what was told and what waits.
  static void follow(Paces& paces, const PaceRules& rules);
  // Whether a mapper's report is taken. again: it is told whatever it says.
  bool takes(DeviceEntry& entry, const TwinUpdate::Property& property, const std::string& actor,
             bool& again);

 private:
  void stop_waiting(const dmi::ObjectId& device, const std::string& property,
                    const std::string& actor);

  State& state_;
  Report report_;
};

}  // namespace devicetwin

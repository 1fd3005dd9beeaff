// The verbs on twins: reports of mappers, updates of MQTT clients, states. Belongs to the loop.
#pragma once

#include <functional>
#include <string>

#include "adoption.hpp"
#include "objects.hpp"
#include "pacing.hpp"

namespace devicetwin {

class TwinVerbs {
 public:
  TwinVerbs(State& state, Turns& turns, Objects& objects, ReportWriter& reports,
            Adoption& adoption);

  using Done = std::function<void(base::Result<Core::Applied>)>;
  // As Core's.
  void update(const dmi::ObjectId& device, TwinUpdate update, Origin origin, Done done);
  base::Status update_state(const dmi::ObjectId& device, std::string state, Origin origin);
  void set_waiting(const dmi::ObjectId& device, const std::string& reason);

 private:
  // What nobody need wait for the disk for: shown at once.
  void report(DeviceEntry& entry, const TwinUpdate& update, Origin origin, const Done& done);
  // In the device's turn: with something desired or deleted in it.
  void stage(const dmi::ObjectId& device, const TwinUpdate& update, Origin origin,
             const Done& done);
  base::Status not_there(const dmi::ObjectId& device);

  State& state_;
  Turns& turns_;
  Objects& objects_;
  ReportWriter& reports_;
  Adoption& adoption_;
  Pacing pacing_;
};

}  // namespace devicetwin

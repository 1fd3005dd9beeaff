// How rows follow a device's spec and its model. Belongs to the loop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state.hpp"

namespace devicetwin {

// Whether text fits a row's type; the texts are KubeEdge's.
base::Status check_value(std::string_view text, std::string_view type);
// "int" for INT, Int, integer; "string" for what is no type.
std::string row_type(std::string_view word);
TwinRow tombstone(const TwinRow& row);
// Side::by of a verb. name: the mapper's.
std::string actor(Origin origin, std::string_view name);

struct Followed {
  std::vector<Change::Row> rows = {};  // that changed
  // A row that is known has another place in the spec, or has one now; or other keys are ignored.
  bool moved = false;
};

// Makes a device's model, protocol and rows — their types, places and desired sides — follow its
// object. Rows of the device move in memory.
Followed follow_spec(State& state, DeviceBody& body, const dmi::Device& device, Origin origin);
// Sets what the device waits for: its model, else what set_waiting() said. Whether that changed.
bool follow_model(const State& state, DeviceEntry& entry);

}  // namespace devicetwin

// The DeviceStatus object, rendered from rows. Belongs to the loop.
#pragma once

#include "state.hpp"

namespace devicetwin {

dmi::Json status_json(const DeviceEntry& entry);

}  // namespace devicetwin

// DMI reports in the core's terms. Pure.
#pragma once

#include "devicetwin/core.hpp"
#include "dmi/device.hpp"

namespace devicetwin {

// Texts become sides; "status" and "reason" in metadata become quality and refusal. Metadata that
// says nothing of use (Go mappers send an empty timestamp) is skipped.
TwinUpdate update_of(const dmi::DeviceReport& report);

}  // namespace devicetwin

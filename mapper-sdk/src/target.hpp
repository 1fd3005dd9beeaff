// A Device and its DeviceModel → the Target a driver sees: merged, typed and checked once.
// Pure; any thread.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "mapper/driver.hpp"

namespace mapper {

// collectCycle in the spec: 0 means this.
inline constexpr std::chrono::milliseconds default_cycle{1000};
// A hundred reads a second of one device; below that a mapper polls itself to death.
inline constexpr std::chrono::milliseconds min_cycle{10};
// Ten years. Large cycles are legal: users write 10000000000 for "practically never".
inline constexpr std::chrono::milliseconds max_cycle{315'360'000'000};
// A cycle above this is noted: KubeEdge before 1.17.2 wrote nanoseconds here.
inline constexpr std::chrono::milliseconds noted_cycle = std::chrono::hours(24);

// The device as its driver sees it; points[i] belongs to device.properties[i]. protocol: the name
// this mapper registered with. The settings of a device's visitor that the SDK itself reads:
// scale (default 1, not 0) and valueOffset (default 0), for INT, FLOAT and DOUBLE; writeOnce
// (default false), for ReadWrite.
// invalid, out_of_range: the text has the path, "default/boiler.properties.temp.minimum: …".
base::Result<Target> make_target(const dmi::Device& device, const dmi::DeviceModel& model,
                                 std::string_view protocol);

// Every mistake of the properties that make_target() would meet, in their order; good is the device
// with the properties that have none.
std::vector<base::Status> target_mistakes(const dmi::Device& device, const dmi::DeviceModel& model,
                                          Target& good);

// A target with the names of the device's properties only: of a device that cannot be opened, but
// whose properties must say why.
Target names_only(const dmi::Device& device);

// Whether a driver that was opened for one may stay for the other.
bool same(const Target& a, const Target& b);

}  // namespace mapper

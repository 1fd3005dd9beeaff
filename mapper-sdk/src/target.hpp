// A Device and its DeviceModel → the Target a driver sees: merged, typed and checked once.
// Pure; any thread.
#pragma once

#include <chrono>
#include <memory>
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
// (default false), for ReadWrite. The edge core's keys (dmi/history_rule.hpp, dmi/pace_rule.hpp)
// are checked and do not reach the driver. invalid, out_of_range: the text has the path,
// "default/boiler.properties.temp.minimum: …".
base::Result<Target> make_target(const dmi::Device& device, const dmi::DeviceModel& model,
                                 std::string_view protocol);

// Every mistake of the properties that make_target() would meet, in their order; good is the device
// with the properties that have none.
std::vector<base::Status> target_mistakes(const dmi::Device& device, const dmi::DeviceModel& model,
                                          Target& good);

// The points of make_target() alone. Their paths, and that of the mistake, begin at the device:
// "properties.temp.visitors.configData". The visitors stay in properties.
base::Result<Points> make_points(
    const std::shared_ptr<const std::vector<dmi::DeviceProperty>>& properties,
    const dmi::DeviceModel& model);

// The rest of make_target(): the device without points. invalid: it is of another protocol.
base::Result<Target> make_address(const dmi::Device& device, std::string_view protocol);

// Points with the names of a device's properties only: of one that cannot be opened, but whose
// properties must say why.
Points names_only(const std::vector<dmi::DeviceProperty>& properties);

// Whether a driver that was opened for one may stay for the other.
bool same(const Target& a, const Target& b);

}  // namespace mapper

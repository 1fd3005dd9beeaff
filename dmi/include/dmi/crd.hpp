// Device and DeviceModel objects as Kubernetes writes them ↔ domain types. Pure; any thread.
#pragma once

#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "dmi/json.hpp"

namespace dmi {

inline constexpr std::string_view api_version = "devices.kubeedge.io/v1beta1";

// Reads an object; unknown fields are skipped, absent ones take their defaults, namespace ""
// becomes "default". invalid: a field of the wrong type, no name, two properties of one name, more
// than max_properties; the text has the path: "default/boiler: spec.properties[3].name: …".
base::Result<Device> device_from_json(const Json& object);
base::Result<DeviceModel> model_from_json(const Json& object);
// The same for who wants to know every mistake: what can be read of the object is in device or
// model, the mistakes are returned in the object's order, at most max_mistakes of them; a text has
// the path within the object: "spec.properties[3].name: missing".
inline constexpr std::size_t max_mistakes = 1000;  // nobody mends more in one go
std::vector<base::Status> read_object(const Json& object, Device& device);
std::vector<base::Status> read_object(const Json& object, DeviceModel& model);
// apiVersion, kind, metadata.{name,namespace,generation} and spec. Absent stays absent.
Json to_json(const Device& device);
Json to_json(const DeviceModel& model);

// What a mapper gets to see: model defaults laid under the instance (KubeEdge ≥ 1.22, dmicache.go):
// protocol.configData := protocolConfigData overlaid with the instance's keys; for each property
// whose model property has visitors: those, overlaid with the instance's configData keys, and the
// model's protocolName (the instance's when the model leaves it empty). Overlays are shallow.
Device merge_defaults(Device device, const DeviceModel& model);

}  // namespace dmi

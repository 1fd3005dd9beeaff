// The resources this endpoint serves, and where a path leads. Pure; any thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "devicetwin/core.hpp"

namespace devicetwin::kube {

inline constexpr std::string_view group = "devices.kubeedge.io";
inline constexpr std::string_view group_version = "devices.kubeedge.io/v1beta1";

// As in KubeEdge's CRDs, which have no short names; those are ours, for fingers.
struct Resource {
  Kind kind;
  std::string_view plural;
  std::string_view singular;
  std::string_view name;  // the object's kind
  std::string_view short_name;
  bool writable;

  // "devices.devices.kubeedge.io", as Kubernetes' messages call it.
  std::string qualified() const { return std::string(plural) + "." + std::string(group); }
  std::string list_name() const { return std::string(name) + "List"; }
};

inline constexpr std::array<Resource, 3> resources = {{
    {Kind::device, "devices", "device", "Device", "dev", true},
    {Kind::device_model, "devicemodels", "devicemodel", "DeviceModel", "dm", true},
    // The edge core owns the status: clients read it.
    {Kind::device_status, "devicestatuses", "devicestatus", "DeviceStatus", "ds", false},
}};

const Resource* find_resource(std::string_view plural);
const Resource& resource_of(Kind kind);

// /apis/devices.kubeedge.io/v1beta1[/namespaces/SPACE]/PLURAL[/NAME]
struct Place {
  const Resource* resource = nullptr;
  std::string space;  // "": all
  std::string name;   // "": the collection
};
// nullopt: leads to none of these resources (subresources included: KubeEdge's CRDs have none).
std::optional<Place> place_of(std::string_view path);

}  // namespace devicetwin::kube

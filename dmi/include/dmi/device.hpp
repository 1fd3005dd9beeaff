// Devices and their models, as in the CRDs (devices.kubeedge.io/v1beta1). Values; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/json.hpp"
#include "dmi/value.hpp"

namespace dmi {

// Namespace and name: what a device, a model or a status is known by. An empty namespace from an
// old peer (KubeEdge 1.15) means "default".
struct ObjectId {
  std::string space;
  std::string name;

  std::string to_string() const { return space + "/" + name; }
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};
struct ObjectIdHash {
  std::size_t operator()(const ObjectId& id) const noexcept;
};

// A protocol name and its JSON object: ProtocolConfig and VisitorConfig have the same shape.
struct ProtocolConfig {
  std::string protocol;          // protocolName
  Json config = Json::object();  // configData; always an object
  friend bool operator==(const ProtocolConfig&, const ProtocolConfig&) = default;
};

// A value as twins carry it: text and free metadata ("type", "timestamp" in ms, and ours: "status"
// and "reason" when the value is bad or a desired value was not applied).
struct TwinValue {
  std::string value;
  std::map<std::string, std::string> metadata;
  friend bool operator==(const TwinValue&, const TwinValue&) = default;
};

struct DeviceProperty {
  std::string name;
  std::optional<TwinValue> desired;  // absent and "" both mean: nothing desired
  std::optional<ProtocolConfig> visitors;
  std::int64_t report_cycle_ms = 0;   // 0: default
  std::int64_t collect_cycle_ms = 0;  // 0: default
  bool report_to_cloud = false;
  Json push = Json();  // pushMethod with the CRD's key names; null when absent
  friend bool operator==(const DeviceProperty&, const DeviceProperty&) = default;
};

struct DeviceMethod {
  std::string name;
  std::string description;
  std::vector<std::string> properties;  // propertyNames
  friend bool operator==(const DeviceMethod&, const DeviceMethod&) = default;
};

struct StateReport {
  bool report_to_cloud = false;
  std::int64_t cycle_ms = 0;
  friend bool operator==(const StateReport&, const StateReport&) = default;
};

struct Device {
  ObjectId id;
  std::int64_t generation = 0;  // of the spec; 0 when unknown (DMI does not carry it)
  std::string model;            // deviceModelRef.name, in the device's namespace
  std::string node;             // nodeName
  ProtocolConfig protocol;
  std::vector<DeviceProperty> properties;
  std::vector<DeviceMethod> methods;
  std::optional<StateReport> state_report;
  // By property, the desired value that the device is known to have accepted (observedDesired):
  // what an edge core with a memory tells a mapper that starts. No part of the specification:
  // devices that differ in nothing else are equal.
  std::map<std::string, TwinValue> observed;

  const DeviceProperty* find(std::string_view property) const;
  friend bool operator==(const Device& a, const Device& b);
};

struct ModelProperty {
  std::string name;
  std::string description;
  std::string type;         // as written: INT, FLOAT ...; see type_of()
  std::string access_mode;  // ReadWrite or ReadOnly
  std::string minimum;      // text as in the CRD; "" is no limit
  std::string maximum;
  std::string unit;
  std::optional<ProtocolConfig> visitors;  // defaults for instances; not carried by DMI
  friend bool operator==(const ModelProperty&, const ModelProperty&) = default;
};

struct DeviceModel {
  ObjectId id;
  std::string protocol;                   // not carried by DMI
  Json protocol_config = Json::object();  // protocolConfigData; not carried by DMI
  std::vector<ModelProperty> properties;

  const ModelProperty* find(std::string_view property) const;
  friend bool operator==(const DeviceModel&, const DeviceModel&) = default;
};

// What a mapper says of itself when it registers.
struct MapperInfo {
  std::string name;
  std::string version;
  std::string api_version;
  std::string protocol;
  std::string address;  // file system path of its own socket, no unix:// prefix
  std::string state;    // "ok"
  friend bool operator==(const MapperInfo&, const MapperInfo&) = default;
};

struct TwinReport {
  std::string property;
  std::optional<TwinValue> observed;  // observedDesired: the desired value the device accepted
  std::optional<TwinValue> reported;
  friend bool operator==(const TwinReport&, const TwinReport&) = default;
};
// One report: what changed of one device in one cycle.
struct DeviceReport {
  ObjectId device;
  std::vector<TwinReport> twins;
  friend bool operator==(const DeviceReport&, const DeviceReport&) = default;
};

// The limits of architecture.md §8 that belong to objects.
// Points of one device: the largest SunSpec or meter maps have some 2,000.
inline constexpr std::size_t max_properties = 4096;
// One text or bytes value, as in a twin: a label or a small recipe, never a picture.
inline constexpr std::size_t max_value_bytes = 64u << 10;

}  // namespace dmi

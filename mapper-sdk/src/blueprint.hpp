// What devices that differ in nothing but name, address and desired values share: the properties
// and the points made of them. A thousand devices of one model have one blueprint.
// One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "mapper/driver.hpp"

namespace mapper {

struct Blueprint {
  struct Group {  // points of one cycle
    std::chrono::milliseconds cycle{};
    std::vector<std::uint32_t> points;
  };

  std::shared_ptr<const dmi::DeviceModel> model;  // null: not known yet
  // Nothing desired. The points' visitors are these, and outlive the rest.
  std::shared_ptr<const std::vector<dmi::DeviceProperty>> properties;
  // Why no device of this kind can be opened; ok: it can. As in all texts of a blueprint the path
  // begins at the device: "properties.temp.minimum: …". named() puts the device in front.
  base::Status wrong;
  Points points;  // of properties, in their order; when wrong: names only
  std::vector<Group> groups;
};

// "default/boiler.properties.temp…" of "properties.temp…", "default/boiler: …" of any other text;
// what has the device's name already stays.
base::Status named(const dmi::ObjectId& device, base::Status status);
// The same only for what comes from a blueprint: paths of points.
base::Status with_device(const dmi::ObjectId& device, base::Status status);

// The blueprints in use.
class Blueprints {
 public:
  // The blueprint of properties; what is desired in them does not count and is dropped.
  std::shared_ptr<const Blueprint> share(std::vector<dmi::DeviceProperty> properties,
                                         std::shared_ptr<const dmi::DeviceModel> model);
  std::size_t size() const { return known_.size(); }  // those just gone included

 private:
  void sweep();

  std::unordered_multimap<std::size_t, std::weak_ptr<const Blueprint>> known_;
  std::size_t sweep_at_ = 64;
};

// Whether two properties differ in nothing, or only in what is desired.
bool equal_but_desired(const dmi::DeviceProperty& a, const dmi::DeviceProperty& b);

}  // namespace mapper

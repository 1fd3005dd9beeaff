#include "dmi/device.hpp"

#include <functional>

namespace dmi {

namespace {
template <class Property>
const Property* find_by_name(const std::vector<Property>& properties, std::string_view name) {
  for (const Property& property : properties) {
    if (property.name == name) return &property;
  }
  return nullptr;
}
}  // namespace

std::size_t ObjectIdHash::operator()(const ObjectId& id) const noexcept {
  const std::hash<std::string> hash;
  return hash(id.space) * 31 + hash(id.name);
}

const DeviceProperty* Device::find(std::string_view property) const {
  return find_by_name(properties, property);
}

bool operator==(const Device& a, const Device& b) {
  return a.id == b.id && a.generation == b.generation && a.model == b.model && a.node == b.node &&
         a.protocol == b.protocol && a.properties == b.properties && a.methods == b.methods &&
         a.state_report == b.state_report;
}

const ModelProperty* DeviceModel::find(std::string_view property) const {
  return find_by_name(properties, property);
}

}  // namespace dmi

#include "resource.hpp"

#include <cassert>

#include "base/text.hpp"

namespace devicetwin::kube {

const Resource* find_resource(std::string_view plural) {
  for (const Resource& resource : resources) {
    if (resource.plural == plural) return &resource;
  }
  return nullptr;
}

const Resource& resource_of(Kind kind) {
  const Resource& resource = resources.at(static_cast<std::size_t>(kind));
  assert(resource.kind == kind);
  return resource;
}

std::optional<Place> place_of(std::string_view path) {
  const std::string prefix = base::cat("/apis/", group_version, "/");
  if (!path.starts_with(prefix)) return std::nullopt;
  auto parts = base::split(path.substr(prefix.size()), '/');
  Place place;
  if (parts.size() >= 3 && parts[0] == "namespaces" && !parts[1].empty()) {
    place.space = parts[1];
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  place.resource = find_resource(parts[0]);
  if (place.resource == nullptr || parts.size() > 2) return std::nullopt;
  if (parts.size() == 2) {
    // A name needs its namespace, and an empty one is a slash too many.
    if (place.space.empty() || parts[1].empty()) return std::nullopt;
    place.name = parts[1];
  }
  return place;
}

}  // namespace devicetwin::kube

// Core's objects of any kind in one shape. Loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "devicetwin/core.hpp"
#include "resource.hpp"
#include "selector.hpp"

namespace devicetwin::kube {

struct View {
  dmi::ObjectId id;
  std::uint64_t version = 0;
  Text text;
};

// A status is rendered for the purpose; other kinds share Core's text.
std::optional<View> view_of(const Core& core, Kind kind, const dmi::ObjectId& id);
// Those of a namespace ("" is all) that selector takes, in order of namespace and name.
void for_each_view(const Core& core, Kind kind, std::string_view space, const Selector& selector,
                   const std::function<void(const View&)>& each);

}  // namespace devicetwin::kube

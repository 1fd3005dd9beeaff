// What load() wants to know of each object's text, read on all processors: most of a start's time
// goes into JSON. Pure; the threads are gone when it returns.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "devicetwin/core.hpp"
#include "dmi/device.hpp"

namespace devicetwin {

struct ReadObject {
  std::string wrong;  // why it is none; "": it is one
  std::string created;
  std::string pinned_mapper;
  std::optional<dmi::Device> device;  // of kind device, where its spec can be read
};

// Read ahead at once. More of them would leave holes between what stays in memory: 7 MiB of 100,000
// properties with 1,024.
inline constexpr std::size_t read_together = 96;

// In the order of the objects.
std::vector<ReadObject> read_all(std::span<const Object> objects);

}  // namespace devicetwin

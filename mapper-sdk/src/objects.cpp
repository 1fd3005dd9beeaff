#include "mapper/objects.hpp"

#include <utility>

#include "base/text.hpp"
#include "config.hpp"
#include "target.hpp"

namespace mapper {

using base::Code;
using base::Result;
using base::Status;

Result<std::vector<Target>> load_targets(const std::vector<std::string>& files,
                                         const std::string& protocol,
                                         std::vector<dmi::Device>* devices) {
  const Result<Objects> objects = load_objects(files);
  if (!objects) return objects.status();
  std::vector<Target> targets;
  std::string mistakes;
  for (const dmi::Device& device : objects->devices) {
    if (device.protocol.protocol != protocol) continue;
    // load_objects has made sure that the model is there.
    for (const dmi::DeviceModel& model : objects->models) {
      if (model.id != dmi::ObjectId{device.id.space, device.model}) continue;
      Result<Target> target = make_target(device, model, protocol);
      if (target) {
        targets.push_back(std::move(*target));
        if (devices != nullptr) devices->push_back(device);
      } else {
        mistakes += base::cat(mistakes.empty() ? "" : "\n", target.status().text());
      }
      break;
    }
  }
  if (!mistakes.empty()) return Status(Code::invalid, mistakes);
  if (targets.empty()) {
    return Status(Code::invalid,
                  base::cat("no device of protocol \"", protocol, "\" in the files"));
  }
  return targets;
}

}  // namespace mapper

// The devices and models a mapper has, and a session for each device. Every verb is idempotent; a
// device that comes before its model waits for it.
//
// Threads: all on the loop.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "session.hpp"

namespace mapper {

class Fleet {
 public:
  // Devices of one mapper. Ten times what one edge node is known to carry today.
  static constexpr std::size_t max_devices = 16384;

  // context must outlive this.
  explicit Fleet(SessionContext& context) : context_(context) {}

  // Adds or updates. refused: max_devices are there. A wrong specification is no error here: the
  // device's properties say why.
  base::Status put(dmi::Device device);
  // Adds or updates, also for the devices that use it.
  void put(dmi::DeviceModel model);
  // not_found: no such device.
  base::Status remove(const dmi::ObjectId& device);
  // Devices that use it run on with what they know.
  void remove_model(const dmi::ObjectId& model);
  // The whole truth, as a registration tells it: what is not named goes.
  void become(std::vector<dmi::DeviceModel> models, std::vector<dmi::Device> devices);

  Session* find(const dmi::ObjectId& device);
  const std::map<dmi::ObjectId, std::unique_ptr<Session>>& sessions() const { return sessions_; }
  void clear() { sessions_.clear(); }

 private:
  using Model = std::shared_ptr<const dmi::DeviceModel>;
  Model model_of(const dmi::Device& device) const;

  SessionContext& context_;
  std::map<dmi::ObjectId, Model> models_;  // equal ones stay the same
  std::map<dmi::ObjectId, std::unique_ptr<Session>> sessions_;
};

}  // namespace mapper

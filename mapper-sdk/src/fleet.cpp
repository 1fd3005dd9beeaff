#include "fleet.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/reconcile.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

namespace {

// What a session is made from: equal specifications need no update.
struct Specification {
  const dmi::Device* device;
  const dmi::DeviceModel* model;  // null: unknown
};

bool equal(const Specification& a, const Specification& b) {
  if ((a.model == nullptr) != (b.model == nullptr)) return false;
  return *a.device == *b.device && (a.model == nullptr || *a.model == *b.model);
}

}  // namespace

const dmi::DeviceModel* Fleet::model_of(const dmi::Device& device) const {
  const auto found = models_.find({device.id.space, device.model});
  return found == models_.end() ? nullptr : &found->second;
}

Session* Fleet::find(const dmi::ObjectId& device) {
  const auto found = sessions_.find(device);
  return found == sessions_.end() ? nullptr : found->second.get();
}

Status Fleet::put(dmi::Device device) {
  std::unique_ptr<Session>& session = sessions_[device.id];
  if (!session) {
    if (sessions_.size() > max_devices) {
      sessions_.erase(device.id);
      return Status(Code::refused, cat(device.id.to_string(), ": this mapper has ", max_devices,
                                       " devices already"));
    }
    session = std::make_unique<Session>(context_, device.id);
  }
  const dmi::DeviceModel* model = model_of(device);
  session->update(std::move(device), model);
  return Status();
}

void Fleet::put(dmi::DeviceModel model) {
  const dmi::ObjectId id = model.id;
  dmi::DeviceModel& kept = models_[id];
  kept = std::move(model);
  for (const auto& [device_id, session] : sessions_) {
    const dmi::Device& device = session->device();
    if (device.id.space == id.space && device.model == id.name) session->update(device, &kept);
  }
}

Status Fleet::remove(const dmi::ObjectId& device) {
  if (sessions_.erase(device) == 1) return Status();
  return Status(Code::not_found, cat(device.to_string(), ": this mapper has no such device"));
}

void Fleet::remove_model(const dmi::ObjectId& model) { models_.erase(model); }

void Fleet::become(std::vector<dmi::DeviceModel> models, std::vector<dmi::Device> devices) {
  std::map<dmi::ObjectId, dmi::DeviceModel> wanted_models;
  for (dmi::DeviceModel& model : models) wanted_models[model.id] = std::move(model);
  std::map<dmi::ObjectId, Specification> have;
  for (const auto& [id, session] : sessions_) {
    have[id] = {&session->device(), model_of(session->device())};
  }
  std::map<dmi::ObjectId, Specification> want;
  for (const dmi::Device& device : devices) {
    const auto model = wanted_models.find({device.id.space, device.model});
    want[device.id] = {&device, model == wanted_models.end() ? nullptr : &model->second};
  }
  const auto difference = dmi::reconcile(have, want, equal);
  for (const dmi::ObjectId& id : difference.remove) sessions_.erase(id);
  models_ = std::move(wanted_models);  // nodes move, so want's models stay where they are
  for (const auto* changes : {&difference.add, &difference.change}) {
    for (const dmi::ObjectId& id : *changes) {
      if (const Status failed = put(*want[id].device); !failed.ok()) base::log_error(failed.text());
    }
  }
}

}  // namespace mapper

#include "fleet.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/reconcile.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

Fleet::Model Fleet::model_of(const dmi::Device& device) const {
  const auto found = models_.find({device.id.space, device.model});
  return found == models_.end() ? nullptr : found->second;
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
  Model model = model_of(device);
  session->update(std::move(device), std::move(model));
  return Status();
}

void Fleet::put(dmi::DeviceModel model) {
  const dmi::ObjectId id = model.id;
  Model& kept = models_[id];
  if (kept && *kept == model) return;
  kept = std::make_shared<const dmi::DeviceModel>(std::move(model));
  for (const auto& [device_id, session] : sessions_) {
    if (session->model_id() == id) session->update(session->device(), kept);
  }
}

Status Fleet::remove(const dmi::ObjectId& device) {
  if (sessions_.erase(device) == 1) return Status();
  return Status(Code::not_found, cat(device.to_string(), ": this mapper has no such device"));
}

void Fleet::remove_model(const dmi::ObjectId& model) { models_.erase(model); }

void Fleet::become(std::vector<dmi::DeviceModel> models, std::vector<dmi::Device> devices) {
  std::map<dmi::ObjectId, Model> wanted_models;
  for (dmi::DeviceModel& model : models) {
    const auto known = models_.find(model.id);
    const bool equal = known != models_.end() && *known->second == model;
    const dmi::ObjectId id = model.id;
    wanted_models[id] =
        equal ? known->second : std::make_shared<const dmi::DeviceModel>(std::move(model));
  }
  models_ = std::move(wanted_models);
  std::map<dmi::ObjectId, dmi::Device*> want;
  for (dmi::Device& device : devices) want[device.id] = &device;
  const auto difference =
      dmi::reconcile(sessions_, want, [&](const auto& session, const dmi::Device* device) {
        return session->is(*device, model_of(*device).get());
      });
  for (const dmi::ObjectId& id : difference.remove) sessions_.erase(id);
  for (const auto* changes : {&difference.add, &difference.change}) {
    for (const dmi::ObjectId& id : *changes) {
      const Status failed = put(std::move(*want[id]));
      if (!failed.ok()) base::log_error(failed.text());
    }
  }
}

}  // namespace mapper

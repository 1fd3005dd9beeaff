#include "mapper_link.hpp"

#include <utility>

#include "base/text.hpp"
#include "dmi/crd.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;
using std::chrono::milliseconds;

namespace {

template <class T>
std::size_t hash_of(const T& object) {
  return std::hash<std::string>()(dmi::to_text(dmi::to_json(object)));
}

// The generation is not told to mappers, so it is no difference.
std::size_t hash_of(dmi::Device device) {
  device.generation = 0;
  return hash_of<dmi::Device>(device);
}

}  // namespace

MapperLink::MapperLink(Core& core, MapperHost& host, dmi::MapperInfo info,
                       base::Duration first_delay)
    : core_(core),
      host_(host),
      info_(std::move(info)),
      timer_(core.loop()),
      backoff_(milliseconds(100), milliseconds(10'000),
               static_cast<std::uint32_t>(std::hash<std::string>()(info_.name))),
      client_(dmi::wire::connect_mapper(info_.address)) {
  timer_.start(first_delay, [this] { pump(); });
}

MapperLink::~MapperLink() = default;

void MapperLink::registered(const Core::Assignment& assignment, bool same_process) {
  ++era_;
  calling_ = false;
  paused_ = false;
  backoff_.reset();
  const Confirmed before = std::exchange(devices_, {});
  models_.clear();
  due_.clear();
  due_gone_.clear();
  due_models_.clear();
  for (const dmi::DeviceModel& model : assignment.models) models_[model.id] = hash_of(model);
  for (const dmi::Device& device : assignment.devices) devices_[device.id] = hash_of(device);
  timer_.start(settle_time, [this] { pump(); });
  for (const auto& [id, hash] : before) {
    if (devices_.contains(id)) continue;
    if (same_process) {
      may_have(id);
    } else {
      host_.let_go(*this, id);
    }
  }
}

std::vector<ObjectId> MapperLink::known() const {
  std::vector<ObjectId> ids;
  for (const auto& [id, hash] : devices_) ids.push_back(id);
  return ids;
}

void MapperLink::pause(bool paused) {
  if (std::exchange(paused_, paused) == paused || paused) return;
  // A failure's wait is over; a registration's is not.
  if (backoff_.tries() > 0) timer_.stop();
  backoff_.reset();
  pump();
}

void MapperLink::look_at(const ObjectId& device) {
  (knows(device) && !host_.belongs(*this, device) ? due_gone_ : due_).insert(device);
  pump();
}

void MapperLink::look_at_model(const ObjectId& model) {
  due_models_.insert(model);
  pump();
}

void MapperLink::may_have(const ObjectId& device) {
  devices_.try_emplace(device, std::nullopt);
  look_at(device);
}

void MapperLink::pump() {
  // A running timer is a pause: after a registration, or after a failure.
  while (!calling_ && !paused_ && !timer_.running()) {
    if (!due_gone_.empty()) {
      const ObjectId device = *due_gone_.begin();
      due_gone_.erase(due_gone_.begin());
      if (send_device(device)) return;
    } else if (!due_models_.empty()) {
      const ObjectId model = *due_models_.begin();
      due_models_.erase(due_models_.begin());
      if (remove_model(model)) return;
    } else if (!due_.empty()) {
      const ObjectId device = *due_.begin();
      due_.erase(due_.begin());
      if (send_device(device)) return;
    } else {
      return;
    }
  }
}

// Whether a call is on its way; false: there is nothing to do.
bool MapperLink::send_device(const ObjectId& id) {
  const std::optional<dmi::Device> device = host_.device_for(*this, id);
  const auto known = devices_.find(id);
  if (!device) {
    if (known == devices_.end()) return false;
    known->second.reset();  // if the answer is lost, it may have it or not
    client_->remove_device(id, then("RemoveDevice", id, false, [this, id] {
                             devices_.erase(id);
                             host_.let_go(*this, id);
                           }));
    return true;
  }
  // Never two mappers at one device: the other one's end of it is confirmed first, and heard here.
  const bool has_it = known != devices_.end() && known->second.has_value();
  if (!has_it && !host_.free_for(*this, id)) return false;
  if (send_model({id.space, device->model})) {
    due_.insert(id);  // next, when the mapper has the model
    return true;
  }
  const std::size_t hash = hash_of(*device);
  if (known != devices_.end() && known->second == hash) return false;
  const bool is_new = known == devices_.end();
  auto done = then(is_new ? "RegisterDevice" : "UpdateDevice", id, false,
                   [this, id, hash] { devices_[id] = hash; });
  // Unconfirmed from here on: if the answer is lost, the mapper may have it.
  devices_[id] = std::nullopt;
  if (is_new) {
    client_->register_device(*device, std::move(done));
  } else {
    client_->update_device(*device, std::move(done));
  }
  return true;
}

bool MapperLink::send_model(const ObjectId& id) {
  const std::optional<dmi::DeviceModel> model = core_.model(id);
  if (!model) return false;
  const std::size_t hash = hash_of(*model);
  const auto known = models_.find(id);
  if (known != models_.end() && known->second == hash) return false;
  // A model is created also when the mapper may have it: stock mappers upsert there, and refuse to
  // update what they do not know.
  const bool update = known != models_.end() && known->second.has_value();
  auto done = then(update ? "UpdateDeviceModel" : "CreateDeviceModel", id, true,
                   [this, id, hash] { models_[id] = hash; });
  models_[id] = std::nullopt;
  if (update) {
    client_->update_model(*model, std::move(done));
  } else {
    client_->create_model(*model, std::move(done));
  }
  return true;
}

// A model that is gone here goes there too, after the devices that used it.
bool MapperLink::remove_model(const ObjectId& id) {
  if (core_.model(id) || !models_.contains(id)) return false;
  client_->remove_model(id, then("RemoveDeviceModel", id, true, [this, id] { models_.erase(id); }));
  return true;
}

dmi::wire::Done MapperLink::then(std::string what, ObjectId again, bool is_model,
                                 std::function<void()> confirmed) {
  calling_ = true;
  return
      [this, life = std::weak_ptr(alive_), &loop = core_.loop(), era = era_, what = std::move(what),
       again = std::move(again), is_model, confirmed = std::move(confirmed)](Status status) {
        loop.post([this, life, era, what, again, is_model, confirmed, status = std::move(status)] {
          if (!life.expired() && era == era_) answered(what, again, is_model, status, confirmed);
        });
      };
}

void MapperLink::answered(const std::string& what, const ObjectId& again, bool is_model,
                          const Status& status, const std::function<void()>& confirmed) {
  calling_ = false;
  const std::string key = cat(what, ' ', again.to_string());
  if (status.ok() || (what.starts_with("Remove") && status.code() == Code::not_found)) {
    host_.called(false);
    backoff_.reset();
    repeats_.over(key, cat("mapper ", info_.name, ": ", key, " is confirmed now"));
    confirmed();
    return pump();
  }
  host_.called(true);
  // Whatever it was, the mapper does not have what it should have: it is told again, until it has.
  repeats_.warn(core_.loop().now(), key,
                cat("mapper ", info_.name, ": ", key, ": ", status.to_string(), "; tried again"));
  timer_.start(backoff_.next(), [this] { pump(); });
  if (is_model) {
    due_models_.insert(again);
  } else {
    look_at(again);
  }
}

}  // namespace devicetwin

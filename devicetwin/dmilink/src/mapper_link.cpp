#include "mapper_link.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "dmi/crd.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

namespace {

template <class T>
std::size_t hash_of(const T& object) {
  return std::hash<std::string>()(dmi::to_text(dmi::to_json(object)));
}

// As a hash of what is wanted: that there is nothing.
constexpr std::size_t gone = 0;
// Subjects looked at before the loop may do something else: each costs a merge of its device.
constexpr int looks_in_turn = 64;

std::uint32_t seed_of(const std::string& name) {
  return static_cast<std::uint32_t>(std::hash<std::string>()(name));
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
      settle_timer_(core.loop()),
      next_timer_(core.loop()),
      leaving_(first_wait, most_wait, seed_of(info_.name)),
      due_(first_wait, most_wait, seed_of(info_.name) + 1),
      client_(dmi::wire::connect_mapper(info_.address)) {
  settle_timer_.start(first_delay, [this] { pump(); });
}

MapperLink::~MapperLink() = default;

void MapperLink::registered(const Core::Assignment& assignment, bool same_process,
                            std::int64_t number) {
  ++era_;
  calling_ = false;
  paused_ = false;
  const Known before = std::exchange(devices_, {});
  models_.clear();
  leaving_.clear();
  due_.clear();
  troubles_.clear();
  for (const dmi::DeviceModel& model : assignment.models)
    models_[model.id] = {hash_of(model), true};
  for (const dmi::Device& device : assignment.devices) {
    devices_[device.id] = {hash_of(device), true};
  }
  client_->after(number);
  settle_timer_.start(number == 0 ? settle_time : base::Duration::zero(), [this] { pump(); });
  for (const auto& [id, state] : before) {
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
  for (const auto& [id, state] : devices_) ids.push_back(id);
  return ids;
}

std::string MapperLink::trouble(const ObjectId& device) const {
  if (troubles_.empty()) return "";
  if (const auto own = troubles_.find({false, device}); own != troubles_.end()) {
    return own->second.text;
  }
  const std::optional<dmi::Device> merged = core_.merged_device(device);
  if (!merged) return "";
  const auto of_model = troubles_.find({true, {device.space, merged->model}});
  return of_model == troubles_.end() ? "" : of_model->second.text;
}

void MapperLink::pause(bool paused) {
  if (std::exchange(paused_, paused) == paused || paused) return;
  leaving_.hurry_all();
  due_.hurry_all();
  pump();
}

void MapperLink::look_at(const ObjectId& device) {
  queue({false, device});
  pump();
}

void MapperLink::look_at_model(const ObjectId& model) {
  if (!models_.contains(model)) return;
  queue({true, model});
  pump();
}

void MapperLink::may_have(const ObjectId& device) {
  devices_.try_emplace(device);
  look_at(device);
}

// A wait ends when something else is wanted than what failed.
void MapperLink::queue(const Subject& subject) {
  const bool leaves = !subject.is_model && knows(subject.id) && !host_.belongs(*this, subject.id);
  (leaves ? due_ : leaving_).done(subject);
  base::WorkQueue<Subject>& mine = leaves ? leaving_ : due_;
  if (mine.waiting(subject) && troubles_.at(subject).wanted != wanted_of(subject)) {
    mine.hurry(subject);
  } else {
    mine.add(subject);
  }
}

std::size_t MapperLink::wanted_of(const Subject& subject) {
  if (subject.is_model) {
    const std::optional<dmi::DeviceModel> model = core_.model(subject.id);
    return model ? hash_of(*model) : gone;
  }
  const std::optional<dmi::Device> device = host_.device_for(*this, subject.id);
  return device ? hash_of(*device) : gone;
}

void MapperLink::pump() {
  if (calling_ || paused_ || settle_timer_.running()) return;
  const base::SteadyTime now = core_.loop().now();
  for (int looks = 0; looks < looks_in_turn; ++looks) {
    std::optional<Subject> subject = leaving_.take(now);
    if (!subject) subject = due_.take(now);
    if (!subject) return wait(now);
    if (subject->is_model ? send_model(subject->id) : send_device(subject->id)) return;
  }
  next_timer_.start(base::Duration::zero(), [this] { pump(); });
}

void MapperLink::wait(base::SteadyTime now) {
  constexpr auto never = base::SteadyTime::max();
  const base::SteadyTime next =
      std::min(leaving_.next().value_or(never), due_.next().value_or(never));
  if (next == never) return next_timer_.stop();
  next_timer_.start(next - now, [this] { pump(); });
}

// Whether a call is on its way; false: there is nothing to do.
bool MapperLink::send_device(const ObjectId& id) {
  const Subject subject{false, id};
  const std::optional<dmi::Device> device = host_.device_for(*this, id);
  const auto known = devices_.find(id);
  if (!device) {
    if (known == devices_.end()) return settled(subject);
    known->second.hash.reset();  // if the answer is lost, it may have it or not
    client_->remove_device(id, call("RemoveDevice", subject, gone));
    return true;
  }
  // Never two mappers at one device: the other one's end of it is confirmed first, and heard here.
  const bool has_it = known != devices_.end() && known->second.hash.has_value();
  if (!has_it && !host_.free_for(*this, id)) return false;
  if (lacks_model({id.space, device->model})) return false;  // looked at again when it has it
  const std::size_t hash = hash_of(*device);
  if (has_it && known->second.hash == hash) return settled(subject);
  const bool is_new = known == devices_.end();
  auto done = call(is_new ? "RegisterDevice" : "UpdateDevice", subject, hash);
  // Unconfirmed from here on: if the answer is lost, the mapper may have it.
  devices_[id].hash.reset();
  if (is_new) {
    client_->register_device(*device, std::move(done));
  } else {
    client_->update_device(*device, std::move(done));
  }
  return true;
}

// Whether a device of this model cannot go before the model. A new form of it that the mapper
// refuses holds nothing up: it has the older one.
bool MapperLink::lacks_model(const ObjectId& id) {
  const State& known = models_[id];
  const Subject subject{true, id};
  if (known.hash == wanted_of(subject)) return false;
  due_.add(subject);
  return !known.had || !due_.waiting(subject);
}

bool MapperLink::send_model(const ObjectId& id) {
  const Subject subject{true, id};
  const auto known = models_.find(id);
  if (known == models_.end()) return settled(subject);
  const std::optional<dmi::DeviceModel> model = core_.model(id);
  // A model that is gone here goes there too.
  if (!model) {
    client_->remove_model(id, call("RemoveDeviceModel", subject, gone));
    return true;
  }
  const std::size_t hash = hash_of(*model);
  if (known->second.hash == hash) return settled(subject);
  // A model is created also when the mapper may have it: stock mappers upsert there, and refuse to
  // update what they do not know.
  const bool update = known->second.hash.has_value();
  auto done = call(update ? "UpdateDeviceModel" : "CreateDeviceModel", subject, hash);
  known->second.hash.reset();
  if (update) {
    client_->update_model(*model, std::move(done));
  } else {
    client_->create_model(*model, std::move(done));
  }
  return true;
}

dmi::wire::Done MapperLink::call(const char* name, const Subject& subject, std::size_t wanted) {
  calling_ = true;
  base::Loop& loop = core_.loop();
  return [this, life = std::weak_ptr(alive_), &loop, era = era_,
          made = Call{name, subject, wanted, loop.now()}](Status status) {
    loop.post([this, life, era, made, status = std::move(status)] {
      if (!life.expired() && era == era_) answered(made, status);
    });
  };
}

void MapperLink::answered(const Call& call, const Status& status) {
  calling_ = false;
  const bool confirmed = status.ok() || (call.wanted == gone && status.code() == Code::not_found);
  host_.called(!confirmed);
  if (confirmed) {
    this->confirmed(call);
  } else {
    failed(call, status);
  }
  pump();
}

void MapperLink::confirmed(const Call& call) {
  const Subject& subject = call.subject;
  const std::string key = cat(call.name, ' ', subject.id.to_string());
  repeats_.over(key, cat("mapper ", info_.name, ": ", key, " is confirmed now"));
  Known& known = subject.is_model ? models_ : devices_;
  if (call.wanted == gone) {
    known.erase(subject.id);
  } else {
    known[subject.id] = {call.wanted, true};
  }
  settled(subject);
  if (subject.is_model) {
    for (const ObjectId& device : core_.devices_of_model(subject.id)) {
      if (host_.belongs(*this, device)) queue({false, device});
    }
  } else if (call.wanted == gone) {
    host_.let_go(*this, subject.id);
  }
}

// Whatever it was, the mapper does not have what it should have: it is told again, until it has.
void MapperLink::failed(const Call& call, const Status& status) {
  const Subject& subject = call.subject;
  const base::SteadyTime now = core_.loop().now();
  const std::string text = cat("mapper ", info_.name, ": ", call.name,
                               subject.is_model ? cat(' ', subject.id.to_string()) : "", ": ",
                               status.to_string(), "; tried again");
  repeats_.warn(now, cat(call.name, ' ', subject.id.to_string()),
                subject.is_model ? text : cat(subject.id.to_string(), ": ", text));
  const bool leaves = !subject.is_model && !host_.belongs(*this, subject.id);
  (leaves ? leaving_ : due_).failed(subject, now, now - call.begin);
  troubles_[subject] = {call.wanted, text};
  explain(subject);
}

// It is as it should be. Always false: no call is on its way.
bool MapperLink::settled(const Subject& subject) {
  leaving_.done(subject);
  due_.done(subject);
  if (troubles_.erase(subject) > 0) explain(subject);
  return false;
}

void MapperLink::explain(const Subject& subject) {
  if (!subject.is_model) return host_.explain(subject.id);
  for (const ObjectId& device : core_.devices_of_model(subject.id)) {
    if (host_.belongs(*this, device)) host_.explain(device);
  }
}

}  // namespace devicetwin

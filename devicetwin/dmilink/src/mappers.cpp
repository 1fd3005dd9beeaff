#include "mappers.hpp"

#include <cassert>
#include <random>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

namespace {

// A mapper of ours registers again within this time after a restart of this process; only then are
// the others, which never do, told what they should have.
constexpr auto first_delay = std::chrono::seconds(2);

Status check(const dmi::MapperInfo& info) {
  for (const auto& [what, value] :
       {std::pair{"name", &info.name}, {"protocol", &info.protocol}, {"address", &info.address}}) {
    if (value->empty()) {
      return Status(Code::invalid, cat("mapper ", info.name, ": ", what, " is empty"));
    }
  }
  if (info.name.find('/') != std::string::npos) {
    return Status(Code::invalid, cat("mapper ", info.name, ": a name has no '/'"));
  }
  if (info.address.front() == '/') return Status();
  return Status(Code::invalid,
                cat("mapper ", info.name, ": address ", info.address, " is not an absolute path"));
}

}  // namespace

Mappers::Mappers(Core& core, Journal& journal, const DmiLink::Settings& settings)
    : core_(core),
      journal_(journal),
      settings_(settings),
      assignment_({settings.take_over, settings.forget_after}),
      // Apart from those of the process before: a mapper may still have calls of it.
      registrations_(static_cast<std::int64_t>(std::random_device()()) << 24),
      ticker_(core.loop()) {}

Mappers::~Mappers() = default;

void Mappers::start(const std::map<std::string, std::string>& notes) {
  const Remembered old = remembered(notes);
  for (const std::string& key : old.unread) journal_.put_note(key, "");
  for (const dmi::MapperInfo& info : old.mappers) {
    if (!check(info).ok() || mappers_.size() >= settings_.max_mappers) continue;
    assignment_.restore(info.name, info.protocol, core_.loop().now());
    add(info, first_delay);
  }
  Assignment::Moves moves;
  for (const Object* object : core_.list(Kind::device, "")) {
    const ObjectId& id = object->id;
    const auto last = old.assigned.find(id);
    const std::string was = last == old.assigned.end() ? "" : last->second;
    assignment_.put(id, core_.protocol_of(id), core_.pinned_mapper(id), was);
    const std::string& is = assignment_.mapper_of(id);
    if (is != was) moves.push_back({id, "", is});
    if (!is.empty()) mappers_.at(is).link->may_have(id);
  }
  for (const auto& [id, mapper] : old.assigned) {
    if (core_.find(Kind::device, id) == nullptr) journal_.put_note(assigned_key(id), "");
  }
  for (const auto& [name, id] : old.gone) {
    const auto found = mappers_.find(name);
    if (found == mappers_.end() || assignment_.mapper_of(id) == name) {
      journal_.put_note(gone_key(name, id), "");
    } else {
      gone_.insert(gone_key(name, id));
      found->second.link->may_have(id);
    }
  }
  follow(moves);
  for (const Object* object : core_.list(Kind::device, "")) explain(object->id);
  for (const dmi::MapperInfo& info : old.mappers) look(info.name);
  tick();
}

std::map<std::string, std::string> Mappers::notes() const {
  std::map<std::string, std::string> notes;
  for (const auto& [name, mapper] : mappers_)
    notes[mapper_key(name)] = note_of(mapper.link->info());
  for (const Object* object : core_.list(Kind::device, "")) {
    const std::string& name = assignment_.mapper_of(object->id);
    if (!name.empty()) notes[assigned_key(object->id)] = name;
  }
  for (const std::string& key : gone_) notes[key] = "1";
  return notes;
}

Mappers::Mapper& Mappers::add(const dmi::MapperInfo& info, base::Duration delay) {
  Mapper& mapper = mappers_[info.name];
  std::vector<ObjectId> known;
  if (mapper.link) known = mapper.link->known();
  mapper.link = std::make_unique<MapperLink>(core_, *this, info, delay);
  for (const ObjectId& id : known) mapper.link->may_have(id);
  mapper.probe = std::make_unique<Probe>(core_.loop(), info.address);
  mapper.next_look = std::make_unique<base::Timer>(core_.loop());
  return mapper;
}

// Room for one more, and for it alone at its address: who was there before is no more.
Status Mappers::make_room(const dmi::MapperInfo& info) {
  std::string before;
  for (const auto& [name, mapper] : mappers_) {
    if (name != info.name && mapper.link->info().address == info.address) before = name;
  }
  if (!before.empty()) forget(before, cat("mapper ", info.name, " is at its address now"));
  if (mappers_.contains(info.name) || mappers_.size() < settings_.max_mappers) return Status();
  if (const std::string dead = assignment_.longest_dead(); !dead.empty()) {
    forget(dead, cat("its place is needed for mapper ", info.name));
    return Status();
  }
  return Status(Code::unavailable, cat("mapper ", info.name, ": ", mappers_.size(),
                                       " mappers have registered, the limit"));
}

void Mappers::take(const dmi::wire::Caller& caller, const dmi::MapperInfo& info, bool with_data,
                   const Registered& done) {
  Status status = check(info);
  if (status.ok()) status = make_room(info);
  if (!status.ok()) {
    ++counters_.refused_registrations;
    return done(std::move(status));
  }
  ++counters_.registrations;
  const std::string& name = info.name;
  const Assignment::Moves moves = assignment_.join(name, info.protocol, core_.loop().now());
  const auto old = mappers_.find(name);
  // A stock one registers when it starts, and never again.
  const dmi::wire::Caller process = process_of(caller);
  const bool same_process =
      old != mappers_.end() && !process.instance.empty() && old->second.process == process;
  const bool same_info = old != mappers_.end() && old->second.link->info() == info;
  Mapper& mapper = same_info ? old->second : add(info, base::Duration::zero());
  // Anew: what an older process at this address leaves unanswered says nothing about this one.
  mapper.probe = std::make_unique<Probe>(core_.loop(), info.address);
  mapper.silences = 0;
  mapper.batches = false;
  mapper.gave_up = false;
  mapper.ordered = caller.ordered;
  mapper.registration = ++registrations_;
  set_process(name, process);
  journal_.put_note(mapper_key(name), note_of(info));
  mapper.link->pause(true);  // until it has its answer
  follow(moves);
  look_later(name);
  if (fresh_.empty()) return answer(name, with_data, same_process, done);
  when_on_disk([this, name, with_data, same_process, done, number = mapper.registration] {
    const auto still = mappers_.find(name);
    if (still != mappers_.end() && still->second.registration == number) {
      return answer(name, with_data, same_process, done);
    }
    done(Status(Code::stale, cat("mapper ", name, " was registered again meanwhile")));
  });
}

void Mappers::answer(const std::string& name, bool with_data, bool same_process,
                     const Registered& done) {
  const Mapper& mapper = mappers_.at(name);
  MapperLink& link = *mapper.link;
  const std::int64_t number = mapper.ordered ? mapper.registration : 0;
  const Core::Assignment share = with_data ? share_of(name) : Core::Assignment();
  link.registered(share, same_process, number);
  for (const std::string& key : std::set(gone_)) {
    const auto parts = base::split(key, '/');
    const ObjectId id{std::string(parts[2]), std::string(parts[3])};
    if (parts[1] == name && !link.knows(id)) forget_gone(name, id);
  }
  base::log_info(cat("mapper ", name, " registered for protocol ", link.info().protocol, " at ",
                     link.info().address, ": ", share.devices.size(), " devices"));
  done(dmi::wire::Registration{share.models, share.devices, false, number});
  for (const ObjectId& device : assignment_.devices_of(name)) {
    explain(device);
    if (!with_data) link.look_at(device);
  }
}

void Mappers::forget(const std::string& name, std::string_view why) {
  const auto found = mappers_.find(name);
  assert(found != mappers_.end());
  base::log_warning(cat("mapper ", name, " is forgotten: ", why));
  const std::vector<ObjectId> known = found->second.link->known();
  set_process(name, {});
  mappers_.erase(found);
  journal_.put_note(mapper_key(name), "");
  for (const ObjectId& id : known) forget_gone(name, id);
  follow(assignment_.forget(name));
  for (const ObjectId& id : known) look_at(assignment_.mapper_of(id), id);
}

void Mappers::set_process(const std::string& name, const dmi::wire::Caller& process) {
  dmi::wire::Caller& now = mappers_.at(name).process;
  if (const auto old = by_process_.find(now); old != by_process_.end()) {
    old->second.erase(name);
    if (old->second.empty()) by_process_.erase(old);
  }
  now = process;
  if (process != dmi::wire::Caller()) by_process_[process].insert(name);
}

// Its devices that no other mapper may still have, and their models, each once.
Core::Assignment Mappers::share_of(const std::string& name) {
  Core::Assignment share;
  const MapperLink& link = *mappers_.at(name).link;
  std::set<ObjectId> models;
  for (const ObjectId& id : assignment_.devices_of(name)) {
    auto device = free_for(link, id) ? device_for(link, id) : std::nullopt;
    if (!device) continue;
    const ObjectId model{id.space, device->model};
    if (models.insert(model).second) share.models.push_back(*core_.model(model));
    share.devices.push_back(std::move(*device));
  }
  return share;
}

// Who loses a device is told first.
void Mappers::follow(const Assignment::Moves& moves) {
  std::map<std::pair<std::string, std::string>, std::size_t> counts;
  for (const auto& [device, from, to] : moves) {
    journal_.put_note(assigned_key(device), to);
    if (!to.empty()) forget_gone(to, device);
    if (from.empty()) continue;
    if (const auto old = mappers_.find(from); old != mappers_.end()) {
      if (old->second.link->knows(device)) remember_gone(from, device);
      old->second.link->look_at(device);
    }
    if (!to.empty()) ++counts[{from, to}];
  }
  for (const auto& [pair, count] : counts) {
    counters_.moves += count;
    base::log_info(cat(count, " devices move from mapper ", pair.first, " to ", pair.second));
  }
  const std::uint64_t first = moves_begun_ + 1;
  for (const auto& [device, from, to] : moves) {
    if (!to.empty()) fresh_[device] = ++moves_begun_;
    explain(device);
  }
  if (moves_begun_ < first) return;
  when_on_disk([this, moves, last = moves_begun_] {
    for (const auto& move : moves) {
      const auto found = fresh_.find(move.device);
      if (found == fresh_.end() || found->second > last) continue;  // it has moved on since
      fresh_.erase(found);
      look_at(assignment_.mapper_of(move.device), move.device);
    }
  });
}

// A disk that does not take it is no reason to leave devices alone: they are driven, and what is
// not on disk is lost with this process alone.
void Mappers::when_on_disk(std::function<void()> task) {
  journal_.flush([life = std::weak_ptr(alive_), task = std::move(task)](const Status&) {
    if (!life.expired()) task();
  });
}

void Mappers::look_at(const std::string& name, const ObjectId& device) {
  if (const auto found = mappers_.find(name); found != mappers_.end()) {
    found->second.link->look_at(device);
  }
}

// On disk: the mapper may be away until long after this process' end.
void Mappers::remember_gone(const std::string& mapper, const ObjectId& device) {
  const std::string key = gone_key(mapper, device);
  if (gone_.insert(key).second) journal_.put_note(key, "1");
}

void Mappers::forget_gone(const std::string& mapper, const ObjectId& device) {
  const std::string key = gone_key(mapper, device);
  if (gone_.erase(key) > 0) journal_.put_note(key, "");
}

bool Mappers::belongs(const MapperLink& mapper, const ObjectId& device) {
  return assignment_.mapper_of(device) == mapper.info().name;
}

std::optional<dmi::Device> Mappers::device_for(const MapperLink& mapper, const ObjectId& id) {
  if (!belongs(mapper, id)) return std::nullopt;
  auto device = core_.merged_device(id);
  if (device && device->protocol.protocol != mapper.info().protocol) device.reset();
  return device;
}

bool Mappers::free_for(const MapperLink& mapper, const ObjectId& device) {
  if (fresh_.contains(device)) return false;
  for (const auto& [name, other] : mappers_) {
    if (other.link.get() == &mapper || !other.link->knows(device)) continue;
    if (!assignment_.gave_up(name, core_.loop().now())) return false;
  }
  return true;
}

void Mappers::let_go(const MapperLink& mapper, const ObjectId& device) {
  forget_gone(mapper.info().name, device);
  if (!belongs(mapper, device)) look_at(assignment_.mapper_of(device), device);
  explain(device);
  // A device that is still there, without its model, has nobody who asks how it is.
  if (!core_.merged_device(device)) turn_unknown(device);
}

void Mappers::called(bool failed) {
  ++counters_.calls;
  counters_.failed_calls += failed;
}

void Mappers::explain(const ObjectId& device) { core_.set_waiting(device, obstacle(device)); }

std::string Mappers::obstacle(const ObjectId& device) const {
  const std::string& name = assignment_.mapper_of(device);
  if (name.empty()) {
    const std::string pin = core_.pinned_mapper(device);
    const std::string protocol = cat("for protocol \"", core_.protocol_of(device), "\"");
    if (pin.empty()) return cat("no mapper has registered ", protocol);
    return cat("mapper ", pin, ", which annotation ", Core::mapper_annotation,
               " names, has not registered ", protocol);
  }
  if (std::string away = away_text(name); !away.empty()) return away;
  const MapperLink& own = *mappers_.at(name).link;
  if (std::string trouble = own.trouble(device); !trouble.empty()) return trouble;
  if (own.knows(device)) return "";
  for (const auto& [other, mapper] : mappers_) {
    if (other == name || !mapper.link->knows(device)) continue;
    if (assignment_.gave_up(other, core_.loop().now())) continue;
    const std::string trouble = mapper.link->trouble(device);
    return cat("mapper ", name, " waits until mapper ", other, " confirms RemoveDevice",
               trouble.empty() ? "" : "; ", trouble);
  }
  return "";
}

void Mappers::turn_unknown(const ObjectId& device) {
  core_.update_state(device, "unknown", Origin::self, [](const Status&) {});
}

void Mappers::device_changed(const Change& change) {
  const ObjectId& id = change.id;
  if (change.what == Change::What::deleted) {
    for (const auto& [name, mapper] : mappers_) {
      if (mapper.link->knows(id)) remember_gone(name, id);
    }
    return follow(assignment_.remove(id));
  }
  const std::string protocol = core_.protocol_of(id);
  if (protocol.empty() && core_.find(Kind::device, id) == nullptr) return;  // deleted meanwhile
  follow(assignment_.put(id, protocol, core_.pinned_mapper(id)));
  if (change.spec_changed) look_at(assignment_.mapper_of(id), id);
  explain(id);
}

void Mappers::model_changed(const ObjectId& model) {
  // A model that goes goes after its devices.
  for (const ObjectId& device : core_.devices_of_model(model)) {
    look_at(assignment_.mapper_of(device), device);
  }
  for (const auto& [name, mapper] : mappers_) mapper.link->look_at_model(model);
}

}  // namespace devicetwin

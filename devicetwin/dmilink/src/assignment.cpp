#include "assignment.hpp"

#include <cassert>
#include <utility>

namespace devicetwin {

using dmi::ObjectId;

Assignment::Moves Assignment::join(const std::string& name, const std::string& protocol,
                                   base::SteadyTime now) {
  Moves moves;
  if (const auto old = mappers_.find(name); old != mappers_.end()) {
    if (old->second.protocol == protocol) return set_presence(name, Presence::up, now);
    moves = forget(name);
  }
  Mapper& mapper = mappers_[name];
  mapper.protocol = protocol;
  mapper.since = now;
  place_homeless(protocol, moves);
  balance(protocol, moves);
  return moves;
}

void Assignment::restore(const std::string& name, const std::string& protocol,
                         base::SteadyTime now) {
  Mapper& mapper = mappers_[name];
  mapper.protocol = protocol;
  mapper.since = now;
}

Assignment::Moves Assignment::forget(const std::string& name) {
  Moves moves;
  const auto found = mappers_.find(name);
  if (found == mappers_.end()) return moves;
  const Mapper gone = std::move(found->second);
  mappers_.erase(found);
  for (const auto* ids : {&gone.free, &gone.pinned}) {
    for (const ObjectId& id : *ids) {
      Device& device = devices_.at(id);
      attach(id, device, place_for(device), moves);
    }
  }
  return moves;
}

Assignment::Moves Assignment::set_presence(const std::string& name, Presence presence,
                                           base::SteadyTime now) {
  Moves moves;
  Mapper& mapper = mappers_.at(name);
  if (mapper.presence == presence) return moves;
  // Away is away: one that is hung and then dies has been away since it hung. (Dead first and hung
  // then is another process that has just begun.)
  const bool still_away = mapper.presence == Presence::hung && presence == Presence::dead;
  if (!still_away) mapper.since = now;
  mapper.presence = presence;
  if (presence == Presence::up && std::exchange(mapper.robbed, false)) {
    balance(mapper.protocol, moves);
  }
  return moves;
}

Assignment::Moves Assignment::tick(base::SteadyTime now) {
  Moves moves;
  for (auto& [name, mapper] : mappers_) {
    if (mapper.presence == Presence::up || now - mapper.since < settings_.take_over) continue;
    if (mapper.free.empty() || least(mapper.protocol, true).empty()) continue;
    mapper.robbed = true;
    for (const ObjectId& id : std::set(mapper.free)) {
      attach(id, devices_.at(id), least(mapper.protocol, true), moves);
    }
  }
  return moves;
}

std::vector<std::string> Assignment::forgettable(base::SteadyTime now) const {
  std::vector<std::string> names;
  for (const auto& [name, mapper] : mappers_) {
    if (mapper.presence == Presence::dead && now - mapper.since >= settings_.forget_after) {
      names.push_back(name);
    }
  }
  return names;
}

std::string Assignment::longest_dead() const {
  const std::pair<const std::string, Mapper>* first = nullptr;
  for (const auto& entry : mappers_) {
    if (entry.second.presence != Presence::dead || entry.second.count() != 0) continue;
    if (first == nullptr || entry.second.since < first->second.since) first = &entry;
  }
  return first == nullptr ? "" : first->first;
}

Assignment::Moves Assignment::put(const ObjectId& id, const std::string& protocol,
                                  const std::string& pin, const std::string& last) {
  Moves moves;
  Device& device = devices_[id];
  const auto fits = [&](const std::string& name) {
    const auto found = mappers_.find(name);
    return found != mappers_.end() && found->second.protocol == protocol &&
           (pin.empty() || pin == name);
  };
  const bool pin_changed = device.pin != pin;
  device.protocol = protocol;
  const std::string& was = device.mapper.empty() ? last : device.mapper;
  const std::string to = fits(was) ? was : (device.pin = pin, place_for(device));
  // Between a mapper's two sets it moves without being a move.
  if (pin_changed && !device.mapper.empty()) {
    Mapper& mapper = mappers_.at(device.mapper);
    mapper.free.erase(id);
    mapper.pinned.erase(id);
    (pin.empty() ? mapper.free : mapper.pinned).insert(id);
  }
  device.pin = pin;
  attach(id, device, to, moves);
  return moves;
}

Assignment::Moves Assignment::remove(const ObjectId& id) {
  Moves moves;
  const auto found = devices_.find(id);
  if (found == devices_.end()) return moves;
  attach(id, found->second, "", moves);
  devices_.erase(found);
  return moves;
}

const std::string& Assignment::mapper_of(const ObjectId& id) const {
  static const std::string nobody;
  const auto found = devices_.find(id);
  return found == devices_.end() ? nobody : found->second.mapper;
}

std::size_t Assignment::mappers_of(const std::string& protocol) const {
  std::size_t count = 0;
  for (const auto& [name, mapper] : mappers_) count += mapper.protocol == protocol;
  return count;
}

Presence Assignment::presence(const std::string& name) const { return mappers_.at(name).presence; }

base::SteadyTime Assignment::since(const std::string& name) const {
  return mappers_.at(name).since;
}

bool Assignment::gave_up(const std::string& name, base::SteadyTime now) const {
  const auto found = mappers_.find(name);
  if (found == mappers_.end() || found->second.presence == Presence::dead) return true;
  return found->second.presence == Presence::hung &&
         now - found->second.since >= settings_.take_over;
}

std::vector<ObjectId> Assignment::devices_of(const std::string& name) const {
  const auto found = mappers_.find(name);
  if (found == mappers_.end()) return {};
  std::set<ObjectId> all = found->second.free;
  all.insert(found->second.pinned.begin(), found->second.pinned.end());
  return {all.begin(), all.end()};
}

std::size_t Assignment::count(const std::string& name) const {
  const auto found = mappers_.find(name);
  return found == mappers_.end() ? 0 : found->second.count();
}

void Assignment::attach(const ObjectId& id, Device& device, const std::string& to, Moves& moves) {
  if (device.mapper == to) return;
  if (const auto from = mappers_.find(device.mapper); from != mappers_.end()) {
    from->second.free.erase(id);
    from->second.pinned.erase(id);
  }
  moves.push_back({id, device.mapper, to});
  device.mapper = to;
  if (to.empty()) return;
  Mapper& mapper = mappers_.at(to);
  assert(mapper.protocol == device.protocol);
  (device.pin.empty() ? mapper.free : mapper.pinned).insert(id);
}

std::string Assignment::place_for(const Device& device) const {
  if (device.pin.empty()) {
    const std::string up = least(device.protocol, true);
    return up.empty() ? least(device.protocol, false) : up;
  }
  const auto pinned = mappers_.find(device.pin);
  return pinned != mappers_.end() && pinned->second.protocol == device.protocol ? device.pin : "";
}

std::string Assignment::least(const std::string& protocol, bool only_up) const {
  const std::pair<const std::string, Mapper>* best = nullptr;
  for (const auto& entry : mappers_) {
    const Mapper& mapper = entry.second;
    if (mapper.protocol != protocol || (only_up && mapper.presence != Presence::up)) continue;
    if (best == nullptr || mapper.count() < best->second.count()) best = &entry;
  }
  return best == nullptr ? "" : best->first;
}

void Assignment::place_homeless(const std::string& protocol, Moves& moves) {
  for (auto& [id, device] : devices_) {
    if (device.mapper.empty() && device.protocol == protocol) {
      attach(id, device, place_for(device), moves);
    }
  }
}

// From the one with the most to the one with the least, until that would only swap them: no other
// way needs fewer moves.
void Assignment::balance(const std::string& protocol, Moves& moves) {
  for (;;) {
    std::pair<const std::string, Mapper>* most = nullptr;
    for (auto& entry : mappers_) {
      const Mapper& mapper = entry.second;
      if (mapper.protocol != protocol || mapper.presence != Presence::up) continue;
      if (mapper.free.empty()) continue;
      if (most == nullptr || mapper.count() > most->second.count()) most = &entry;
    }
    const std::string to = least(protocol, true);
    if (most == nullptr || most->second.count() <= mappers_.at(to).count() + 1) return;
    const ObjectId id = *most->second.free.rbegin();
    attach(id, devices_.at(id), to, moves);
  }
}

}  // namespace devicetwin

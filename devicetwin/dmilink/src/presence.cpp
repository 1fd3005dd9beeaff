// Who is there: up, hung or dead, and what follows from it.
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "mappers.hpp"

namespace devicetwin {

using base::cat;
using dmi::ObjectId;

namespace {

// One silence may be a node that was busy for a moment.
constexpr int silences_of_hung = 2;

double seconds(base::Duration duration) { return std::chrono::duration<double>(duration).count(); }

const char* word(Presence presence) {
  switch (presence) {
    case Presence::up:
      return "up";
    case Presence::hung:
      return "hung";
    case Presence::dead:
      return "down";
  }
  return "";
}

}  // namespace

void Mappers::look_later(const std::string& name) {
  mappers_.at(name).next_look->start(settings_.liveness_period, [this, name] { look(name); });
}

void Mappers::look(const std::string& name) {
  const auto found = mappers_.find(name);
  if (found == mappers_.end()) return;
  found->second.probe->ask(settings_.answer,
                           [this, name](Probe::Answer answer) { looked(name, answer); });
}

void Mappers::looked(const std::string& name, Probe::Answer answer) {
  Mapper& mapper = mappers_.at(name);
  if (answer == Probe::Answer::silent) {
    // The next question has waited already.
    if (++mapper.silences >= silences_of_hung) set_presence(name, Presence::hung);
    return look(name);
  }
  mapper.silences = 0;
  if (answer == Probe::Answer::refused) {
    set_presence(name, Presence::dead);
  } else if (answer == Probe::Answer::answers) {
    const bool quiet =
        mapper.batches && core_.loop().now() - mapper.last_batch > settings_.batch_silence;
    set_presence(name, quiet ? Presence::hung : Presence::up);
  }
  look_later(name);
}

void Mappers::set_presence(const std::string& name, Presence presence) {
  const Presence before = assignment_.presence(name);
  if (before == presence) return;
  const Assignment::Moves moves = assignment_.set_presence(name, presence, core_.loop().now());
  counters_.deaths += presence == Presence::dead;
  counters_.hangs += presence == Presence::hung;
  Mapper& mapper = mappers_.at(name);
  if (presence == Presence::up) {
    base::log_info(cat("mapper ", name, " answers again at ", mapper.link->info().address));
  } else {
    base::log_warning(away_text(name));
  }
  for (const ObjectId& device : assignment_.devices_of(name)) {
    explain(device);
    if (before == Presence::up) turn_unknown(device);
  }
  mapper.gave_up = false;
  follow(moves);
  mapper.link->pause(presence != Presence::up);
  if (presence == Presence::dead) hand_on(name);
}

std::string Mappers::away_text(const std::string& name) const {
  const Mapper& mapper = mappers_.at(name);
  const std::string& address = mapper.link->info().address;
  switch (assignment_.presence(name)) {
    case Presence::up:
      return "";
    case Presence::dead:
      return cat("mapper ", name, " does not answer at ", address);
    case Presence::hung:
      if (mapper.silences >= silences_of_hung) {
        return cat("mapper ", name, " is hung: it accepts at ", address, " and says nothing");
      }
      return cat("mapper ", name, " is hung: no batch for ", seconds(settings_.batch_silence),
                 " s though its stream is open");
  }
  return "";
}

void Mappers::tick() {
  const base::SteadyTime now = core_.loop().now();
  follow(assignment_.tick(now));
  for (const auto& [name, mapper] : mappers_) {
    if (assignment_.gave_up(name, now)) hand_on(name);
  }
  for (const std::string& name : assignment_.forgettable(now)) {
    forget(name, cat("dead for ", seconds(settings_.forget_after), " s"));
  }
  ticker_.start(settings_.liveness_period, [this] { tick(); });
}

// Those who wait for this mapper to let go wait no more.
void Mappers::hand_on(const std::string& name) {
  Mapper& mapper = mappers_.at(name);
  if (std::exchange(mapper.gave_up, true)) return;
  for (const ObjectId& device : mapper.link->known()) {
    const std::string& owner = assignment_.mapper_of(device);
    if (owner == name || owner.empty()) continue;
    look_at(owner, device);
    explain(device);
  }
}

std::vector<DmiLink::MapperView> Mappers::view() const {
  std::vector<DmiLink::MapperView> all;
  const base::SteadyTime now = core_.loop().now();
  const std::int64_t now_ms = base::to_ms(core_.loop().wall());
  for (const auto& [name, mapper] : mappers_) {
    const auto age =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - assignment_.since(name));
    const dmi::MapperInfo& info = mapper.link->info();
    all.push_back({name, info.protocol, info.address, word(assignment_.presence(name)),
                   assignment_.count(name), now_ms - age.count()});
  }
  return all;
}

}  // namespace devicetwin

// Which mapper has which device. Pure: no I/O, time as an argument; one thread.
//
// A device belongs to at most one mapper, of its own protocol, and stays there: devices move only
// when a mapper joins (the fewest that make the counts differ by at most one), when one is away for
// take_over while another of its protocol is up, or when the device itself asks for it (protocol,
// pin). A pinned device belongs to the mapper it names or to nobody.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "dmi/device.hpp"

namespace devicetwin {

// dead: nobody accepts connections at its address. hung: somebody does, and says nothing.
enum class Presence : unsigned char { up, hung, dead };

class Assignment {
 public:
  struct Settings {
    // A mapper that restarts is back before this; its devices wait for it so long.
    base::Duration take_over = std::chrono::seconds(10);
    // A mapper that is dead this long was taken off the node.
    base::Duration forget_after = std::chrono::hours(24);
  };
  struct Move {
    dmi::ObjectId device;
    std::string from;  // "": nobody
    std::string to;    // "": nobody
    friend bool operator==(const Move&, const Move&) = default;
  };
  using Moves = std::vector<Move>;

  explicit Assignment(Settings settings) : settings_(settings) {}

  // A mapper that is up. One that is new takes its share of the devices; one that is known keeps
  // what it has, and gets a share again if its devices were taken over while it was away.
  Moves join(const std::string& mapper, const std::string& protocol, base::SteadyTime now);
  // As it was before a restart of this process: nothing moves.
  void restore(const std::string& mapper, const std::string& protocol, base::SteadyTime now);
  // Its devices go to the others of its protocol, or to nobody.
  Moves forget(const std::string& mapper);
  Moves set_presence(const std::string& mapper, Presence presence, base::SteadyTime now);
  // What time alone brings: the devices of mappers that are away for take_over go to those that are
  // up. Nobody is up: they stay.
  Moves tick(base::SteadyTime now);
  // Mappers that are dead for forget_after, by name.
  std::vector<std::string> forgettable(base::SteadyTime now) const;
  // Who goes first when there are too many: dead, without devices, the longest away. "": nobody.
  std::string longest_dead() const;

  // A device that is new, or may have changed. pin: the one mapper it belongs to; "": any. last:
  // where it was before a restart of this process; it stays there if it may. Returns what moved:
  // one at most.
  Moves put(const dmi::ObjectId& device, const std::string& protocol, const std::string& pin,
            const std::string& last = "");
  Moves remove(const dmi::ObjectId& device);

  const std::string& mapper_of(const dmi::ObjectId& device) const;  // "": nobody
  bool knows(const std::string& mapper) const { return mappers_.contains(mapper); }
  std::size_t mappers() const { return mappers_.size(); }
  std::size_t mappers_of(const std::string& protocol) const;
  Presence presence(const std::string& mapper) const;       // must be known
  base::SteadyTime since(const std::string& mapper) const;  // of the presence; must be known
  // Whether it is away for so long that it cannot hold a device back any more: dead, or hung for
  // take_over. A mapper that is not known holds nothing.
  bool gave_up(const std::string& mapper, base::SteadyTime now) const;
  std::vector<dmi::ObjectId> devices_of(const std::string& mapper) const;  // in order
  std::size_t count(const std::string& mapper) const;

 private:
  struct Mapper {
    std::string protocol;
    Presence presence = Presence::up;
    base::SteadyTime since{};
    bool robbed = false;  // its devices were taken over since it was up
    std::set<dmi::ObjectId> free;
    std::set<dmi::ObjectId> pinned;
    std::size_t count() const { return free.size() + pinned.size(); }
  };
  struct Device {
    std::string protocol;
    std::string pin;
    std::string mapper;
  };

  void attach(const dmi::ObjectId& id, Device& device, const std::string& mapper, Moves& moves);
  // Where a device without a mapper goes now; "": nowhere.
  std::string place_for(const Device& device) const;
  // The one of a protocol with the fewest devices, of those that are up or of all.
  std::string least(const std::string& protocol, bool only_up) const;
  void place_homeless(const std::string& protocol, Moves& moves);
  void balance(const std::string& protocol, Moves& moves);

  Settings settings_;
  std::map<std::string, Mapper> mappers_;
  std::map<dmi::ObjectId, Device> devices_;
};

}  // namespace devicetwin

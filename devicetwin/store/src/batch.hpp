// Writes that wait for one transaction, the newest of each key. Value; confined by its owner.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devicetwin/core.hpp"

namespace devicetwin {

struct Batch {
  struct Twins {
    bool wipe = false;          // first: forget what is stored
    std::vector<TwinRow> rows;  // in the order they came: the later one of a property counts
    std::optional<DeviceState> state;
  };
  std::map<std::pair<Kind, dmi::ObjectId>, std::optional<Object>> objects;  // nullopt: delete
  std::map<dmi::ObjectId, Twins> twins;
  std::map<std::string, std::string> notes;
  std::uint64_t version = 0;

  // Of a device whose rows pile up because the disk is slow, only the newest of each.
  static constexpr std::size_t crowded = 2 * Core::max_rows;
  static void keep_newest(std::vector<TwinRow>& rows);

  bool empty() const { return objects.empty() && twins.empty() && notes.empty() && version == 0; }
  // Lays an older batch that could not be written under this one, without its objects: whoever
  // waited for those has been told that they failed.
  void put_under(Batch older);
};

}  // namespace devicetwin

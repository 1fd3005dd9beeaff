// What Core knows: the devices and models as everybody is shown them. Belongs to the loop.
//
// Nothing here is ahead of the disk but reported values, which are the mapper's to repeat: what a
// verb changes stands in its object's Line (turns.hpp) until it is on disk.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "pace.hpp"
#include "row_table.hpp"
#include "telling.hpp"
#include "versions.hpp"

namespace devicetwin {

using Key = std::pair<Kind, dmi::ObjectId>;

// What verbs on a device change.
struct DeviceBody {
  explicit DeviceBody(Names& names) : rows(names) {}
  DeviceBody copy() const;

  Object object;
  std::string created;  // metadata.creationTimestamp
  std::string protocol;
  std::string pinned_mapper;  // "": any
  dmi::ObjectId model;
  std::vector<std::string> ignored;  // keys of the spec that do nothing, and why
  RowTable rows;
};

struct DeviceEntry : DeviceBody {
  using DeviceBody::DeviceBody;

  Paces paces;  // of properties that ask for it
  DeviceState state;
  std::string link_reason;           // what set_waiting() said
  std::uint64_t status_version = 0;  // of what the status says now
  std::int64_t online_told_ms = 0;   // when the last online time was stored and told
};

struct ModelEntry {
  Object object;
  std::map<std::string, std::string, std::less<>> types;  // property → type as in TwinRow
  // visitors.configData of properties that pace or may: those with a key of dmi::PaceRule.
  std::map<std::string, dmi::Json, std::less<>> paces;
};

struct State {
  State(base::Loop& the_loop, Journal& the_journal)
      : loop(the_loop), journal(the_journal), versions(the_journal), telling(counters) {}

  base::Loop& loop;
  Journal& journal;
  Core::Counters counters;
  Versions versions;
  Telling telling;
  Names names;  // before the rows that use it
  std::map<dmi::ObjectId, DeviceEntry> devices;
  std::map<dmi::ObjectId, ModelEntry> models;
  std::size_t max_value_bytes = dmi::max_value_bytes;
  base::Duration report_window = Core::report_window;
  // A flush or a timer may come back after the core is gone.
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  std::int64_t now_ms() const { return base::to_ms(loop.wall()); }
  DeviceEntry* device(const dmi::ObjectId& id);
  const Object* find(const Key& key) const;
  // Counts a verb's refusal and hands it on.
  const base::Status& refused(const base::Status& why);
  base::Status disk_failed(const base::Status& disk);
};

}  // namespace devicetwin

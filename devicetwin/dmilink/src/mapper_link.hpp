// One mapper: what it was told and confirmed, and what it must be told still. Belongs to the loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "dmi/device.hpp"
#include "dmi/wire/dmi.hpp"

namespace devicetwin {

class MapperLink {
 public:
  // After a registration nothing is sent for so long: DMI carries no generation, and an update that
  // overtook the registration's answer would be undone by it.
  static constexpr auto settle_time = std::chrono::milliseconds(250);

  // forgotten(device): a removal is confirmed and need not be remembered any more.
  MapperLink(Core& core, dmi::MapperInfo info, base::Duration first_delay,
             std::function<void(const dmi::ObjectId&)> forgotten);
  ~MapperLink();

  const dmi::MapperInfo& info() const { return info_; }
  // The mapper was given exactly this; whatever it had before is gone.
  void registered(const Core::Assignment& assignment);
  // Something about this device may differ from what the mapper has.
  void look_at(const dmi::ObjectId& device);
  void look_at_model(const dmi::ObjectId& model);
  // The mapper may have a device that is not known here any more.
  void may_have(const dmi::ObjectId& device);
  bool knows(const dmi::ObjectId& device) const { return devices_.contains(device); }
  // Whether somebody accepts connections at its address.
  bool listening() const;

  bool down = false;  // kept by DmiLink: it was not listening last time

 private:
  // A hash of what was confirmed; nullopt: the mapper may have it, in what form is unknown.
  using Confirmed = std::map<dmi::ObjectId, std::optional<std::size_t>>;

  void pump();
  bool send_device(const dmi::ObjectId& id);
  bool send_model(const dmi::ObjectId& id);
  bool remove_model(const dmi::ObjectId& id);
  // What a call does when it is confirmed; a failed one is tried again.
  dmi::wire::Done then(std::string what, dmi::ObjectId again, bool is_model,
                       std::function<void()> confirmed);
  void answered(const std::string& what, const dmi::ObjectId& again, bool is_model,
                const base::Status& status, const std::function<void()>& confirmed);

  Core& core_;
  dmi::MapperInfo info_;
  std::function<void(const dmi::ObjectId&)> forgotten_;
  base::Timer timer_;
  base::Backoff backoff_;
  base::Repeats repeats_;
  Confirmed devices_;
  Confirmed models_;
  std::set<dmi::ObjectId> due_;         // devices to look at
  std::set<dmi::ObjectId> due_models_;  // models to look at
  bool calling_ = false;
  std::uint64_t era_ = 0;  // counts registrations: an older call's answer means nothing
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::unique_ptr<dmi::wire::MapperClient> client_;  // last: its end completes calls
};

}  // namespace devicetwin

// One mapper: what it was told and confirmed, and what it must be told still. Belongs to the loop.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "dmi/device.hpp"
#include "dmi/wire/dmi.hpp"

namespace devicetwin {

class MapperLink;

// Who has the mappers and knows which device belongs to which.
class MapperHost {
 public:
  virtual ~MapperHost() = default;
  // Whether the device is this mapper's; cheap.
  virtual bool belongs(const MapperLink& mapper, const dmi::ObjectId& device) = 0;
  // The device as this mapper shall have it; nullopt: it shall not have it.
  virtual std::optional<dmi::Device> device_for(const MapperLink& mapper,
                                                const dmi::ObjectId& device) = 0;
  // Whether no other mapper may still have it.
  virtual bool free_for(const MapperLink& mapper, const dmi::ObjectId& device) = 0;
  // The mapper has not got the device any more; it is confirmed.
  virtual void let_go(const MapperLink& mapper, const dmi::ObjectId& device) = 0;
  virtual void called(bool failed) = 0;  // a call to the mapper was answered, or timed out
};

class MapperLink {
 public:
  // After a registration nothing is sent for so long: DMI carries no generation, and an update that
  // overtook the registration's answer would be undone by it.
  static constexpr auto settle_time = std::chrono::milliseconds(250);

  MapperLink(Core& core, MapperHost& host, dmi::MapperInfo info, base::Duration first_delay);
  ~MapperLink();

  const dmi::MapperInfo& info() const { return info_; }
  // The mapper was given exactly this. What it had before is gone with the process that had it; the
  // same process (SDKs that live on when we restart) is told of each removal all the same, because
  // it may let go later than it hears.
  void registered(const Core::Assignment& assignment, bool same_process);
  // Something about this device may differ from what the mapper has.
  void look_at(const dmi::ObjectId& device);
  void look_at_model(const dmi::ObjectId& model);
  // The mapper may have a device, in what form is unknown.
  void may_have(const dmi::ObjectId& device);
  bool knows(const dmi::ObjectId& device) const { return devices_.contains(device); }
  std::vector<dmi::ObjectId> known() const;  // in order
  // One that does not answer is not called; back again it is told what it missed, at once.
  void pause(bool paused);

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
  MapperHost& host_;
  dmi::MapperInfo info_;
  base::Timer timer_;
  base::Backoff backoff_;
  base::Repeats repeats_;
  Confirmed devices_;
  Confirmed models_;
  std::set<dmi::ObjectId> due_gone_;    // devices to look at, first: it may have to let go
  std::set<dmi::ObjectId> due_;         // devices to look at
  std::set<dmi::ObjectId> due_models_;  // models to look at
  bool calling_ = false;
  bool paused_ = false;
  std::uint64_t era_ = 0;  // counts registrations: an older call's answer means nothing
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::unique_ptr<dmi::wire::MapperClient> client_;  // last: its end completes calls
};

}  // namespace devicetwin

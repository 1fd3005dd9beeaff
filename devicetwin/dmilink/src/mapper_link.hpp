// One mapper: what it has, as far as it confirmed it, is brought to what it should have. Level-
// triggered: of each device and model it is known what was confirmed, and whoever may differ waits
// for its turn. One that fails waits by itself and says why in the status of its devices; the
// others go on. One call at a time, because stock mappers are not made for several. Belongs to the
// loop.
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/work_queue.hpp"
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
  // trouble() of this device may be another.
  virtual void explain(const dmi::ObjectId& device) = 0;
  virtual void called(bool failed) = 0;  // a call to the mapper was answered, or timed out
};

class MapperLink {
 public:
  // After a registration nothing is sent for so long to a mapper that does not order our calls by
  // its number: an update that overtook the registration's answer would be undone by it.
  static constexpr auto settle_time = std::chrono::milliseconds(250);
  // Waits of a device or model whose calls fail, never shorter than the call took: one that the
  // mapper hangs on (10 s) leaves the others half the time at first, and six sevenths at last.
  static constexpr auto first_wait = std::chrono::milliseconds(100);
  static constexpr auto most_wait = std::chrono::seconds(60);

  MapperLink(Core& core, MapperHost& host, dmi::MapperInfo info, base::Duration first_delay);
  ~MapperLink();

  const dmi::MapperInfo& info() const { return info_; }
  // The mapper was given exactly this. What it had before is gone with the process that had it; the
  // same process (SDKs that live on when we restart) is told of each removal all the same, because
  // it may let go later than it hears. number: as Registration's; 0: it does not order our calls.
  void registered(const Core::Assignment& assignment, bool same_process, std::int64_t number);
  // Something about this device may differ from what the mapper has.
  void look_at(const dmi::ObjectId& device);
  void look_at_model(const dmi::ObjectId& model);
  // The mapper may have a device, in what form is unknown.
  void may_have(const dmi::ObjectId& device);
  bool knows(const dmi::ObjectId& device) const { return devices_.contains(device); }
  std::vector<dmi::ObjectId> known() const;  // in order
  // Why the mapper has not got the device as it should be: the last call about it, or about its
  // model, failed so; "": none did.
  std::string trouble(const dmi::ObjectId& device) const;
  // One that does not answer is not called; back again it is told what it missed, at once.
  void pause(bool paused);

 private:
  struct State {
    std::optional<std::size_t> hash;  // of what was confirmed; nullopt: it may have it in any form
    bool had = false;                 // some form was confirmed
  };
  using Known = std::map<dmi::ObjectId, State>;
  struct Subject {
    bool is_model = false;
    dmi::ObjectId id;
    auto operator<=>(const Subject&) const = default;
  };
  struct Trouble {
    std::size_t wanted = 0;  // hash of what could not be told
    std::string text;
  };
  struct Call {
    const char* name;
    Subject subject;
    std::size_t wanted;
    base::SteadyTime begin;
  };

  void queue(const Subject& subject);
  void pump();
  void wait(base::SteadyTime now);
  bool send_device(const dmi::ObjectId& id);
  bool send_model(const dmi::ObjectId& id);
  bool lacks_model(const dmi::ObjectId& id);
  std::size_t wanted_of(const Subject& subject);
  dmi::wire::Done call(const char* name, const Subject& subject, std::size_t wanted);
  void answered(const Call& call, const base::Status& status);
  void confirmed(const Call& call);
  void failed(const Call& call, const base::Status& status);
  bool settled(const Subject& subject);
  void explain(const Subject& subject);

  Core& core_;
  MapperHost& host_;
  dmi::MapperInfo info_;
  base::Timer settle_timer_;  // running: nothing is sent
  base::Timer next_timer_;    // of the first that waits after a failure
  base::Repeats repeats_;
  Known devices_;
  Known models_;
  base::WorkQueue<Subject> leaving_;  // devices that are another's now; they go first
  base::WorkQueue<Subject> due_;
  std::map<Subject, Trouble> troubles_;
  bool calling_ = false;
  bool paused_ = false;
  std::uint64_t era_ = 0;  // counts registrations: an older call's answer means nothing
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::unique_ptr<dmi::wire::MapperClient> client_;  // last: its end completes calls
};

}  // namespace devicetwin

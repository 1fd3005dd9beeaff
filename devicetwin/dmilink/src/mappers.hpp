// All mappers of the node: who they are, which devices are whose, who is there, and who may report
// what. Belongs to the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "assignment.hpp"
#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "devicetwin/dmi_link.hpp"
#include "dmi/wire/dmi.hpp"
#include "mapper_link.hpp"
#include "notes.hpp"
#include "probe.hpp"

namespace devicetwin {

class Mappers final : public MapperHost {
 public:
  using Registered = std::function<void(base::Result<dmi::wire::Registration>)>;

  Mappers(Core& core, Journal& journal, const DmiLink::Settings& settings);
  ~Mappers() override;

  // What the journal kept: nothing moves. Then they are looked at.
  void start(const std::map<std::string, std::string>& notes);
  // What the journal should have kept.
  std::map<std::string, std::string> notes() const;

  void take(const dmi::wire::Caller& caller, const dmi::MapperInfo& info, bool with_data,
            const Registered& done);
  void forget(const std::string& name, std::string_view why);

  // ---- reports.cpp ----
  void report_status(const dmi::wire::Caller& caller, const dmi::DeviceReport& report,
                     const dmi::wire::Done& done);
  void report_state(const dmi::wire::Caller& caller, const dmi::ObjectId& device,
                    const std::string& state, const dmi::wire::Done& done);
  void report_batch(const dmi::wire::Caller& caller, const std::string& mapper,
                    std::vector<dmi::wire::BatchItem> items, const dmi::wire::BatchDone& done);
  void batches_ended(const std::string& mapper);

  void device_changed(const Change& change);
  void model_changed(const dmi::ObjectId& model);

  std::size_t size() const { return mappers_.size(); }
  const DmiLink::Counters& counters() const { return counters_; }
  std::vector<DmiLink::MapperView> view() const;

 private:
  struct Mapper {
    std::unique_ptr<MapperLink> link;
    std::unique_ptr<Probe> probe;
    std::unique_ptr<base::Timer> next_look;
    dmi::wire::Caller process = {};  // that registered, as process_of() says
    int silences = 0;                // in a row
    bool batches = false;            // its stream is open
    base::SteadyTime last_batch{};
    bool gave_up = false;           // its devices were handed on to whom they belong, or may be
    std::int64_t registration = 0;  // its number; an older one is not answered
    bool ordered = false;           // it orders our calls by that number
  };

  // ---- MapperHost ----
  bool belongs(const MapperLink& mapper, const dmi::ObjectId& device) override;
  std::optional<dmi::Device> device_for(const MapperLink& mapper,
                                        const dmi::ObjectId& device) override;
  bool free_for(const MapperLink& mapper, const dmi::ObjectId& device) override;
  void let_go(const MapperLink& mapper, const dmi::ObjectId& device) override;
  // Says in the status why nothing happens with a device, or that nothing is in the way.
  void explain(const dmi::ObjectId& device) override;
  void called(bool failed) override;

  Mapper& add(const dmi::MapperInfo& info, base::Duration first_delay);
  base::Status make_room(const dmi::MapperInfo& info);
  void set_process(const std::string& name, const dmi::wire::Caller& process);
  Core::Assignment share_of(const std::string& name);
  void answer(const std::string& name, bool with_data, bool same_process, const Registered& done);
  // Carries out what the assignment decided: who gets a device hears of it when that is on disk,
  // because after a crash another one would get it again.
  void follow(const Assignment::Moves& moves);
  void when_on_disk(std::function<void()> task);
  void look_at(const std::string& mapper, const dmi::ObjectId& device);
  void remember_gone(const std::string& mapper, const dmi::ObjectId& device);
  void forget_gone(const std::string& mapper, const dmi::ObjectId& device);
  std::string obstacle(const dmi::ObjectId& device) const;
  // Nobody asks this device how it is; one that is gone needs no state.
  void turn_unknown(const dmi::ObjectId& device);

  // ---- presence.cpp ----
  void look_later(const std::string& name);
  void look(const std::string& name);
  void looked(const std::string& name, Probe::Answer answer);
  void set_presence(const std::string& name, Presence presence);
  std::string away_text(const std::string& name) const;  // "": it is up
  // Time alone: take-overs, devices that need not wait any more, mappers that are forgotten.
  void tick();
  void hand_on(const std::string& name);

  // ---- reports.cpp ----
  // Which process calls, and no more. One of ours: its number, with the user that the kernel knows
  // of it. A stock one: its pid, which two may share; default-made where that is not known.
  static dmi::wire::Caller process_of(const dmi::wire::Caller& caller);
  // refused: it is not the process that registered the mapper. A stock mapper may be anybody who
  // has registered nothing else.
  base::Status is_of(const dmi::wire::Caller& caller, const std::string& mapper) const;
  // Who reports; refused: the device belongs to another mapper.
  base::Result<std::string> reporter(const dmi::wire::Caller& caller,
                                     const dmi::ObjectId& device) const;
  base::Status count(base::Status verdict);

  Core& core_;
  Journal& journal_;
  const DmiLink::Settings settings_;
  Assignment assignment_;
  std::map<std::string, Mapper> mappers_;  // by name
  std::map<dmi::wire::Caller, std::set<std::string>> by_process_;
  std::set<std::string> gone_;                    // keys of the removals that are remembered
  std::map<dmi::ObjectId, std::uint64_t> fresh_;  // moves that are not on disk yet, numbered
  std::uint64_t moves_begun_ = 0;
  std::int64_t registrations_;  // the last one's number
  DmiLink::Counters counters_;
  base::Timer ticker_;
  // A flush may come back after this is gone.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace devicetwin

// Reports: from whom, about whose device.
#include "base/text.hpp"
#include "mappers.hpp"
#include "report.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

namespace {

std::string names(const std::set<std::string>& mappers) {
  std::string all;
  for (const std::string& name : mappers) all += cat(all.empty() ? "" : ", ", name);
  return all;
}

}  // namespace

dmi::wire::Caller Mappers::process_of(const dmi::wire::Caller& caller) {
  if (caller.instance.empty()) return {.pid = caller.pid};
  return {.pid = 0, .uid = caller.uid, .gid = 0, .instance = caller.instance};
}

Status Mappers::is_of(const dmi::wire::Caller& caller, const std::string& name) const {
  const dmi::wire::Caller process = process_of(caller);
  const auto known = by_process_.find(process);
  if (known != by_process_.end() && known->second.contains(name)) return Status();
  const auto mapper = mappers_.find(name);
  const bool ours = mapper != mappers_.end() && !mapper->second.process.instance.empty();
  if (known == by_process_.end() && !ours) return Status();
  return Status(Code::refused, known == by_process_.end()
                                   ? cat("process ", caller.pid, " of user ", caller.uid,
                                         ", which has registered no mapper")
                                   : cat("mapper ", names(known->second)));
}

// DMI's reports do not name the mapper; its process does.
base::Result<std::string> Mappers::reporter(const dmi::wire::Caller& caller,
                                            const ObjectId& device) const {
  const std::string& owner = assignment_.mapper_of(device);
  const Status other = is_of(caller, owner);
  // Of a device that is not there nobody is the owner, and that is what is said.
  if (other.ok() || core_.find(Kind::device, device) == nullptr) return owner;
  return Status(Code::refused, cat(other.text(), ": device ", device.to_string(), " belongs to ",
                                   owner.empty() ? "no mapper" : cat("mapper ", owner)));
}

Status Mappers::count(Status verdict) {
  ++counters_.reports;
  counters_.refused_reports += !verdict.ok();
  return verdict;
}

void Mappers::report_status(const dmi::wire::Caller& caller, const dmi::DeviceReport& report,
                            const dmi::wire::Done& done) {
  const auto actor = reporter(caller, report.device);
  if (!actor) return done(count(actor.status()));
  TwinUpdate update = update_of(report);
  update.actor = *actor;
  core_.update_twin(report.device, std::move(update), Origin::mapper,
                    [this, done](const auto& applied) { done(count(applied.status())); });
}

void Mappers::report_state(const dmi::wire::Caller& caller, const ObjectId& device,
                           const std::string& state, const dmi::wire::Done& done) {
  const auto actor = reporter(caller, device);
  if (!actor) return done(count(actor.status()));
  core_.update_state(device, state, Origin::mapper,
                     [this, done](const Status& status) { done(count(status)); });
}

void Mappers::report_batch(const dmi::wire::Caller& caller, const std::string& name,
                           std::vector<dmi::wire::BatchItem> items,
                           const dmi::wire::BatchDone& done) {
  const auto found = mappers_.find(name);
  if (found == mappers_.end()) {
    return done(Status(Code::refused, cat("mapper ", name, ": not registered")));
  }
  if (const Status other = is_of(caller, name); !other.ok()) {
    return done(Status(Code::refused, cat("mapper ", name, ": registered by another process than ",
                                          other.text())));
  }
  ++counters_.batches;
  found->second.batches = true;
  found->second.last_batch = core_.loop().now();
  // Nothing of a report waits for the disk, so every verdict is there when update_twin returns.
  std::vector<Status> verdicts(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& [report, state] = items[i];
    const std::string& owner = assignment_.mapper_of(report.device);
    if (owner != name && core_.find(Kind::device, report.device) != nullptr) {
      verdicts[i] = Status(
          Code::refused, cat("mapper ", name, ": device ", report.device.to_string(),
                             " belongs to ", owner.empty() ? "no mapper" : cat("mapper ", owner)));
    }
    if (!report.twins.empty() && verdicts[i].ok()) {
      TwinUpdate update = update_of(report);
      update.actor = name;
      core_.update_twin(report.device, std::move(update), Origin::mapper,
                        [&](const auto& applied) { verdicts[i] = applied.status(); });
    }
    if (!state.empty() && verdicts[i].ok()) {
      core_.update_state(report.device, state, Origin::mapper,
                         [&](const Status& status) { verdicts[i] = status; });
    }
    verdicts[i] = count(std::move(verdicts[i]));
  }
  done(std::move(verdicts));
}

void Mappers::batches_ended(const std::string& name) {
  if (const auto found = mappers_.find(name); found != mappers_.end()) {
    found->second.batches = false;
  }
}

}  // namespace devicetwin

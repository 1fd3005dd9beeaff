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

// DMI's reports do not name the mapper; its process does, where the kernel tells it.
base::Result<std::string> Mappers::reporter(const dmi::wire::Caller& caller,
                                            const ObjectId& device) const {
  const std::string& owner = assignment_.mapper_of(device);
  const auto known = by_pid_.find(caller.pid);
  if (caller.pid == 0 || known == by_pid_.end() || known->second.contains(owner)) return owner;
  if (core_.find(Kind::device, device) == nullptr) return *known->second.begin();  // not_found
  return Status(Code::refused,
                cat("mapper ", names(known->second), ": device ", device.to_string(),
                    " belongs to ", owner.empty() ? "no mapper" : cat("mapper ", owner)));
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
  const auto known = by_pid_.find(caller.pid);
  if (caller.pid != 0 && known != by_pid_.end() && !known->second.contains(name)) {
    return done(Status(Code::refused, cat("mapper ", name, ": registered by another process than ",
                                          caller.pid, ", mapper ", names(known->second))));
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

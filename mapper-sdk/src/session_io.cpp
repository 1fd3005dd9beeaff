// The batches of a session: what is read and written when, and what comes of it.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.hpp"
#include "refine.hpp"
#include "session.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

bool Session::start_verify() {
  if (verify_.empty()) return false;
  fill_batch(verify_);
  read_batch(Phase::verifying);
  return true;
}

// Accepts what the device holds already. verify_ has lost what was desired anew meanwhile: a change
// of the desired value is always written.
void Session::accept_held() {
  for (const std::size_t point : verify_) {
    const std::optional<dmi::Value>& desired = twin_.desired(point);
    const std::optional<dmi::Sample> seen = twin_.reported(point);
    if (!desired || !seen || !seen->status.ok() || !seen->value) continue;
    const Point& described = target_->points[point];
    if (!described.writable || !holds(described, *seen->value, *desired)) continue;
    twin_.accept(point, dmi::Value(*desired));
    has_untold_ = true;
  }
  verify_.clear();
}

bool Session::start_write() {
  if (!held_.empty() && context_.loop.now() >= held_until_) {
    held_.clear();
    may_pend_ = true;
  }
  if (!may_pend_) return false;
  may_pend_ = false;
  fill_commands();
  if (commands_.empty()) {
    tell();  // of what was refused before it reached the driver
    return false;
  }
  begin(Phase::writing);
  driver_->write(commands_, [this](Status status) { finish_write(std::move(status)); });
  return true;
}

void Session::fill_commands() {
  commands_.clear();
  wanted_.clear();
  for (const std::size_t point : twin_.pending()) {
    if (std::find(held_.begin(), held_.end(), point) != held_.end()) continue;
    const dmi::Value desired = *twin_.desired(point);
    base::Result<dmi::Value> raw = to_raw(target_->points[point], desired);
    if (!raw) {
      refuse(point, desired, raw.status());
      has_untold_ = true;
      continue;
    }
    if (target_->points[point].write_once) {
      const Status noted = context_.ledger.note(ledger_key(point), desired_text(point));
      if (!noted.ok()) {
        hold(point);
        refuse(point, desired, noted);
        has_untold_ = true;
        continue;
      }
    }
    commands_.push_back({target_->points[point], std::move(*raw), std::nullopt});
    wanted_.push_back(desired);
  }
}

void Session::refuse(std::size_t point, const dmi::Value& value, Status why) {
  why = named(std::move(why));
  context_.repeats.warn(context_.loop.now(),
                        cat(id_.to_string(), ".", target_->points[point].name, " write"),
                        cat("desired value not written: ", why.text()));
  twin_.refuse(point, value, std::move(why));
}

// What could not be written now is tried once per cycle, and not more than once a second.
void Session::hold(std::size_t point) {
  held_.push_back(point);
  base::Duration wait = std::chrono::seconds(60);
  for (const Group& group : groups_) wait = std::min(wait, group.cycle);
  held_until_ = context_.loop.now() + std::max<base::Duration>(wait, std::chrono::seconds(1));
}

void Session::finish_write(Status status) {
  assert(phase_ == Phase::writing);
  end_call();
  read_back_.clear();
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    const std::size_t point = commands_[i].point.index;
    Status outcome = status;
    if (commands_[i].status) {
      outcome = std::move(*commands_[i].status);
    } else if (status.ok()) {
      outcome = Status(Code::internal, "the driver did not say whether it wrote");
    }
    outcome = settle_once(point, std::move(outcome));
    if (outcome.ok()) {
      twin_.accept(point, wanted_[i]);
      read_back_.push_back(point);
    } else {
      if (outcome.retriable()) hold(point);
      refuse(point, wanted_[i], std::move(outcome));
    }
    has_untold_ = true;
  }
  if (!status.ok()) {
    drop_batch();
    return lost(std::move(status));
  }
  reached();
  if (read_back_.empty()) {
    tell();
    return step();
  }
  fill_batch(read_back_);
  read_batch(Phase::reading);
}

// Moves a group to the first place of its grid that is not before now, and counts those left out:
// a slow device is not asked without a pause, and the phases of devices stay apart.
void Session::skip(Group& group, base::SteadyTime now) {
  if (group.due >= now) return;
  const auto missed = (now - group.due + group.cycle - base::Duration(1)) / group.cycle;
  overruns_ += static_cast<std::uint64_t>(missed);
  group.due += group.cycle * missed;
  context_.cadence.skipped(id_, static_cast<std::uint64_t>(missed));
}

// A device is read at once when it is opened, and then at its own places of the cycle, by a hash of
// its name: a thousand devices that come back in one moment are not read in one moment from then
// on.
base::SteadyTime Session::next_place(const Group& group) const {
  if (group.on_grid || !context_.spread) return group.due + group.cycle;
  const base::Duration offset(static_cast<base::Duration::rep>(dmi::ObjectIdHash()(id_) >> 1) %
                              group.cycle.count());
  // Added, not taken away: just after the machine's start less time has passed than the offset.
  const base::Duration since = (group.due.time_since_epoch() + offset) % group.cycle;
  const base::SteadyTime next = group.due - since + group.cycle;
  return next - group.due < group.cycle / 2 ? next + group.cycle : next;
}

void Session::fill_batch(const std::vector<std::size_t>& points) {
  drop_batch();
  batch_ = context_.batches.take();
  for (const std::size_t point : points) batch_.push_back({target_->points[point], {}});
}

// Nothing is with the driver any more.
void Session::drop_batch() { context_.batches.give(std::exchange(batch_, {})); }

bool Session::start_read() {
  const base::SteadyTime now = context_.loop.now();
  if (std::ranges::none_of(groups_, [&](const Group& group) { return group.due <= now; })) {
    return false;
  }
  fill_batch({});
  for (Group& group : groups_) {
    if (group.due > now) continue;
    batch_.reserve(batch_.size() + group.points.size());
    for (const std::uint32_t point : group.points) {
      batch_.push_back({target_->points[point], {}});
    }
    group.reading = true;
    context_.cadence.started(group.cycle, group.due, now);
    // The place just taken is not a missed one; those behind it are.
    group.due = next_place(group);
    group.on_grid = true;
    skip(group, now + base::Duration(1));
  }
  read_batch(Phase::reading);
  return true;
}

void Session::read_batch(Phase phase) {
  begin(phase);
  driver_->read(batch_, [this](Status status) { finish_read(std::move(status)); });
}

// A large device may take a while to be read: what is desired now does not wait for all of it.
void Session::hurry() {
  const bool polling = phase_ == Phase::reading && read_back_.empty();
  if (!polling || !may_pend_ || haste_ != Haste::possible) return;
  if (driver_->hurry()) haste_ = Haste::asked;
}

void Session::finish_read(Status status) {
  const bool verifying = phase_ == Phase::verifying;
  const bool cut_short = haste_ == Haste::asked && !verifying;
  assert(verifying || phase_ == Phase::reading);
  end_call();
  const base::SteadyTime now = context_.loop.now();
  for (Reading& reading : batch_) {
    if (reading.sample) take_sample(reading.point.index, std::move(*reading.sample), now);
  }
  for (Group& group : groups_) {
    // Only what took longer than its own cycle: one that became due beside it is merely late.
    if (!std::exchange(group.reading, false)) continue;
    if (cut_short) {
      group.due -= group.cycle;  // its place in the grid again: after the write it is read whole
    } else {
      skip(group, now);
    }
  }
  const bool polled = !verifying && read_back_.empty();
  read_back_.clear();
  if (polled) haste_ = cut_short ? Haste::used : Haste::possible;
  if (!status.ok()) return lost(std::move(status));
  drop_batch();
  reached();
  if (verifying) accept_held();
  tell();
  step();
}

void Session::take_sample(std::size_t point, dmi::Sample&& sample, base::SteadyTime now) {
  if (sample.time == base::Time{}) sample.time = context_.loop.wall();
  refine(target_->points[point], sample);
  if (!sample.status.ok()) sample.status = with_device(id_, std::move(sample.status));
  const bool changed = twin_.report(point, std::move(sample), now);
  has_untold_ = has_untold_ || changed;
  if (twin_.desired(point)) watch(point);
}

// What a writeOnce point's desired value has come to: where the device may have carried it out,
// that was its one time.
Status Session::settle_once(std::size_t point, Status outcome) {
  if (!target_->points[point].write_once) return outcome;
  if (outcome.ok()) context_.ledger.carried_out(ledger_key(point));
  if (outcome.code() != Code::timeout) return outcome;
  return Status(Code::conflict, cat(outcome.text(),
                                    "; it may have been carried out, and writeOnce "
                                    "forbids to send it again"));
}

// Looks at what was read of a setting. One whose answer was lost has arrived if the device holds
// it. One that the device took and that reads otherwise was clamped, or changed on the spot.
void Session::watch(std::size_t index) {
  const Point& point = target_->points[index];
  const std::optional<dmi::Value>& desired = twin_.desired(index);
  const dmi::Sample seen = *twin_.reported(index);
  if (point.write_once || !seen.status.ok() || !seen.value) return;
  if (!twin_.settled(index)) {
    const bool lost = twin_.refusal(index).code() == Code::timeout;
    if (!lost || !holds(point, *seen.value, *desired)) return;
    twin_.accept(index, dmi::Value(*desired));
    std::erase(held_, index);
    has_untold_ = true;
    return;
  }
  if (twin_.observed(index) != desired) return;
  const bool overruled = twin_.refusal(index).code() == Code::conflict;
  if (holds(point, *seen.value, *desired) || is_rounded(point, *seen.value, *desired)) {
    if (!overruled) return;
    twin_.accept(index, dmi::Value(*desired));
  } else {
    if (overruled) return;  // its first reason stands
    twin_.overrule(
        index, named(Status(Code::conflict, cat(point.name, " is overridden by the device: reads ",
                                                dmi::to_text(*seen.value, point.type),
                                                " instead of ", desired_text(index)))));
  }
  has_untold_ = true;
}

std::string Session::ledger_key(std::size_t point) const {
  return cat(id_.to_string(), '.', target_->points[point].name);
}

std::string Session::desired_text(std::size_t point) const {
  return dmi::to_text(*twin_.desired(point), target_->points[point].type);
}

}  // namespace mapper

#include "dmi/twin.hpp"

#include <cassert>

namespace dmi {

bool Twin::desire(std::size_t point, std::optional<Value> value) {
  Entry& entry = entries_.at(point);
  if (entry.desired == value) return false;
  entry.desired = std::move(value);
  entry.refusal = base::Status();
  // Also when it equals what was accepted before: the device may have moved on since.
  entry.accepted = false;
  entry.untold = true;
  return true;
}

std::vector<std::size_t> Twin::pending() const {
  std::vector<std::size_t> points;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].desired && !entries_[i].accepted) points.push_back(i);
  }
  return points;
}

const std::optional<Value>& Twin::desired(std::size_t point) const {
  return entries_.at(point).desired;
}

void Twin::accept(std::size_t point, const Value& value) {
  Entry& entry = entries_.at(point);
  if (entry.desired != value) return;
  entry.observed = value;
  entry.refusal = base::Status();
  entry.accepted = true;
  entry.untold = true;
}

void Twin::refuse(std::size_t point, const Value& value, base::Status why) {
  assert(!why.ok());
  Entry& entry = entries_.at(point);
  if (entry.desired != value) return;
  entry.untold = entry.untold || entry.refusal != why;
  entry.accepted = !why.retriable();
  entry.refusal = std::move(why);
}

void Twin::again(std::size_t point) { entries_.at(point).accepted = false; }

void Twin::overrule(std::size_t point, base::Status why) {
  assert(!why.ok() && !why.retriable());
  Entry& entry = entries_.at(point);
  entry.untold = entry.untold || entry.refusal != why;
  entry.refusal = std::move(why);
}

bool Twin::settled(std::size_t point) const {
  const Entry& entry = entries_.at(point);
  return entry.desired && entry.accepted;
}

const std::optional<Value>& Twin::observed(std::size_t point) const {
  return entries_.at(point).observed;
}

const base::Status& Twin::refusal(std::size_t point) const { return entries_.at(point).refusal; }

bool Twin::report(std::size_t point, Sample sample, base::SteadyTime now) {
  Entry& entry = entries_.at(point);
  const bool changed = !entry.reported || entry.reported->value != sample.value ||
                       entry.reported->status.code() != sample.status.code();
  entry.reported = std::move(sample);
  entry.untold = entry.untold || changed || now - entry.told_at >= refresh;
  return entry.untold;
}

const std::optional<Sample>& Twin::reported(std::size_t point) const {
  return entries_.at(point).reported;
}

std::vector<std::size_t> Twin::untold() const {
  std::vector<std::size_t> points;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].untold) points.push_back(i);
  }
  return points;
}

void Twin::told(std::size_t point, base::SteadyTime now) {
  entries_.at(point).untold = false;
  entries_.at(point).told_at = now;
}

void Twin::retell() {
  for (Entry& entry : entries_) {
    entry.untold = entry.untold || entry.reported || entry.observed || !entry.refusal.ok();
  }
}

}  // namespace dmi

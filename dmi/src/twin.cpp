#include "dmi/twin.hpp"

#include <cassert>
#include <utility>

namespace dmi {

namespace {

const std::optional<Value>& nothing() {
  static const std::optional<Value> none;
  return none;
}

std::uint32_t to_ms(base::SteadyTime time) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count());
}

}  // namespace

const Twin::Wish* Twin::wish(std::size_t point) const {
  if (!entries_.at(point).wished) return nullptr;
  return &wishes_.find(static_cast<std::uint32_t>(point))->second;
}

Twin::Wish* Twin::wish(std::size_t point) {
  return const_cast<Wish*>(std::as_const(*this).wish(point));
}

bool Twin::desire(std::size_t point, std::optional<Value> value) {
  Entry& entry = entries_.at(point);
  if (desired(point) == value) return false;
  entry.wished = true;
  entry.untold = true;
  Wish& wish = wishes_[static_cast<std::uint32_t>(point)];
  wish.desired = std::move(value);
  wish.refusal = base::Status();
  // Also when it equals what was accepted before: the device may have moved on since.
  wish.accepted = false;
  return true;
}

std::vector<std::size_t> Twin::pending() const {
  std::vector<std::size_t> points;
  for (const auto& [point, wish] : wishes_) {
    if (wish.desired && !wish.accepted) points.push_back(point);
  }
  return points;
}

const std::optional<Value>& Twin::desired(std::size_t point) const {
  const Wish* const known = wish(point);
  return known != nullptr ? known->desired : nothing();
}

void Twin::accept(std::size_t point, const Value& value) {
  Wish* const known = wish(point);
  if (known == nullptr || known->desired != value) return;
  known->observed = value;
  known->refusal = base::Status();
  known->accepted = true;
  entries_[point].untold = true;
}

void Twin::refuse(std::size_t point, const Value& value, base::Status why) {
  assert(!why.ok());
  Wish* const known = wish(point);
  if (known == nullptr || known->desired != value) return;
  entries_[point].untold = entries_[point].untold || known->refusal != why;
  known->accepted = !why.retriable();
  known->refusal = std::move(why);
}

void Twin::again(std::size_t point) {
  if (Wish* const known = wish(point)) known->accepted = false;
}

void Twin::overrule(std::size_t point, base::Status why) {
  assert(!why.ok() && !why.retriable());
  Wish* const known = wish(point);
  if (known == nullptr) return;
  entries_[point].untold = entries_[point].untold || known->refusal != why;
  known->refusal = std::move(why);
}

bool Twin::settled(std::size_t point) const {
  const Wish* const known = wish(point);
  return known != nullptr && known->desired && known->accepted;
}

const std::optional<Value>& Twin::observed(std::size_t point) const {
  const Wish* const known = wish(point);
  return known != nullptr ? known->observed : nothing();
}

const base::Status& Twin::refusal(std::size_t point) const {
  static const base::Status none;
  const Wish* const known = wish(point);
  return known != nullptr ? known->refusal : none;
}

Twin::Packed Twin::packed(std::optional<Value>&& value) {
  if (!value) return std::monostate();
  if (const auto* yes = std::get_if<bool>(&*value)) return *yes;
  if (const auto* integer = std::get_if<std::int64_t>(&*value)) return *integer;
  if (const auto* real = std::get_if<double>(&*value)) return *real;
  return std::make_unique<const Value>(std::move(*value));
}

std::optional<Value> Twin::unpacked(const Packed& packed) {
  if (const auto* yes = std::get_if<bool>(&packed)) return *yes;
  if (const auto* integer = std::get_if<std::int64_t>(&packed)) return *integer;
  if (const auto* real = std::get_if<double>(&packed)) return *real;
  if (const auto* apart = std::get_if<std::unique_ptr<const Value>>(&packed)) return **apart;
  return std::nullopt;
}

bool Twin::equal(const Packed& packed, const std::optional<Value>& value) {
  if (!value) return std::holds_alternative<std::monostate>(packed);
  if (const auto* apart = std::get_if<std::unique_ptr<const Value>>(&packed)) {
    return **apart == *value;
  }
  return unpacked(packed) == value;
}

// The way of nearly every sample, a million times a second: a number after a number. false: it is
// not that, and nothing was done.
template <class Number>
bool Twin::renew(Packed& packed, const std::optional<Value>& value, bool& changed) {
  Number* const known = std::get_if<Number>(&packed);
  const Number* const seen = value ? std::get_if<Number>(&*value) : nullptr;
  if (known == nullptr || seen == nullptr) return false;
  changed = *known != *seen;
  *known = *seen;
  return true;
}

bool Twin::report(std::size_t point, Sample&& sample, base::SteadyTime now) {
  Entry& entry = entries_.at(point);
  const std::uint32_t now_ms = to_ms(now);
  constexpr std::uint32_t refresh_ms = std::chrono::milliseconds(refresh).count();
  bool changed = !entry.reported || entry.status.code() != sample.status.code();
  bool other = false;
  const bool number = renew<double>(entry.value, sample.value, other) ||
                      renew<std::int64_t>(entry.value, sample.value, other);
  if (!number && !equal(entry.value, sample.value)) {
    other = true;
    entry.value = packed(std::move(sample.value));
  }
  changed = changed || other;
  entry.status = std::move(sample.status);
  entry.time = sample.time;
  entry.reported = true;
  entry.untold = entry.untold || changed || now_ms - entry.told_at_ms >= refresh_ms;
  return entry.untold;
}

bool Twin::is_reported(std::size_t point) const { return entries_.at(point).reported; }

std::optional<Sample> Twin::reported(std::size_t point) const {
  const Entry& entry = entries_.at(point);
  if (!entry.reported) return std::nullopt;
  Sample sample(entry.status, entry.time);
  sample.value = unpacked(entry.value);
  return sample;
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
  entries_.at(point).told_at_ms = to_ms(now);
}

void Twin::retell() {
  for (Entry& entry : entries_) entry.untold = entry.untold || entry.reported;
  for (const auto& [point, wish] : wishes_) {
    if (wish.observed || !wish.refusal.ok()) entries_[point].untold = true;
  }
}

}  // namespace dmi

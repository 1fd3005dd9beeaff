#include "modbus/breaker.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"

namespace modbus {

using base::cat;

std::string seconds_text(base::Duration time) {
  // Rounded up: what is "0 s" away would be tried already.
  const auto tenths = std::chrono::ceil<std::chrono::duration<std::int64_t, std::deci>>(time);
  if (tenths.count() < 100 && tenths.count() % 10 != 0) {
    return cat(tenths.count() / 10, ".", tenths.count() % 10, " s");
  }
  return cat(std::chrono::ceil<std::chrono::seconds>(time).count(), " s");
}

Breaker::Unit* Breaker::find(std::uint8_t unit) {
  const auto found = std::ranges::find(units_, unit, &Unit::number);
  return found == units_.end() ? nullptr : &*found;
}
const Breaker::Unit* Breaker::find(std::uint8_t unit) const {
  return const_cast<Breaker*>(this)->find(unit);
}

Breaker::Admission Breaker::admit(std::uint8_t number, base::SteadyTime now) {
  Unit* const unit = find(number);
  if (unit == nullptr || unit->state == State::closed) return Admission::normal;
  if (unit->state == State::half_open || now < unit->until) return Admission::refused;
  unit->state = State::half_open;
  return Admission::probe;
}

base::Duration Breaker::answered(std::uint8_t number, base::SteadyTime now) {
  const Unit* const unit = find(number);
  if (unit == nullptr) return {};
  const base::Duration away = unit->state == State::closed ? base::Duration{} : now - unit->since;
  units_.erase(units_.begin() + (unit - units_.data()));
  return away;
}

Breaker::Opened Breaker::unanswered(std::uint8_t number, base::SteadyTime sent,
                                    base::SteadyTime now) {
  Unit* unit = find(number);
  if (unit == nullptr) {
    unit = &units_.emplace_back();
    unit->number = number;
    unit->since = sent;
  }
  ++unit->failures;
  if (unit->state == State::closed && unit->failures < failures_to_open) return {};
  const bool first = unit->state == State::closed;
  unit->window = first ? first_window : std::min(longest_window, unit->window * 2);
  unit->until = now + unit->window;
  unit->state = State::open;
  return {true, first};
}

void Breaker::returned(std::uint8_t number) {
  Unit* const unit = find(number);
  if (unit != nullptr && unit->state == State::half_open) unit->state = State::open;
}

Breaker::State Breaker::state(std::uint8_t number) const {
  const Unit* const unit = find(number);
  return unit == nullptr ? State::closed : unit->state;
}

std::string Breaker::explain(std::uint8_t number, base::SteadyTime now) const {
  const Unit* const unit = find(number);
  assert(unit != nullptr);
  std::string text =
      cat("unit ", number, " has not answered for ", seconds_text(now - unit->since));
  if (unit->state == State::half_open) return cat(text, "; it is being asked now");
  return cat(text, "; asked again in ",
             seconds_text(std::max(base::Duration::zero(), unit->until - now)));
}

std::string Breaker::open_units() const {
  std::vector<int> open;
  for (const Unit& unit : units_) {
    if (unit.state != State::closed) open.push_back(unit.number);
  }
  std::ranges::sort(open);
  std::string text;
  for (const int unit : open) text += cat(text.empty() ? "" : ", ", unit);
  return text;
}

}  // namespace modbus

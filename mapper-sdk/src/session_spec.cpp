// The specification of a session: what differs between the old one and the new one.
#include <algorithm>

#include "base/text.hpp"
#include "session.hpp"
#include "target.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

void Session::update(dmi::Device device, const dmi::DeviceModel* model) {
  base::Result<Target> target =
      model != nullptr
          ? make_target(device, *model, context_.protocol)
          : base::Result<Target>(Status(Code::not_found, cat(id_.to_string(), ": waits for model ",
                                                             device.id.space, "/", device.model)));
  device_ = std::move(device);
  if (!target) {
    Target names = names_only(device_);
    if (!openable_ && target.status() == broken_ && same(*target_, names)) return;
    openable_ = false;
    return brake(target.status(), std::move(names));
  }
  if (!openable_ || !same(*target_, *target)) return adopt(std::move(*target));
  desire_all();
  hurry();
  step();
}

void Session::adopt(Target target) {
  close();
  target_ = std::make_shared<const Target>(std::move(target));
  twin_ = dmi::Twin(target_->points.size());
  taken_.clear();
  untold_.clear();
  verify_.clear();
  batch_.clear();
  held_.clear();
  broken_ = Status();
  openable_ = true;
  if (state_ == "unhealthy") state_ = "unknown";
  groups_.clear();
  for (const Point& point : target_->points) {
    auto group = std::find_if(groups_.begin(), groups_.end(),
                              [&](const Group& group) { return group.cycle == point.cycle; });
    if (group == groups_.end()) {
      group = groups_.insert(group, Group{point.cycle, {}, {}, false});
    }
    group->points.push_back(point.index);
  }
  backoff_.reset();
  desire_all();
  recall();
  phase_ = Phase::waiting;
  timer_.start(tried_ ? base::Duration::zero() : first_delay(), [this] { open(); });
}

// Ends the session's work until the specification changes; every point says why.
void Session::brake(Status why, Target names) {
  close();
  phase_ = Phase::broken;
  broken_ = std::move(why);
  context_.repeats.warn(context_.loop.now(), id_.to_string(), broken_.text());
  if (!same(*target_, names)) {
    target_ = std::make_shared<const Target>(std::move(names));
    twin_ = dmi::Twin(target_->points.size());
    taken_.clear();
    untold_.clear();
  }
  groups_.clear();
  verify_.clear();
  held_.clear();
  batch_.clear();
  state_ = "unhealthy";
  fail_all(broken_);
  tell();
}

void Session::desire_all() {
  for (std::size_t i = 0; i < target_->points.size() && i < device_.properties.size(); ++i) {
    if (!desire(i, device_.properties[i])) continue;
    std::erase(verify_, i);
    std::erase(held_, i);
    may_pend_ = true;
    has_untold_ = true;
  }
}

// Desired values of writeOnce points that were sent before this session, or this process, began.
void Session::recall() {
  for (const std::size_t point : twin_.pending()) {
    if (!target_->points[point].write_once) continue;
    const dmi::Value desired = *twin_.desired(point);
    const std::string text = desired_text(point);
    const auto observed = device_.observed.find(target_->points[point].name);
    const bool known =
        observed != device_.observed.end() &&
        dmi::parse_value(observed->second.value, target_->points[point].type).ok() &&
        *dmi::parse_value(observed->second.value, target_->points[point].type) == desired;
    if (known || context_.ledger.was_carried_out(ledger_key(point), text)) {
      twin_.accept(point, desired);
    } else if (context_.ledger.sent(ledger_key(point), text)) {
      twin_.refuse(point, desired,
                   named(Status(Code::conflict,
                                cat(target_->points[point].name, ": ", text,
                                    " was sent before the mapper started; it may have been carried "
                                    "out, and writeOnce forbids to send it again"))));
    }
  }
}

// A device that lost power gets its settings back, but not one that it was seen to change by
// itself: that was somebody's wish on the spot.
void Session::pend_again() {
  for (std::size_t i = 0; i < twin_.size(); ++i) {
    const bool overruled = twin_.settled(i) && twin_.refusal(i).code() == Code::conflict;
    if (!overruled && !target_->points[i].write_once) twin_.again(i);
  }
}

// A text that is no value of the type is desired all the same: to_raw refuses it, with the reason,
// every time it is tried.
bool Session::desire(std::size_t point, const dmi::DeviceProperty& property) {
  if (!property.desired || property.desired->value.empty()) return twin_.desire(point, {});
  const std::string& text = property.desired->value;
  const base::Result<dmi::Value> value = dmi::parse_value(text, target_->points[point].type);
  return twin_.desire(point, value ? *value : dmi::Value(text));
}

base::Duration Session::first_delay() const {
  if (!context_.spread || groups_.empty()) return base::Duration::zero();
  base::Duration most = std::chrono::seconds(1);
  for (const Group& group : groups_) most = std::min(most, group.cycle);
  const auto steps = std::chrono::duration_cast<std::chrono::microseconds>(most).count();
  const auto hash = dmi::ObjectIdHash()(id_);
  return std::chrono::microseconds(hash % static_cast<std::size_t>(steps));
}

}  // namespace mapper

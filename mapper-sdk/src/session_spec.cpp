// The specification of a session: what differs between the old one and the new one.
#include <algorithm>

#include "base/text.hpp"
#include "session.hpp"
#include "target.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Status;

namespace {

bool same_names(const Points& a, const Points& b) {
  return a.data() == b.data() || std::ranges::equal(a, b, {}, &Point::name, &Point::name);
}

}  // namespace

void Session::update(dmi::Device device, std::shared_ptr<const dmi::DeviceModel> model) {
  desired_.clear();
  for (std::uint32_t i = 0; i < device.properties.size(); ++i) {
    std::optional<dmi::TwinValue>& desired = device.properties[i].desired;
    if (desired) desired_.push_back({i, std::move(*desired)});
  }
  model_id_ = {device.id.space, device.model};
  const std::shared_ptr<const Blueprint> before = std::exchange(
      blueprint_, context_.blueprints.share(std::move(device.properties), std::move(model)));
  device.properties = {};
  device_ = std::move(device);
  base::Result<Target> target = make_address(device_, context_.protocol);
  if (blueprint_->model == nullptr) {
    target =
        Status(Code::not_found, cat(id_.to_string(), ": waits for model ", model_id_.to_string()));
  } else if (target && !blueprint_->wrong.ok()) {
    target = named(blueprint_->wrong);
  }
  if (!target) {
    Points names =
        blueprint_->wrong.ok() ? names_only(*blueprint_->properties) : blueprint_->points;
    if (!openable_ && target.status() == broken_ && same_names(target_->points, names)) return;
    openable_ = false;
    return brake(target.status(), std::move(names));
  }
  target->points = blueprint_->points;
  if (!openable_ || !same(*target_, *target)) return adopt(std::move(*target));
  // The points stay those the driver knows.
  for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].points = blueprint_->groups[i].points;
  desire_all();
  hurry();
  step();
}

dmi::Device Session::device() const {
  dmi::Device device = device_;
  if (!blueprint_) return device;
  device.properties = *blueprint_->properties;
  for (const Desired& one : desired_) device.properties[one.property].desired = one.value;
  return device;
}

bool Session::is(const dmi::Device& device, const dmi::DeviceModel* model) const {
  if (!blueprint_ || (model == nullptr) != (blueprint_->model == nullptr)) return false;
  if (model != nullptr && model != blueprint_->model.get() && *model != *blueprint_->model) {
    return false;
  }
  if (device.id != device_.id || device.generation != device_.generation ||
      device.model != device_.model || device.node != device_.node ||
      device.protocol != device_.protocol || device.methods != device_.methods ||
      device.state_report != device_.state_report ||
      !std::ranges::equal(device.properties, *blueprint_->properties, equal_but_desired)) {
    return false;
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < device.properties.size(); ++i) {
    const bool here = next < desired_.size() && desired_[next].property == i;
    if (here != device.properties[i].desired.has_value()) return false;
    if (here && desired_[next++].value != *device.properties[i].desired) return false;
  }
  return true;
}

void Session::adopt(Target target) {
  close();
  target_ = std::make_shared<const Target>(std::move(target));
  twin_ = dmi::Twin(target_->points.size());
  forget_told();
  verify_.clear();
  drop_batch();
  held_.clear();
  broken_ = Status();
  openable_ = true;
  if (state_ == "unhealthy") state_ = "unknown";
  groups_.clear();
  for (const Blueprint::Group& group : blueprint_->groups) {
    groups_.push_back({group.cycle, {}, group.points});
  }
  backoff_.reset();
  desire_all();
  recall();
  phase_ = Phase::waiting;
  timer_.start(tried_ ? base::Duration::zero() : first_delay(), [this] { open(); });
}

// Ends the session's work until the specification changes; every point says why.
void Session::brake(Status why, Points names) {
  close();
  phase_ = Phase::broken;
  broken_ = std::move(why);
  context_.repeats.warn(context_.loop.now(), id_.to_string(), broken_.text());
  if (!same_names(target_->points, names)) {
    target_ = std::make_shared<const Target>(Target{id_, {}, std::move(names)});
    twin_ = dmi::Twin(target_->points.size());
    forget_told();
  }
  groups_.clear();
  verify_.clear();
  held_.clear();
  drop_batch();
  state_ = "unhealthy";
  fail_all(broken_);
  tell();
}

void Session::desire_all() {
  static const std::string none;
  auto wish = desired_.begin();
  for (std::size_t i = 0; i < target_->points.size(); ++i) {
    const bool here = wish != desired_.end() && wish->property == i;
    if (!desire(i, here ? (wish++)->value.value : none)) continue;
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
    bool known = false;
    if (observed != device_.observed.end()) {
      const auto accepted = dmi::parse_value(observed->second.value, target_->points[point].type);
      known = accepted && *accepted == desired;
    }
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
bool Session::desire(std::size_t point, const std::string& text) {
  if (text.empty()) return twin_.desire(point, {});
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

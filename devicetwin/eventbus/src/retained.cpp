// What the broker keeps for those who subscribe late: a device's retained document holds all its
// current twins, so that one message is the whole picture. It is told at most once a second per
// device, beside the documents of differences, and taken back when the device goes.
#include "base/text.hpp"
#include "dispatcher.hpp"
#include "payload.hpp"

namespace devicetwin::bus {

using dmi::ObjectId;

namespace {

// The topics of a device on which something may be retained.
constexpr std::pair<TopicKind, std::string_view> kept[] = {
    {TopicKind::document, "/twin/update/document"},    {TopicKind::delta, "/twin/update/delta"},
    {TopicKind::update_result, "/twin/update/result"}, {TopicKind::get_result, "/twin/get/result"},
    {TopicKind::state, "/state/update/result"},
};

}  // namespace

void Dispatcher::mark_retained(const ObjectId& device) {
  if (!policies_.at(TopicKind::document).retain) return;
  stale_.insert(device);
  if (!retain_timer_.running()) retain_timer_.start(retain_delay, [this] { tell_retained(); });
}

// Where nobody listens they stay stale: set_listening starts the timer again. In a circle, so that
// a broker which is too slow for all of them has none that never comes.
void Dispatcher::tell_retained() {
  while (listening_ && !stale_.empty()) {
    auto next = stale_.upper_bound(last_retained_);
    if (next == stale_.end()) next = stale_.begin();
    const ObjectId device = *next;
    stale_.erase(next);
    last_retained_ = device;
    const auto rows = core_.rows(device);
    if (!rows) continue;
    publish_news(TopicKind::document, device, "/twin/update/document",
                 whole_document(now_ms(), *rows), true);
  }
}

void Dispatcher::greet() {
  if (!policies_.at(TopicKind::document).retain) return;
  for (const Object* device : core_.list(Kind::device, "")) mark_retained(device->id);
}

// An empty retained payload takes a retained message back (MQTT 3.1.1, 3.3.1.3).
void Dispatcher::clear_retained(const ObjectId& device) {
  stale_.erase(device);
  for (const auto& [kind, suffix] : kept) {
    if (policies_.at(kind).retain) publish_news(kind, device, suffix, "", true);
  }
}

void Dispatcher::retained(std::string_view topic) {
  const auto parts = base::split(topic, '/');
  // $hw/events/device/<namespace>/<name>/… and without the namespace.
  if (parts.size() != 7 && parts.size() != 8) return;
  const bool bare = parts.size() == 7;
  const ObjectId device{bare ? "default" : std::string(parts[3]),
                        std::string(bare ? parts[3] : parts[4])};
  if (core_.find(Kind::device, device) != nullptr) return;
  publish_({std::string(topic), "", {policies_.at(TopicKind::document).qos, true}});
}

}  // namespace devicetwin::bus

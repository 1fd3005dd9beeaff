#include "devicetwin/event_bus.hpp"

#include <optional>

#include "base/log.hpp"
#include "base/text.hpp"
#include "connection.hpp"
#include "dispatcher.hpp"
#include "outbox.hpp"
#include "payload.hpp"
#include "replayer.hpp"

namespace devicetwin {

using base::cat;
using base::Result;
using base::Status;

namespace {

// What waits for the end of the turn at most: more only delays the first of them.
constexpr std::size_t most_together = 32;

}  // namespace

struct EventBus::Impl {
  Core& core;
  Settings settings;
  bus::Outbox outbox;
  bus::Dispatcher dispatcher;
  bool slow = false;     // the outbox was above its high mark and is not below its low one yet
  bool greeted = false;  // connected once since the start
  bool draining = false;
  bool drain_posted = false;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  std::uint64_t received = 0;
  std::uint64_t published = 0;
  std::uint64_t slow_times = 0;
  std::uint64_t uploaded = 0;
  bus::Connection connection;
  std::optional<bus::Replayer> replayer;

  Impl(Core& owner, base::Loop& loop, const Settings& wanted)
      : core(owner),
        settings(wanted),
        dispatcher(
            owner, [this](bus::Message message) { push(std::move(message)); }, wanted.policies),
        // A will is written when we connect and told when we are gone: it has no time of its own.
        connection(
            loop, wanted, node_state("offline", 0),
            {.up = [this] { up(); },
             .down = [this] { listen(); },
             .inbound = {.message = [this](auto topic, auto payload,
                                           bool retained) { message(topic, payload, retained); },
                         .request =
                             [this](const bus::Topic& topic, const bus::Request& request) {
                               ++received;
                               dispatcher.carry_out(topic, request);
                             },
                         .refused = [this](auto topic) { dispatcher.refuse(topic); }},
             .outcome = [this](auto id, bool delivered) { outcome(id, delivered); },
             .settled = [this] { drain(); },
             .renewed =
                 [this] {
                   outbox.failed_all();
                   if (replayer) replayer->pause();
                 }}) {
    dispatcher.set_listening(false);
    dispatcher.set_history(settings.history);
    if (wanted.outbox == nullptr) return;
    replayer.emplace(loop, *wanted.outbox, owner.node(),
                     Replay::Settings{.records_per_s = wanted.replay_per_s},
                     [this](std::uint64_t id, const bus::Message& message) {
                       return connection.publish(id, message);
                     });
    dispatcher.on_missed(
        [this](const auto& device, const auto& rows) { replayer->keep(device, rows); });
  }

  bus::Message node_state(std::string_view state, std::int64_t now_ms) const {
    return {bus::node_topic(core.node(), "/state"), bus::node_state(now_ms, core.node(), state),
            settings.policies.at(TopicKind::node_state)};
  }
  std::int64_t now_ms() const { return base::to_ms(core.loop().wall()); }

  void up();
  void listen();
  void message(std::string_view topic, std::string_view payload, bool retained);
  void outcome(std::uint64_t id, bool delivered);
  void push(bus::Message message);
  void drain();
  void hand_over();
};

void EventBus::Impl::up() {
  outbox.set_most_flying(connection.receive_maximum());
  push(node_state("online", now_ms()));
  dispatcher.greet();
  if (!std::exchange(greeted, true) && settings.policies.at(TopicKind::document).retain) {
    // Devices that were deleted while the broker could not be told.
    connection.read_retained(bus::retained_documents());
  }
  listen();
  drain();
}

// News are published while the broker is there and keeps up; else they are conflated.
void EventBus::Impl::listen() {
  if (!slow && outbox.above_high()) {
    slow = true;
    ++slow_times;
    base::log_warning(cat("MQTT broker ", settings.url, " is ", outbox.size(),
                          " messages behind: only the newest value of a property waits until it "
                          "has caught up"));
  } else if (slow && outbox.below_low()) {
    slow = false;
    base::log_info(cat("MQTT broker ", settings.url, " has caught up"));
  }
  dispatcher.set_listening(connection.connected() && !slow);
  if (!replayer) return;
  if (!connection.connected() || slow) return replayer->pause();
  // Live first: what fills the flight is not waiting behind it.
  if (outbox.size() < bus::Outbox::max_flying) replayer->resume();
}

void EventBus::Impl::message(std::string_view topic, std::string_view payload, bool retained) {
  if (topic.ends_with("/twin/update/document")) {
    if (retained) dispatcher.retained(topic);
    return;
  }
  ++received;
  if (settings.upload && bus::is_upload(topic)) {
    ++uploaded;
    return settings.upload(topic, payload);
  }
  dispatcher.message(topic, payload);
}

void EventBus::Impl::outcome(std::uint64_t id, bool delivered) {
  if ((id & bus::Replayer::id_bit) != 0) {
    if (replayer) replayer->outcome(id, delivered);
  } else if (delivered) {
    outbox.sent(id);
    ++published;
  } else {
    outbox.failed(id);
  }
}

// Handed over together with what else this turn of the loop says, because every wake-up of Paho's
// sending thread is a fight for Paho's locks: most of what a message costs.
void EventBus::Impl::push(bus::Message message) {
  outbox.push(std::move(message));
  if (outbox.size() >= most_together) return drain();
  if (drain_posted) return;
  drain_posted = core.loop().post([this, life = std::weak_ptr(alive)] {
    if (!life.expired()) drain();
  });
  if (!drain_posted) drain();
}

void EventBus::Impl::drain() {
  drain_posted = false;
  // listen() tells what was missed, which pushes, which comes here.
  if (std::exchange(draining, true)) return;
  hand_over();
  draining = false;
  listen();
}

void EventBus::Impl::hand_over() {
  while (connection.connected()) {
    auto next = outbox.take();
    if (!next) return;
    if (connection.publish(next->first, next->second)) continue;
    return outbox.failed(next->first);
  }
}

EventBus::EventBus(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<EventBus>> EventBus::start(Core& core, base::Loop& loop, Settings settings) {
  if (settings.client_id.empty()) settings.client_id = "devicetwin-" + core.node();
  auto impl = std::make_unique<Impl>(core, loop, settings);
  auto topics = bus::subscriptions();
  if (settings.upload) {
    const auto& more = bus::upload_subscriptions();
    topics.insert(topics.end(), more.begin(), more.end());
  }
  if (const Status status = impl->connection.start(std::move(topics)); !status.ok()) {
    return status;
  }
  core.add_outlet(impl->dispatcher);
  return std::unique_ptr<EventBus>(new EventBus(std::move(impl)));
}

EventBus::~EventBus() {
  impl_->hand_over();  // and no more: nobody listens from here on
  impl_->connection.close(impl_->node_state("offline", impl_->now_ms()));
}

base::Lane::Counters EventBus::lane() const {
  const bus::Inbound::Counters inbound = impl_->connection.inbound();
  base::Lane::Counters lane = inbound.lane;
  lane.bytes += inbound.reading;
  lane.refused = inbound.refused;
  return lane;
}

bool EventBus::connected() const { return impl_->connection.connected(); }
int EventBus::mqtt_version() const { return impl_->connection.version(); }

EventBus::Counters EventBus::counters() const {
  return {.received = impl_->received,
          .ignored = impl_->dispatcher.ignored(),
          .published = impl_->published,
          .conflated = impl_->dispatcher.conflated(),
          .replayed = impl_->replayer ? impl_->replayer->delivered() : 0,
          .uploaded = impl_->uploaded,
          .slow = impl_->slow_times,
          .dropped_in = impl_->connection.inbound().refused,
          .dropped_out = impl_->outbox.dropped()};
}

}  // namespace devicetwin

#include "devicetwin/event_bus.hpp"

#include <mqtt/async_client.h>

#include <atomic>
#include <mutex>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "dispatcher.hpp"
#include "outbox.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// What Paho's threads leave for the loop. Outlives the bus where a callback still holds it.
// A mutex and one post per batch, because a post per acknowledgement would fill the loop at
// 20,000 messages a second.
struct Mailbox {
  explicit Mailbox(base::Loop& owner) : loop(owner) {}

  base::Loop& loop;
  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, bool>> outcomes;  // guarded by mutex: id, delivered
  bool posted = false;                                   // guarded by mutex
  std::atomic<std::uint64_t> dropped{0};
  std::function<void()> collect;  // on the loop; set before the client starts
  std::weak_ptr<const bool> life;

  void outcome(std::uint64_t id, bool delivered) {
    const std::lock_guard guard(mutex);
    outcomes.emplace_back(id, delivered);
    if (posted) return;
    posted = post(collect);
  }
  bool post(base::Loop::Task task) {
    return loop.post([life = life, task = std::move(task)] {
      if (!life.expired()) task();
    });
  }
  std::vector<std::pair<std::uint64_t, bool>> take() {
    const std::lock_guard guard(mutex);
    posted = false;
    return std::exchange(outcomes, {});
  }
};

// The token's user context is the message's number.
class Deliveries final : public mqtt::iaction_listener {
 public:
  explicit Deliveries(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
  void on_success(const mqtt::token& token) override { mailbox_->outcome(id(token), true); }
  void on_failure(const mqtt::token& token) override { mailbox_->outcome(id(token), false); }

 private:
  static std::uint64_t id(const mqtt::token& token) {
    return reinterpret_cast<std::uintptr_t>(token.get_user_context());
  }
  std::shared_ptr<Mailbox> mailbox_;
};

// The end of a connect or subscribe, told on the loop.
class Told final : public mqtt::iaction_listener {
 public:
  Told(std::shared_ptr<Mailbox> mailbox, std::function<void(bool)> done)
      : mailbox_(std::move(mailbox)), done_(std::move(done)) {}
  void on_success(const mqtt::token&) override { tell(true); }
  void on_failure(const mqtt::token&) override { tell(false); }

 private:
  void tell(bool worked) {
    mailbox_->post([done = done_, worked] { done(worked); });
  }
  std::shared_ptr<Mailbox> mailbox_;
  std::function<void(bool)> done_;
};

constexpr auto first_wait = std::chrono::milliseconds(500);
constexpr auto most_wait = std::chrono::milliseconds(10'000);
// The broker calls us dead after one and a half of these without a word.
constexpr auto keep_alive = std::chrono::seconds(20);
constexpr auto connect_timeout = std::chrono::seconds(5);
constexpr auto farewell = std::chrono::seconds(1);

}  // namespace

struct EventBus::Impl {
  base::Loop& loop;
  Settings settings;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  std::shared_ptr<Mailbox> mailbox;
  bus::Outbox outbox;
  bus::Dispatcher dispatcher;
  Deliveries deliveries;
  Told connect_told;
  Told subscribe_told;
  base::Timer retry;
  base::Backoff backoff;
  bool connected = false;
  bool said_away = false;
  std::uint64_t received = 0;
  std::uint64_t published = 0;
  // Last: its destructor ends the callbacks that use what is above.
  std::unique_ptr<mqtt::async_client> client;

  Impl(Core& core, base::Loop& owner, Settings wanted)
      : loop(owner),
        settings(std::move(wanted)),
        mailbox(std::make_shared<Mailbox>(owner)),
        dispatcher(core,
                   [this](std::string topic, std::string payload) {
                     outbox.push({std::move(topic), std::move(payload)});
                     drain();
                   }),
        deliveries(mailbox),
        connect_told(mailbox, [this](bool worked) { worked ? subscribe() : away(); }),
        subscribe_told(mailbox, [this](bool worked) { worked ? ready() : start_again(); }),
        retry(owner),
        backoff(first_wait, most_wait,
                static_cast<std::uint32_t>(owner.wall().time_since_epoch().count())) {
    mailbox->life = alive;
    mailbox->collect = [this] { collect(); };
    dispatcher.set_listening(false);
    dispatcher.set_history(settings.history);
  }

  Status create();
  void connect();
  void subscribe();
  void ready();
  void away();
  void start_again();
  void drain();
  void collect();
  void say_away(const std::string& why);
};

Status EventBus::Impl::create() {
  try {
    client = std::make_unique<mqtt::async_client>(settings.url, settings.client_id);
    client->set_message_callback([box = mailbox, this](mqtt::const_message_ptr message) {
      const bool posted = box->post([this, message] {
        ++received;
        const auto& payload = message->get_payload_ref();
        dispatcher.message(message->get_topic(), {payload.data(), payload.size()});
      });
      if (!posted) ++box->dropped;
    });
    client->set_connection_lost_handler(
        [box = mailbox, this](const std::string&) { box->post([this] { away(); }); });
    return Status();
  } catch (const mqtt::exception& error) {
    return Status(Code::invalid, cat("MQTT broker ", settings.url, ": ", error.what()));
  }
}

void EventBus::Impl::connect() {
  auto builder = mqtt::connect_options_builder()
                     .clean_session(!settings.persistent_session)
                     .keep_alive_interval(keep_alive)
                     .connect_timeout(connect_timeout)
                     .max_inflight(static_cast<int>(bus::Outbox::max_flying));
  if (!settings.user.empty()) builder.user_name(settings.user).password(settings.password);
  try {
    client->connect(builder.finalize(), nullptr, connect_told);
  } catch (const mqtt::exception& error) {
    away();
  }
}

void EventBus::Impl::subscribe() {
  const auto& topics = bus::subscriptions();
  const auto collection = std::make_shared<const mqtt::string_collection>(topics);
  try {
    client->subscribe(collection, mqtt::iasync_client::qos_collection(topics.size(), 1), nullptr,
                      subscribe_told);
  } catch (const mqtt::exception& error) {
    start_again();
  }
}

void EventBus::Impl::ready() {
  connected = true;
  backoff.reset();
  base::log_info(cat("connected to the MQTT broker ", settings.url));
  said_away = false;
  dispatcher.set_listening(true);
  drain();
}

void EventBus::Impl::say_away(const std::string& why) {
  if (std::exchange(said_away, true)) return;
  base::log_warning(cat("MQTT broker ", settings.url, " ", why, "; trying again until it answers"));
}

void EventBus::Impl::away() {
  say_away(connected ? "is gone" : "does not answer or refuses us");
  connected = false;
  dispatcher.set_listening(false);
  if (!retry.running()) retry.start(backoff.next(), [this] { connect(); });
}

// Connected, but of no use.
void EventBus::Impl::start_again() {
  say_away("refuses our subscriptions");
  try {
    client->disconnect(0);
  } catch (const mqtt::exception&) {
    // It is gone already, which is what was asked for.
  }
  away();
}

void EventBus::Impl::drain() {
  while (connected) {
    auto next = outbox.take();
    if (!next) return;
    const auto id = next->first;
    try {
      client->publish(mqtt::make_message(std::move(next->second.topic),
                                         std::move(next->second.payload), 1, false),
                      reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)), deliveries);
    } catch (const mqtt::exception&) {
      // Full or disconnected: the next acknowledgement or connection goes on from here.
      outbox.failed(id);
      return;
    }
  }
}

void EventBus::Impl::collect() {
  for (const auto& [id, delivered] : mailbox->take()) {
    if (delivered) {
      outbox.sent(id);
      ++published;
    } else {
      outbox.failed(id);
    }
  }
  drain();
}

EventBus::EventBus(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<EventBus>> EventBus::start(Core& core, base::Loop& loop, Settings settings) {
  if (settings.client_id.empty()) settings.client_id = "devicetwin-" + core.node();
  auto impl = std::make_unique<Impl>(core, loop, std::move(settings));
  if (const Status status = impl->create(); !status.ok()) return status;
  impl->connect();
  return std::unique_ptr<EventBus>(new EventBus(std::move(impl)));
}

EventBus::~EventBus() {
  impl_->alive.reset();
  if (!impl_->client || !impl_->client->is_connected()) return;
  try {
    impl_->client->disconnect(static_cast<int>(std::chrono::milliseconds(farewell).count()))
        ->wait_for(2 * farewell);
  } catch (const mqtt::exception&) {
    // The broker went first.
  }
}

bool EventBus::connected() const { return impl_->connected; }

EventBus::Counters EventBus::counters() const {
  return {.received = impl_->received,
          .ignored = impl_->dispatcher.ignored(),
          .published = impl_->published,
          .dropped_in = impl_->mailbox->dropped,
          .dropped_out = impl_->outbox.dropped()};
}

}  // namespace devicetwin

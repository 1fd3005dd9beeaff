#include "connection.hpp"

#include <future>
#include <system_error>

#include "base/backoff.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/replay.hpp"
#include "mailbox.hpp"
#include "no_delay.hpp"
#include "outbox.hpp"

namespace devicetwin::bus {

using base::cat;
using base::Code;
using base::Status;

namespace {

constexpr auto first_wait = std::chrono::milliseconds(500);
constexpr auto most_wait = std::chrono::milliseconds(10'000);
// The broker calls us dead after one and a half of these without a word.
constexpr auto keep_alive = std::chrono::seconds(20);
constexpr auto connect_timeout = std::chrono::seconds(5);
// Messages that a broker sends ahead of our acknowledgements: thrice what Mosquitto's default is,
// and a hundredth of a millisecond's worth each.
constexpr std::uint16_t most_received = 64;
// Where the broker says nothing.
constexpr std::size_t max_receive = 65535;
// What Paho queues before it refuses, which costs an exception each: never, of what may fly live
// and of a replay, whose next ones may come before Paho has counted the last ones down.
constexpr std::size_t max_buffered = Outbox::max_flying + 2 * Replay::Settings().in_flight;
constexpr auto farewell_wait = std::chrono::seconds(1);
constexpr auto leave_look = std::chrono::milliseconds(20);  // for whether a client is gone

}  // namespace

// A client of Paho and what its threads call; what they say is heard while it is alive. They may be
// in the middle of a call when it goes, so its end waits for them: for a second.
struct Connection::Client {
  using Heard = std::function<void(int)>;

  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  std::shared_ptr<Mailbox> mailbox;
  Deliveries deliveries;
  Told connect_told;
  Told subscribe_told;
  Told retained_told;
  mqtt::token_ptr connecting;
  mqtt::async_client paho;  // last: its destructor ends the callbacks that use what is above

  Client(base::Loop& loop, const mqtt::create_options& options, const EventBus::Settings& settings,
         Heard connected, Heard subscribed, Heard retained)
      : mailbox(std::make_shared<Mailbox>(loop)),
        deliveries(mailbox),
        connect_told(mailbox, std::move(connected)),
        subscribe_told(mailbox, std::move(subscribed)),
        retained_told(mailbox, std::move(retained)),
        paho(base::paho_url(settings.url), settings.client_id, options, nullptr) {
    mailbox->life = alive;
  }
};

struct Connection::Impl {
  base::Loop& loop;
  EventBus::Settings settings;
  Message will;
  Events events;
  bool tls;
  int version;  // of client, or of the next
  std::vector<std::string> subscriptions;
  std::vector<std::string> retained;
  base::Timer retry;
  base::Backoff backoff;
  bool connected = false;
  std::size_t receive_maximum = max_receive;
  std::string said;                // the last reason for being away that was logged
  Inbound inbound;                 // outlives the clients that call it
  std::future<void> leaving;       // valid: of a client that is replaced
  std::unique_ptr<Client> client;  // null: not before that one is gone

  Impl(base::Loop& owner, const EventBus::Settings& wanted, Message last_will, Events told)
      : loop(owner),
        settings(wanted),
        will(std::move(last_will)),
        events(std::move(told)),
        tls(base::is_mqtt_tls(wanted.url)),
        version(wanted.mqtt_version == 3 ? 3 : 5),
        retry(owner),
        backoff(first_wait, most_wait,
                static_cast<std::uint32_t>(owner.wall().time_since_epoch().count())),
        inbound(owner, std::move(events.inbound)) {}

  Status create();
  void replace(int wanted);
  Status fill(mqtt::connect_options_builder& builder, const mqtt::message& farewell) const;
  void connect();
  void refused(int code);
  void subscribe();
  void unsubscribed();
  void ready();
  void lost();
  void away(const std::string& why);
  void forget_retained(int code);
};

Status Connection::Impl::create() {
  try {
    mqtt::create_options options;
    options.set_max_buffered_messages(static_cast<int>(max_buffered));
    options.set_mqtt_verison(version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1);  // Paho 1.2's name
    auto next = std::make_unique<Client>(
        loop, options, settings, [this](int code) { code == 0 ? subscribe() : refused(code); },
        [this](int code) { code == 0 ? ready() : unsubscribed(); },
        [this](int code) { forget_retained(code); });
    Mailbox& box = *next->mailbox;
    box.collect = [this, &box] {
      for (const auto& [id, delivered] : box.take()) events.outcome(id, delivered);
      events.settled();
    };
    next->paho.set_message_callback([this](mqtt::const_message_ptr message) {
      const auto& payload = message->get_payload_ref();
      inbound.arrived({message->get_topic(),
                       message,
                       {payload.data(), payload.size()},
                       message->is_retained()});
    });
    next->paho.set_connection_lost_handler(
        [this, &box](const std::string&) { box.post([this] { lost(); }); });
    client = std::move(next);
    return Status();
  } catch (const mqtt::exception& error) {
    return Status(Code::invalid, cat("MQTT broker ", settings.url, ": ", error.what()));
  }
}

// Away from the loop. The next one is made when this one is gone: Paho waits for its threads only
// with the last of its clients.
void Connection::Impl::replace(int wanted) {
  version = wanted;
  if (!client) return;
  client->alive.reset();
  const auto old = std::make_shared<std::unique_ptr<Client>>(std::move(client));
  try {
    leaving = std::async(std::launch::async, [old] { old->reset(); });
  } catch (const std::system_error&) {  // no thread to be had
    old->reset();
  }
}

// Into who asks: copies of Paho 1.2's options point into the properties of what they are copied
// from, so that has to live until the call is over.
Status Connection::Impl::fill(mqtt::connect_options_builder& builder,
                              const mqtt::message& farewell) const {
  builder.keep_alive_interval(keep_alive)
      .connect_timeout(connect_timeout)
      .max_inflight(static_cast<int>(Outbox::max_flying))
      .will(farewell);
  if (version == 5) {
    builder.mqtt_version(MQTTVERSION_5).clean_start(!settings.persistent_session);
    const auto expiry = std::chrono::seconds(settings.persistent_session ? settings.session_expiry
                                                                         : std::chrono::seconds(0));
    builder.properties(
        {{mqtt::property::SESSION_EXPIRY_INTERVAL, static_cast<std::int32_t>(expiry.count())},
         {mqtt::property::RECEIVE_MAXIMUM, static_cast<std::int32_t>(most_received)}});
  } else {
    builder.mqtt_version(MQTTVERSION_3_1_1).clean_session(!settings.persistent_session);
  }
  return base::enter_mqtt(builder, settings);
}

void Connection::Impl::connect() {
  if (leaving.valid()) {
    if (leaving.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      return retry.start(leave_look, [this] { connect(); });
    }
    leaving.get();
  }
  if (!client) {
    if (const Status status = create(); !status.ok()) return away(status.text());
  }
  try {
    const mqtt::message farewell(will.topic, will.payload, will.policy.qos, will.policy.retain);
    mqtt::connect_options_builder builder;
    if (const Status status = fill(builder, farewell); !status.ok()) return away(status.text());
    const mqtt::connect_options options = builder.finalize();
    client->connecting = client->paho.connect(options, nullptr, client->connect_told);
  } catch (const mqtt::exception& error) {
    away(cat("cannot be tried: ", error.what()));
  }
}

void Connection::Impl::refused(int code) {
  base::MqttRefusal refusal{code, "", tls};
  try {
    if (client->connecting) client->connecting->try_wait();
  } catch (const mqtt::exception& error) {
    refusal.message = error.get_message();
  }
  const bool may_change = settings.mqtt_version == 0;
  if (may_change && base::is_version_refused(refusal) && version == 5) {
    base::log_info(cat("MQTT broker ", settings.url, " speaks no MQTT 5: using 3.1.1"));
    events.renewed();
    replace(3);
    return connect();
  }
  away(base::explain(refusal, {}));
  // Certain only when it works: so the next try is with the other version, and then back.
  if (may_change && base::is_silent(refusal)) {
    events.renewed();
    replace(version == 5 ? 3 : 5);
  }
}

void Connection::Impl::subscribe() {
  send_at_once(port_of(settings.url));
  receive_maximum = max_receive;
  const mqtt::properties properties = client->connecting->get_connect_response().get_properties();
  if (version == 5 && properties.contains(mqtt::property::RECEIVE_MAXIMUM)) {
    receive_maximum = mqtt::get<std::uint16_t>(properties, mqtt::property::RECEIVE_MAXIMUM);
  }
  const auto collection = std::make_shared<const mqtt::string_collection>(subscriptions);
  try {
    client->paho.subscribe(collection, mqtt::iasync_client::qos_collection(subscriptions.size(), 1),
                           nullptr, client->subscribe_told);
  } catch (const mqtt::exception& error) {
    unsubscribed();
  }
}

// Connected, but of no use.
void Connection::Impl::unsubscribed() {
  try {
    client->paho.disconnect(0);
  } catch (const mqtt::exception&) {
    // It is gone already, which is what was asked for.
  }
  away("refuses our subscriptions: its access list must allow them to our user");
}

void Connection::Impl::ready() {
  connected = true;
  backoff.reset();
  said.clear();
  base::log_info(cat("connected to the MQTT broker ", settings.url, " with MQTT ",
                     version == 5 ? "5" : "3.1.1"));
  events.up();
}

void Connection::Impl::lost() {
  // It may come back as a newer one.
  const bool fallen_back = settings.mqtt_version == 0 && version == 3;
  away("is gone");
  if (!fallen_back) return;
  events.renewed();
  replace(5);
}

void Connection::Impl::away(const std::string& why) {
  connected = false;
  if (std::exchange(said, why) != why) {
    base::log_warning(
        cat("MQTT broker ", settings.url, " ", why, "; trying again until it answers"));
  }
  events.down();
  if (!retry.running()) retry.start(backoff.next(), [this] { connect(); });
}

// The broker has sent, or queued for us, all it retains: MQTT 3.1.1, 3.8.4.
void Connection::Impl::forget_retained(int code) {
  if (code != 0) return;
  try {
    client->paho.unsubscribe(std::make_shared<const mqtt::string_collection>(retained));
  } catch (const mqtt::exception&) {
    // Disconnected. The session would go on with them: they are read again and given up then.
  }
}

Connection::Connection(base::Loop& loop, const EventBus::Settings& settings, Message will,
                       Events events)
    : impl_(std::make_unique<Impl>(loop, settings, std::move(will), std::move(events))) {}

Connection::~Connection() = default;

Status Connection::start(std::vector<std::string> subscriptions) {
  impl_->subscriptions = std::move(subscriptions);
  Status status = base::check_mqtt_form(impl_->settings, {});
  if (status.ok()) status = base::check_mqtt_files(impl_->settings, {});
  if (!status.ok()) return status;
  if (const Status status = impl_->create(); !status.ok()) return status;
  impl_->connect();
  return Status();
}

bool Connection::publish(std::uint64_t id, const Message& message) {
  if (!impl_->client) return false;
  try {
    Client& client = *impl_->client;
    client.paho.publish(mqtt::make_message(message.topic, message.payload, message.policy.qos,
                                           message.policy.retain),
                        reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)),
                        client.deliveries);
    return true;
  } catch (const mqtt::exception&) {
    return false;  // Paho's buffer is full, or it is disconnected
  }
}

void Connection::read_retained(const std::vector<std::string>& topics) {
  impl_->retained = topics;
  if (!impl_->client) return;
  try {
    impl_->client->paho.subscribe(std::make_shared<const mqtt::string_collection>(topics),
                                  mqtt::iasync_client::qos_collection(topics.size(), 1), nullptr,
                                  impl_->client->retained_told);
  } catch (const mqtt::exception&) {
    // Disconnected again.
  }
}

void Connection::close(const Message& farewell) {
  if (!impl_->client) return;
  impl_->client->alive.reset();
  mqtt::async_client& paho = impl_->client->paho;
  if (!paho.is_connected()) return;
  try {
    if (impl_->connected) publish(0, farewell);
    paho.disconnect(static_cast<int>(std::chrono::milliseconds(farewell_wait).count()))
        ->wait_for(2 * farewell_wait);
  } catch (const mqtt::exception&) {
    // The broker went first.
  }
}

bool Connection::connected() const { return impl_->connected; }
int Connection::version() const { return impl_->version; }
std::size_t Connection::receive_maximum() const { return impl_->receive_maximum; }
Inbound::Counters Connection::inbound() const { return impl_->inbound.counters(); }

}  // namespace devicetwin::bus

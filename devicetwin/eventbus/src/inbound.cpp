#include "inbound.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <system_error>
#include <thread>

#include "dispatcher.hpp"

namespace devicetwin::bus {

namespace {

// The loop shares its core with this thread on a small box, and goes first.
constexpr int reader_niceness = 10;

}  // namespace

// The thread that reads large payloads, made with the first of them.
struct Inbound::Reader {
  std::mutex mutex;  // guards all below: between Paho's thread, the reader and counters
  std::condition_variable changed;
  std::deque<Message> waiting;
  std::map<std::string, int> topics;  // of those that wait or are being read: how many
  std::size_t bytes = 0;              // of the same
  bool stopping = false;
  std::thread thread;

  // Whether the topic's messages go through here now; and takes this one, if there is room.
  enum class Taken : unsigned char { yes, no, full };
  Taken take(Message& message);
  void run(base::Lane& lane, const Events& events,
           const std::function<void(const std::string&)>& full);
};

Inbound::Reader::Taken Inbound::Reader::take(Message& message) {
  const std::lock_guard lock(mutex);
  if (message.payload.size() <= large_bytes && !topics.contains(message.topic)) return Taken::no;
  if (bytes != 0 && bytes + message.payload.size() > max_bytes) return Taken::full;
  bytes += message.payload.size();
  ++topics[message.topic];
  waiting.push_back(std::move(message));
  changed.notify_one();
  return Taken::yes;
}

void Inbound::Reader::run(base::Lane& lane, const Events& events,
                          const std::function<void(const std::string&)>& full) {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), reader_niceness);
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [this] { return stopping || !waiting.empty(); });
    if (stopping) return;
    const Message message = std::move(waiting.front());
    waiting.pop_front();
    lock.unlock();
    const Topic topic = parse_topic(message.topic);
    bool posted = false;
    if (Dispatcher::is_request(topic)) {
      // What was read is smaller than the text, but for names: it counts as the text does.
      const auto request = std::make_shared<Request>(Dispatcher::read(topic, message.payload));
      posted = lane.post(message.payload.size(),
                         [&events, topic, request] { events.request(topic, std::move(*request)); });
    } else {
      posted = lane.post(message.payload.size(), [&events, message] {
        events.message(message.topic, message.payload, message.retained);
      });
    }
    if (!posted) full(message.topic);
    lock.lock();
    bytes -= message.payload.size();
    if (--topics[message.topic] == 0) topics.erase(message.topic);
  }
}

Inbound::Inbound(base::Loop& loop, Events events)
    : loop_(loop),
      events_(std::make_shared<const Events>(std::move(events))),
      lane_(std::make_shared<base::Lane>(loop, base::Lane::Limits{.bytes = max_bytes})),
      reader_(std::make_shared<Reader>()) {}

Inbound::~Inbound() {
  {
    const std::lock_guard lock(reader_->mutex);
    reader_->stopping = true;
    reader_->changed.notify_one();
  }
  if (reader_->thread.joinable()) reader_->thread.join();
}

void Inbound::arrived(Message message) {
  const std::string topic = message.topic;
  if (!take(message)) refuse(topic);
}

// Paho's thread alone comes here. false: there is no thread to be had.
bool Inbound::has_reader() {
  if (reader_->thread.joinable()) return true;
  try {
    reader_->thread = std::thread([this] {
      reader_->run(*lane_, *events_, [this](const std::string& topic) { refuse(topic); });
    });
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

bool Inbound::take(Message& message) {
  if (message.payload.size() > large_bytes && !has_reader()) return false;
  const Reader::Taken taken = reader_->take(message);
  if (taken == Reader::Taken::full) return false;
  if (taken == Reader::Taken::yes) return true;
  const std::size_t bytes = message.payload.size();
  return lane_->post(bytes, [events = events_, message = std::move(message)] {
    events->message(message.topic, message.payload, message.retained);
  });
}

void Inbound::refuse(const std::string& topic) {
  {
    const std::lock_guard lock(mutex_);
    ++refused_;
    if (told_.size() >= max_refused_topics) told_.clear();
    const auto now = std::chrono::steady_clock::now();
    const auto [told, fresh] = told_.try_emplace(topic, now);
    if (!fresh && now - told->second < refusal_pause) return;
    told->second = now;
  }
  loop_.post([events = std::weak_ptr(events_), topic] {
    if (const auto still = events.lock()) still->refused(topic);
  });
}

Inbound::Counters Inbound::counters() const {
  Counters counters;
  counters.lane = lane_->counters();
  {
    const std::lock_guard lock(reader_->mutex);
    counters.reading = reader_->bytes;
  }
  const std::lock_guard lock(mutex_);
  counters.refused = refused_;
  return counters;
}

}  // namespace devicetwin::bus

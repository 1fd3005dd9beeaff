#include "devicetwin/replay.hpp"

#include <algorithm>

#include "record.hpp"

namespace devicetwin {

namespace {

// The budget of this long may go at once: timers are no finer than milliseconds, and a loop that
// was busy must be able to catch up.
constexpr double burst_s = 0.1;

}  // namespace

Replay::Replay(base::Loop& loop, Source source, Settings settings, Send send)
    : loop_(loop),
      source_(std::move(source)),
      settings_(settings),
      send_(std::move(send)),
      records_(settings.records_per_s * burst_s),
      bytes_(settings.bytes_per_s * burst_s),
      filled_(loop.now()),
      timer_(loop),
      backoff_(settings.first_retry, settings.most_retry,
               static_cast<std::uint32_t>(loop.wall().time_since_epoch().count())) {}

Replay::Replay(base::Loop& loop, Outbox& outbox, const std::string& consumer, Settings settings,
               Send send)
    : Replay(
          loop,
          {.read = [&outbox, consumer](
                       auto after, auto max_bytes,
                       auto done) { outbox.read(consumer, after, max_bytes, std::move(done)); },
           .acknowledge = [&outbox, consumer](auto up_to) { outbox.acknowledge(consumer, up_to); }},
          settings, std::move(send)) {
  outbox.watch(consumer, [this] { wake(); });
  unwatch_ = [&outbox, consumer] { outbox.watch(consumer, {}); };
}

Replay::~Replay() {
  if (unwatch_) unwatch_();
}

void Replay::resume() {
  if (!std::exchange(paused_, false)) return;
  pump();
}

void Replay::pause() {
  if (std::exchange(paused_, true)) return;
  backoff_.reset();
  start_again();
}

void Replay::wake() {
  more_ = true;
  pump();
}

// Forgets what was read and what flies; the source has all that is not acknowledged.
void Replay::start_again() {
  round_ = std::make_shared<const bool>(true);
  timer_.stop();
  read_.clear();
  flying_.clear();
  undelivered_ = 0;
  fetching_ = failing_ = false;
  more_ = true;
  cursor_ = acknowledged_;
}

void Replay::fill_budget() {
  const auto now = loop_.now();
  const double passed = std::chrono::duration<double>(now - filled_).count();
  filled_ = now;
  records_ = std::min(records_ + passed * settings_.records_per_s,
                      std::max(1.0, settings_.records_per_s * burst_s));
  bytes_ = std::min(bytes_ + passed * settings_.bytes_per_s,
                    std::max(1.0, settings_.bytes_per_s * burst_s));
}

void Replay::pump() {
  if (pumping_ || paused_ || failing_ || timer_.running()) return;
  pumping_ = true;
  fill_budget();
  while (!paused_ && !failing_ && !read_.empty() && flying_.size() < settings_.in_flight &&
         records_ >= 1 && bytes_ > 0) {
    send_one();
  }
  pumping_ = false;
  if (paused_ || failing_ || timer_.running()) return;
  if (read_.empty()) return fetch();
  if (flying_.size() >= settings_.in_flight) return;
  const double wait_s = std::max((1 - records_) / settings_.records_per_s,
                                 bytes_ > 0 ? 0 : (1 - bytes_) / settings_.bytes_per_s);
  timer_.start(std::chrono::microseconds(1 + static_cast<std::int64_t>(wait_s * 1e6)),
               [this] { pump(); });
}

void Replay::fetch() {
  if (fetching_ || !more_) return;
  fetching_ = true;
  more_ = false;
  source_.read(cursor_, settings_.read_bytes,
               [this, round = std::weak_ptr(round_)](base::Result<std::vector<Record>> records) {
                 if (round.expired()) return;
                 fetching_ = false;
                 if (!records.ok()) {
                   more_ = true;
                   return timer_.start(backoff_.next(), [this] { pump(); });
                 }
                 if (!records->empty()) {
                   more_ = true;
                   cursor_ = records->back().sequence;
                   for (Record& record : *records) read_.push_back(std::move(record));
                 }
                 pump();
               });
}

void Replay::send_one() {
  const Record record = std::move(read_.front());
  read_.pop_front();
  records_ -= 1;
  bytes_ -= static_cast<double>(outbox::cost(record));
  flying_[record.sequence] = false;
  ++undelivered_;
  ++counters_.sent;
  send_(record, [this, round = std::weak_ptr(round_), sequence = record.sequence](bool delivered) {
    if (!round.expired()) outcome(sequence, delivered);
  });
}

void Replay::outcome(std::uint64_t sequence, bool delivered) {
  const auto found = flying_.find(sequence);
  if (found == flying_.end() || found->second) return;
  --undelivered_;
  if (delivered) {
    ++counters_.delivered;
    found->second = true;
    std::uint64_t up_to = 0;
    while (!flying_.empty() && flying_.begin()->second) {
      up_to = flying_.begin()->first;
      flying_.erase(flying_.begin());
    }
    if (up_to != 0) {
      backoff_.reset();
      acknowledged_ = up_to;
      source_.acknowledge(up_to);
    }
  } else {
    ++counters_.failed;
    failing_ = true;
  }
  if (!failing_) return pump();
  if (undelivered_ > 0) return;
  start_again();
  timer_.start(backoff_.next(), [this] { pump(); });
}

}  // namespace devicetwin

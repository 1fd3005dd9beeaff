#include "modbus/bus.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

namespace {

// By function, not by lane: a write may never go out twice, whoever sent it.
bool is_read(const Transaction& transaction) {
  const Bytes pdu = transaction.request.bytes();
  return !pdu.empty() && pdu[0] <= static_cast<std::uint8_t>(Function::read_input);
}

bool is_gateways(std::uint8_t exception) {
  return exception == gateway_no_path || exception == gateway_no_answer;
}

}  // namespace

void Bus::Lane::push(Entry entry) {
  // Moves at most as many as have been popped since the last time.
  if (head_ > 0 && head_ * 2 >= entries_.size()) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  entries_.push_back(std::move(entry));
}

void Bus::Lane::push_front(Entry entry) {
  if (head_ > 0) {
    entries_[--head_] = std::move(entry);
  } else {
    entries_.insert(entries_.begin(), std::move(entry));
  }
}

Bus::Entry Bus::Lane::pop() {
  assert(!empty());
  Entry first = std::move(entries_[head_++]);
  if (empty()) {
    entries_.clear();
    head_ = 0;
  }
  return first;
}

template <class Wanted>
void Bus::Lane::extract(Wanted wanted, std::vector<Entry>& into) {
  std::vector<Entry> rest;
  while (!empty()) {
    Entry entry = pop();
    (wanted(entry) ? into : rest).push_back(std::move(entry));
  }
  entries_ = std::move(rest);
}

Bus::Bus(base::Loop& loop, const std::vector<Way>& ways)
    : loop_(loop),
      pause_(loop),
      backoff_(first_reconnect, longest_reconnect,
               static_cast<std::uint32_t>(std::hash<std::string>()(ways.at(0).name))) {
  for (const Way& way : ways) legs_.push_back(std::make_unique<Leg>(*this, way));
}

void Bus::finish(const Entry& entry, const Status& status, Bytes answer) {
  Transaction& transaction = *entry.transaction;
  if (transaction.client != nullptr) transaction.client->answered(status, answer);
}

// Not from within send(): the client must not be called there.
void Bus::fail_later(std::shared_ptr<Transaction> transaction, std::string why) {
  // A loop that takes no more tasks has stopped or is stuck: nobody waits for this one.
  (void)loop_.post([entry = Entry{std::move(transaction)},
                    status = Status(Code::unavailable, std::move(why))] { finish(entry, status); });
}

void Bus::send(std::shared_ptr<Transaction> transaction) {
  assert(loop_.here());
  const base::SteadyTime now = loop_.now();
  if (urgent_.size() + normal_.size() >= max_queue) {
    ++queue_full_;
    return fail_later(std::move(transaction),
                      cat(legs_[0]->name, ": ", max_queue, " requests are waiting already"));
  }
  if (state_ == State::down && now < next_connect_) {
    return fail_later(std::move(transaction),
                      cat(down_why_, "; next try in ", seconds_text(next_connect_ - now)));
  }
  Entry entry{std::move(transaction)};
  if (!entry.transaction->broadcast) {
    const std::uint8_t unit = entry.transaction->unit;
    const Breaker::Admission admission = breaker_.admit(unit, now);
    if (admission == Breaker::Admission::refused) {
      ++shunned_;
      return fail_later(std::move(entry.transaction), breaker_.explain(unit, now));
    }
    entry.probe = admission == Breaker::Admission::probe;
  }
  Lane& lane = entry.transaction->urgent ? urgent_ : normal_;
  lane.push(std::move(entry));
  pump();
}

void Bus::drop_forgotten() {
  for (Lane* const lane : {&urgent_, &normal_}) {
    while (!lane->empty() && lane->front().transaction->client == nullptr) {
      const Entry entry = lane->pop();
      if (entry.probe) breaker_.returned(entry.transaction->unit);
    }
  }
}

void Bus::pump() {
  if (delivering_ || on_wire_.transaction || state_ == State::connecting) return;
  drop_forgotten();
  if (urgent_.empty() && normal_.empty()) return;
  if (state_ == State::down) {
    down_why_.clear();
    return connect(0);
  }
  const base::SteadyTime now = loop_.now();
  if (now < quiet_until_) {
    if (!pause_.running()) pause_.start(quiet_until_ - now, [this] { pump(); });
    return;
  }
  start((urgent_.empty() ? normal_ : urgent_).pop());
}

void Bus::start(Entry entry) {
  on_wire_ = std::move(entry);
  ++on_wire_.tries;
  sent_ = loop_.now();
  const Transaction& transaction = *on_wire_.transaction;
  legs_[current_]->line->send(
      {transaction.unit, transaction.broadcast, transaction.timeout, &transaction.request});
}

void Bus::rest() {
  pause_.stop();
  std::vector<Entry> waiting;
  if (on_wire_.transaction) waiting.push_back(std::exchange(on_wire_, {}));
  for (Lane* const lane : {&urgent_, &normal_})
    lane->extract([](const Entry&) { return true; }, waiting);
  for (const Entry& entry : waiting) {
    if (entry.probe) breaker_.returned(entry.transaction->unit);
  }
  for (const auto& leg : legs_) leg->line->close();
  if (state_ != State::down) {
    state_ = State::down;
    next_connect_ = {};
    barren_ = 0;
  }
}

// ---- answers -----------------------------------------------------------------------------------

void Bus::answered(Leg& leg, const Status& status, Bytes answer) {
  if (&leg != legs_[current_].get() || !on_wire_.transaction) return;
  Entry entry = std::exchange(on_wire_, {});
  std::chrono::milliseconds quiet = pace_.inter_request_delay;
  if (entry.transaction->broadcast) quiet = std::max(quiet, broadcast_turnaround);
  quiet_until_ = loop_.now() + quiet;
  delivering_ = true;
  if (status.code() == Code::timeout) {
    missed(std::move(entry), status);
  } else if (status.code() == Code::unavailable) {
    cut(std::move(entry), status);
  } else {
    heard(std::move(entry), status, answer);
  }
  delivering_ = false;
  if (std::exchange(resting_, false) && wishes_.empty()) return rest();
  pump();
}

void Bus::heard(Entry entry, const Status& status, Bytes answer) {
  const Transaction& transaction = *entry.transaction;
  if (!transaction.broadcast) {
    fruitful_ = true;
    barren_ = 0;
    timeouts_ = 0;
    backoff_.reset();
  }
  // A line that heard nonsense may have closed the connection: there is no next frame to find.
  if (!legs_[current_]->line->is_up()) connection_ended(status);
  if (is_gateways(exception_of(answer))) {
    // The gateway lives, the unit behind it did not answer.
    unanswered(entry);
  } else if (!transaction.broadcast) {
    const base::Duration away = breaker_.answered(transaction.unit, loop_.now());
    if (away > base::Duration::zero()) {
      base::log_info(cat(legs_[0]->name, ": unit ", transaction.unit, " answers again after ",
                         seconds_text(away)));
    }
  }
  finish(entry, status, answer);
}

void Bus::missed(Entry entry, const Status& status) {
  const Transaction& transaction = *entry.transaction;
  if (++timeouts_ >= max_timeouts_in_a_row || !legs_[current_]->line->is_up()) {
    if (legs_[current_]->line->is_up()) legs_[current_]->line->close();
    fruitful_ = true;  // it did connect, and is made anew at once
    connection_ended(status);
  }
  // At the end of the queue: the others have waited for the first try already.
  const bool again = is_read(transaction) && !entry.probe && entry.tries <= transaction.retries;
  if (again && transaction.client != nullptr) {
    ++retries_;
    Lane& lane = transaction.urgent ? urgent_ : normal_;
    return lane.push(std::move(entry));
  }
  unanswered(entry);
  finish(entry, entry.tries == 1
                    ? status
                    : Status(status.code(), cat(status.text(), " (", entry.tries, " tries)")));
}

void Bus::cut(Entry entry, const Status& why) {
  const Transaction& transaction = *entry.transaction;
  ++losses_;
  const bool was_idle = fruitful_;
  // Before its clients hear: those who send in answer wait for the next connection.
  if (is_read(transaction) && was_idle && !entry.repeated) {
    entry.repeated = true;
    ++retries_;
    --entry.tries;
    Lane& lane = transaction.urgent ? urgent_ : normal_;
    lane.push_front(std::move(entry));
    connection_ended(why);
    return;
  }
  if (!transaction.broadcast) unanswered(entry);
  connection_ended(why);
  finish(entry, why);
}

// Told apart from time-outs of the line: this is about the unit.
void Bus::unanswered(const Entry& entry) {
  const std::uint8_t unit = entry.transaction->unit;
  const auto [open, first] = breaker_.unanswered(unit, sent_, loop_.now());
  if (!open) return;
  if (first) {
    base::log_warning(cat(legs_[0]->name, ": unit ", unit,
                          " does not answer; its neighbours go on, it is asked again after 0.5 s, "
                          "1 s … 30 s"));
  }
  const std::size_t before = urgent_.size() + normal_.size();
  fail_waiting(unit, Status(Code::unavailable, breaker_.explain(unit, loop_.now())));
  shunned_ += before - (urgent_.size() + normal_.size());
}

void Bus::fail_waiting(std::optional<std::uint8_t> unit, const Status& why) {
  std::vector<Entry> out;
  for (Lane* const lane : {&urgent_, &normal_}) {
    lane->extract(
        [unit](const Entry& entry) {
          return !unit || (entry.transaction->unit == *unit && !entry.transaction->broadcast);
        },
        out);
  }
  for (const Entry& entry : out) {
    if (entry.probe) breaker_.returned(entry.transaction->unit);
  }
  for (const Entry& entry : out) finish(entry, why);
}

}  // namespace modbus

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

constexpr int every_unit = -1;

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

// ---- connecting --------------------------------------------------------------------------------

void Bus::connect(std::size_t leg) {
  current_ = leg;
  if (legs_[leg]->line->is_up()) return up(leg);  // dialled in while the other was in use
  state_ = State::connecting;
  legs_[leg]->line->connect();
}

void Bus::up(std::size_t leg) {
  current_ = leg;
  state_ = State::up;
  fruitful_ = false;
  timeouts_ = 0;
  down_why_.clear();
  next_connect_ = {};
  quiet_until_ = loop_.now() + pace_.post_connect_delay;
  if (on_backup_ != (leg > 0)) {
    on_backup_ = leg > 0;
    on_backup_ ? base::log_warning(cat(legs_[0]->name, ": cannot be reached; using ",
                                       legs_[leg]->name, " instead"))
               : base::log_info(cat(legs_[0]->name, ": in use again"));
  }
  pump();
}

void Bus::connected(Leg& leg, const Status& status) {
  const bool is_current = &leg == legs_[current_].get();
  if (!is_current || state_ != State::connecting) {
    // A device dialled in. Nobody waits for it unless there is no connection at all.
    if (!status.ok() || state_ != State::down) return;
    for (std::size_t i = 0; i < legs_.size(); ++i) {
      if (legs_[i].get() == &leg) current_ = i;
    }
    state_ = State::connecting;
  }
  if (status.ok()) {
    if (barren_ == 0) backoff_.reset();
    return up(current_);
  }
  down_why_ = down_why_.empty() ? status.text() : cat(down_why_, "; ", status.text());
  if (current_ + 1 < legs_.size()) return connect(current_ + 1);
  no_connection(std::exchange(down_why_, {}));
}

// Everybody waited for this connection: all are told, and so is who comes before the next try.
void Bus::no_connection(const std::string& why) {
  state_ = State::down;
  barren_ = 0;
  const auto wait = backoff_.next();
  next_connect_ = loop_.now() + wait;
  down_why_ = why;
  const bool delivering = std::exchange(delivering_, true);
  fail_waiting(every_unit,
               Status(Code::unavailable, cat(why, "; next try in ", seconds_text(wait))));
  delivering_ = delivering;
  if (!delivering && std::exchange(resting_, false) && wishes_.empty()) return rest();
  pump();
}

void Bus::connection_ended(const Status& why) {
  state_ = State::down;
  next_connect_ = {};
  down_why_.clear();
  pause_.stop();
  timeouts_ = 0;
  barren_ = fruitful_ ? std::uint8_t{0} : static_cast<std::uint8_t>(barren_ + 1);
  // A gateway that takes connections and drops them is not asked in a circle.
  if (barren_ >= max_barren) no_connection(why.text());
}

// An idle connection that the other side closes is nobody's failure.
void Bus::lost(Leg& leg, const Status& why) {
  if (&leg != legs_[current_].get() || state_ != State::up) return;
  connection_ended(why);
  pump();
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

void Bus::fail_waiting(int unit, const Status& why) {
  std::vector<Entry> out;
  for (Lane* const lane : {&urgent_, &normal_}) {
    lane->extract(
        [unit](const Entry& entry) {
          return unit == every_unit ||
                 (entry.transaction->unit == unit && !entry.transaction->broadcast);
        },
        out);
  }
  for (const Entry& entry : out) {
    if (entry.probe) breaker_.returned(entry.transaction->unit);
  }
  for (const Entry& entry : out) finish(entry, why);
}

// ---- users and tools ---------------------------------------------------------------------------

namespace {

Pace slowest(const std::vector<Pace>& wishes) {
  Pace pace;
  for (const Pace& wish : wishes) {
    pace.post_connect_delay = std::max(pace.post_connect_delay, wish.post_connect_delay);
    pace.inter_request_delay = std::max(pace.inter_request_delay, wish.inter_request_delay);
  }
  return pace;
}

}  // namespace

void Bus::join(const Pace& pace) {
  wishes_.push_back(pace);
  pace_ = slowest(wishes_);
}

void Bus::leave(const Pace& pace, bool stay_up) {
  const auto found = std::ranges::find(wishes_, pace);
  assert(found != wishes_.end());
  wishes_.erase(found);
  pace_ = slowest(wishes_);
  if (!wishes_.empty()) return;
  pause_.stop();  // nobody is left to be sent for
  // A client that leaves when it hears its answer: the line is not closed under its own feet.
  if (!stay_up && !(resting_ = delivering_)) rest();
}

Link::Counters Bus::counters() const {
  Counters sum;
  for (const auto& leg : legs_) {
    const Line::Counters& line = leg->line->counters();
    sum.requests += line.requests;
    sum.answers += line.answers;
    sum.timeouts += line.timeouts;
    sum.late += line.late;
    sum.foreign += line.foreign;
    sum.malformed += line.malformed;
    sum.connects += line.connects;
  }
  sum.queue_full = queue_full_;
  sum.shunned = shunned_;
  sum.retries = retries_;
  sum.losses = losses_;
  return sum;
}

std::string Bus::describe() const {
  const Counters now = counters();
  std::string text = cat(legs_[0]->name, ": ");
  if (state_ == State::up) {
    text += current_ == 0 ? "connected" : cat("connected to back-up ", legs_[current_]->name);
  } else if (state_ == State::connecting) {
    text += "connecting";
  } else {
    text += down_why_.empty() ? "not connected" : down_why_;
  }
  text += cat("; ", now.requests, " requests, ", now.timeouts, " timeouts, ", now.late, " late, ",
              now.foreign, " foreign");
  const std::string open = breaker_.open_units();
  return open.empty() ? text : cat(text, "; open units: ", open);
}

}  // namespace modbus

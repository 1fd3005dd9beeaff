// The bus and its connections: when they are made, which way, and who uses them.
#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"
#include "modbus/bus.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

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
  fail_waiting(std::nullopt,
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

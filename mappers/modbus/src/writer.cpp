#include "modbus/writer.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using mapper::Command;

Writer::Writer(base::Loop& loop, std::shared_ptr<Link> link, std::shared_ptr<const Layout> layout,
               const Unit& unit, std::string name)
    : loop_(loop),
      link_(std::move(link)),
      layout_(std::move(layout)),
      unit_(unit),
      name_(std::move(name)),
      timer_(loop) {
  transaction_->client = this;
}

// The link may still hold the transaction: it is forgotten, not answered.
Writer::~Writer() { transaction_->client = nullptr; }

void Writer::write(std::span<Command> batch, mapper::AsyncDriver::Done done) {
  assert(!done_);
  commands_ = batch;
  done_ = std::move(done);
  reached_ = false;
  // Statuses of what never goes out are set now, so that a silent unit does not hide them.
  for (Command& command : batch) command.status = refusal(command);
  const bool any = std::ranges::any_of(batch, [](const Command& one) { return !one.status; });
  at_ = 0;
  if (any) return next();
  timer_.start(base::Duration::zero(), [this] { finish(Status()); });
}

// Why command cannot be sent, where that is known without asking.
std::optional<Status> Writer::refusal(const Command& command) const {
  const Result<Place>& place = layout_->place(command.point.index);
  if (!place) return place.status();
  if (!is_writable(place->range.table)) {
    return Status(Code::unsupported, cat(place->range.to_string(), " cannot be written"));
  }
  if (place->extra && place->extra->scale_offset) return std::nullopt;
  const Result<Written> written = encode(*place, command.value, std::nullopt);
  return written ? std::nullopt : std::optional(written.status());
}

// The next command that has no outcome yet.
void Writer::next() {
  while (at_ < commands_.size() && commands_[at_].status) ++at_;
  if (at_ == commands_.size()) return finish(Status());
  place_ = &layout_->place(commands_[at_].point.index).value();
  exponent_.reset();
  if (place_->extra && place_->extra->scale_offset) return read(Step::scale, place_->hull);
  encode_value(std::nullopt);
}

void Writer::read(Step step, const Range& range) {
  step_ = step;
  range_ = range;
  unit_.prepare_read(*transaction_, range);
  // A look at an uncertain write is one look.
  if (step == Step::verify) transaction_->retries = 0;
  transaction_->urgent = true;
  link_->send(transaction_);
}

void Writer::encode_value(std::optional<int> exponent) {
  exponent_ = exponent;
  Result<Written> written = encode(*place_, commands_[at_].value, exponent);
  if (!written) return settle(written.status());
  written_ = std::move(*written);
  must_read_present() ? read(Step::present, place_->range) : send_write();
}

bool Writer::must_read_present() const {
  const bool part = written_.mask != 0xffff;
  return part && (no_mask_write_ || write_rule(*place_).bits == BitWrite::read_modify_write);
}

void Writer::send_write() {
  step_ = Step::write;
  range_ = place_->range;
  transaction_->request = write_request(*place_, written_);
  transaction_->broadcast = write_rule(*place_).broadcast;
  transaction_->unit = transaction_->broadcast ? std::uint8_t{0} : unit_.number();
  // A repeated write may act twice.
  transaction_->retries = 0;
  transaction_->urgent = true;
  // The longest answer to a write is the 7 bytes of function 22.
  transaction_->timeout = unit_.timeout(transaction_->request.size(), 7);
  link_->send(transaction_);
}

void Writer::answered(const Status& said, Bytes answer) {
  const Status status = said.ok() ? said : unit_.explain(said, answer, range_);
  if (!status.retriable()) reached_ = true;
  if (step_ == Step::write) return write_answered(status, answer);
  if (step_ == Step::verify) return verify_answered(status, answer);
  if (status.retriable()) return settle_unreached(status);
  if (!status.ok()) return settle(status);
  step_ == Step::scale ? scale_answered(answer) : present_answered(answer);
}

void Writer::scale_answered(Bytes answer) {
  const Result<int> exponent = exponent_of(*place_, payload(answer), 0);
  exponent ? encode_value(*exponent) : settle(exponent.status());
}

void Writer::present_answered(Bytes answer) {
  written_ = merge(written_, word_at(payload(answer), 0));
  send_write();
}

void Writer::write_answered(const Status& status, Bytes answer) {
  if (status.ok()) {
    // Nobody has said that a broadcast arrived; not even a unit may have been there.
    if (transaction_->broadcast) {
      reached_ = true;
      return verify(Why::unheard);
    }
    return write_rule(*place_).verify ? verify(Why::asked) : settle(status);
  }
  if (status.retriable() || status.code() == Code::malformed) {
    lost_ = status;
    return verify(Why::ambiguous);
  }
  const std::uint8_t exception = exception_of(answer);
  if (exception == acknowledge) return verify(Why::unheard);
  if (exception == illegal_function && written_.mask != 0xffff && !no_mask_write_) {
    no_mask_write_ = true;
    base::log_warning(cat(name_, ": unit ", unit_.number(),
                          " has no mask write (function 22): registers are read, changed and "
                          "written whole; what others write in between is lost"));
    return read(Step::present, place_->range);
  }
  settle(status);
}

void Writer::verify(Why why) {
  why_ = why;
  pause_ = first_pause;
  verify_until_ = loop_.now() + write_rule(*place_).verify_timeout;
  // Whether a write arrived shows where it was written.
  seen_place_ = why == Why::asked ? read_back_place(*place_) : *place_;
  read(Step::verify, seen_place_.hull);
}

void Writer::verify_answered(const Status& status, Bytes answer) {
  if (!status.ok()) return look_again_or_give_up(status);
  const Result<dmi::Value> seen = decode(seen_place_, payload(answer), 0);
  if (!seen) return look_again_or_give_up(seen.status());
  if (confirms(*place_, commands_[at_].value, *seen, exponent_)) return settle(Status());
  look_again_or_give_up(Status(
      Code::refused,
      cat("overridden by the device: wrote ", dmi::to_text(commands_[at_].value, place_->type),
          ", reads ", dmi::to_text(*seen, place_->type), " at ", seen_place_.range.to_string())));
}

// status: what the last look at the value says against the write.
void Writer::look_again_or_give_up(const Status& status) {
  if (why_ == Why::ambiguous) {
    // The first thing that went wrong tells more than what the look adds.
    return status.retriable() && lost_.retriable() ? settle_unreached(lost_) : settle(lost_);
  }
  if (loop_.now() + pause_ <= verify_until_) {
    timer_.start(pause_, [this] { read(Step::verify, seen_place_.hull); });
    pause_ = std::min(2 * pause_, longest_pause);
    return;
  }
  if (status.code() == Code::refused && !status.text().starts_with("unit ")) return settle(status);
  // Not one of the codes that ask for another try: the write itself was accepted.
  settle(Status(Code::refused, cat("written, but not seen there: ", status.to_string())));
}

void Writer::settle(const Status& status) {
  commands_[at_].status = status;
  next();
}

// A unit that is away does not get the rest of its batch: the others on the line wait.
void Writer::settle_unreached(const Status& status) {
  if (!reached_) return finish(status);
  for (Command& command : commands_) {
    if (!command.status) command.status = status;
  }
  finish(Status());
}

// The caller may destroy this writer in done.
void Writer::finish(const Status& status) {
  const mapper::AsyncDriver::Done done = std::exchange(done_, nullptr);
  done(status);
}

}  // namespace modbus

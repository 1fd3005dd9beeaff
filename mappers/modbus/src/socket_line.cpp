#include "socket_line.hpp"

#include <array>
#include <boost/asio/post.hpp>
#include <cassert>
#include <utility>

#include "base/text.hpp"
#include "modbus/names.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Status;

SocketLine::SocketLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
    : io_(io),
      endpoint_(endpoint),
      client_(client),
      dialogue_(make_dialogue(endpoint.framing, counters_)),
      timer_(io) {}

void SocketLine::later(std::function<void()> call) {
  asio::post(io_,
             [run = guarded([call = std::move(call)](const Error&) { call(); })] { run(Error()); });
}

void SocketLine::look_up(std::function<void(const Addresses&)> found) {
  Error not_numeric;
  const auto address = asio::ip::make_address(endpoint_.host, not_numeric);
  if (!not_numeric)
    return later([address, found = std::move(found)] { found(Addresses{address}); });
  // Through guarded(): by the time of the answer the connection may be another one.
  auto done = guarded([this, found = std::move(found)](const Error&, const auto& result) {
    if (!result) return no_connection(result.status().text());
    Addresses addresses;
    for (const std::string& text : *result) {
      Error wrong;  // of a network interface that has gone meanwhile
      const auto address = asio::ip::make_address(text, wrong);
      if (!wrong) addresses.push_back(address);
    }
    if (addresses.empty()) return no_connection(cat(endpoint_.host, ": no address"));
    found(addresses);
  });
  Names::of(io_).resolve(endpoint_.host, [done](const auto& result) { done(Error(), result); });
}

void SocketLine::connect() {
  assert(state_ == State::idle);
  state_ = State::connecting;
  ++connection_;
  deadline_ = Clock::now() + connect_timeout;
  arm(deadline_);
  open();
}

void SocketLine::opened() {
  state_ = State::up;
  ++counters_.connects;
  client_.connected(Status());
}

void SocketLine::no_connection(const std::string& why) {
  disconnect();
  client_.connected(
      Status(Code::unavailable, cat("cannot connect to ", endpoint_.to_string(), ": ", why)));
}

void SocketLine::send(const Request& request) {
  assert(state_ == State::up && !on_line_);
  on_line_ = waiting_ = true;
  request_ = request;
  if (!digesting_) begin();
}

void SocketLine::begin() {
  assert(on_line_ && waiting_);
  if (dialogue_->drains()) drain();
  const Clock::time_point now = Clock::now();
  if (const auto clear = dialogue_->clear_at(request_); clear > now) {
    deadline_ = clear;
    return arm(deadline_);
  }
  waiting_ = false;
  looked_again_ = false;
  deadline_ = now + request_.timeout;
  arm(deadline_);
  std::array<std::uint8_t, max_adu_bytes> out;
  const std::size_t size = dialogue_->ask(request_, out);
  // Not from within send(): the client must not be called there.
  if (const Error error = write(Bytes(out.data(), size))) {
    later([this, error] { lost(error); });
  } else if (request_.broadcast && !writing()) {
    later([this] { written(); });
  }
}

void SocketLine::written() {
  if (on_line_ && !waiting_ && request_.broadcast) finish(Status());
}

bool SocketLine::digest() {
  const std::uint32_t connection = connection_;
  digesting_ = true;
  for (;;) {
    const auto next = dialogue_->next();
    if (!next && datagrams()) {
      dialogue_->boundary();
      break;
    }
    if (!next) {
      lost(Status(Code::unavailable, cat(endpoint_.to_string(), " sent ", next.status().text(),
                                         "; connection closed")));
      return false;
    }
    if (!next->has_value()) break;
    finish((*next)->status, (*next)->pdu);
    if (connection_ != connection || state_ != State::up) return false;
  }
  digesting_ = false;
  return true;
}

void SocketLine::digested() {
  if (waiting_) begin();
}

void SocketLine::finish(const Status& status, Bytes answer) {
  on_line_ = waiting_ = false;
  client_.answered(status, answer);
}

void SocketLine::arm(Clock::time_point when) {
  if (armed_ && armed_for_ <= when) return;
  armed_ = true;
  armed_for_ = when;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self && !error) self->timer_fired();
  });
}

void SocketLine::timer_fired() {
  armed_ = false;
  if (!on_line_ && state_ != State::connecting) return;
  if (Clock::now() < deadline_) return arm(deadline_);
  if (state_ == State::connecting) {
    return no_connection(cat("no answer within ", connect_timeout.count(), " ms"));
  }
  if (waiting_) return begin();
  // A process that was held up must not blame the device: what has arrived is looked at first.
  if (!std::exchange(looked_again_, true) && has_bytes()) return arm(Clock::now());
  missed();
}

void SocketLine::missed() {
  const Status status(Code::timeout, dialogue_->give_up(request_, Clock::now()));
  // A request that is still half written can only be followed by nonsense.
  if (writing()) disconnect();
  finish(status);
}

void SocketLine::disconnect() {
  shut();
  ++connection_;
  state_ = State::idle;
  on_line_ = waiting_ = digesting_ = false;
  dialogue_->reset();
}

void SocketLine::lost(const Error& error) {
  lost(Status(Code::unavailable,
              cat("connection to ", endpoint_.to_string(), " lost: ", error.message())));
}

void SocketLine::lost(const Status& why) {
  const bool asked = on_line_;
  disconnect();
  ++counters_.losses;
  if (asked) return finish(why);
  client_.lost(why);
}

}  // namespace modbus

#include "tools/wire.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <utility>

#include "base/text.hpp"

namespace modbus_tools {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Bytes;
using modbus::Pdu;
using modbus::Range;
using std::chrono::milliseconds;

namespace {

// A line tells of every request itself; this long after its time-out it is taken for broken.
constexpr auto grace = std::chrono::seconds(2);
// Devices that dial in try again once a minute or more often.
constexpr auto dial_patience = std::chrono::seconds(90);

Status interrupted_status() { return Status(Code::unavailable, "interrupted"); }

}  // namespace

ToolLoop::ToolLoop() {
  loop_.on_signal([this](int) { interrupted_ = true; });
}

bool ToolLoop::turn_until(const std::function<bool()>& done, base::Duration deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!done()) {
    const auto rest = end - std::chrono::steady_clock::now();
    if (interrupted_ || rest <= base::Duration::zero()) return false;
    loop_.io().restart();
    loop_.io().run_one_for(rest);
  }
  return true;
}

Wire::Wire(ToolLoop& loop, const modbus::Endpoint& endpoint)
    : loop_(loop),
      endpoint_(endpoint),
      line_(modbus::make_line(loop.loop(), endpoint, static_cast<modbus::Line::Client&>(*this))) {}

void Wire::connected(const Status& status) { connected_ = status; }

void Wire::answered(const Status& status, Bytes answer) {
  answer_ = Answer{status, std::vector<std::uint8_t>(answer.begin(), answer.end()), {}};
}

void Wire::lost(const Status&) {}  // the next request connects again

bool Wire::Answer::is_alive() const {
  if (status.ok() || status.code() == Code::malformed) return true;
  const std::uint8_t exception = pdu.empty() ? std::uint8_t{0} : modbus::exception_of(Bytes(pdu));
  if (exception == 0) return status.code() == Code::refused;
  return exception != modbus::gateway_no_path && exception != modbus::gateway_no_answer;
}

Status Wire::connect() {
  if (line_->is_up()) return Status();
  if (loop_.interrupted()) return interrupted_status();
  connected_.reset();
  line_->connect();
  const bool told =
      loop_.turn_until([this] { return connected_.has_value(); }, modbus::connect_timeout + grace);
  if (told && connected_->ok()) return Status();
  if (told && endpoint_.transport == modbus::Transport::listen) return wait_for_dial();
  if (told) return *connected_;
  line_->close();
  return loop_.interrupted() ? interrupted_status()
                             : Status(Code::timeout, cat("no connection to ", name()));
}

// The line goes on listening after it has said that nobody is there yet.
Status Wire::wait_for_dial() {
  std::fprintf(stderr, "%s: waiting at most %lld s for the device to dial in\n", name().c_str(),
               static_cast<long long>(dial_patience.count()));
  if (loop_.turn_until([this] { return line_->is_up(); }, dial_patience)) return Status();
  return loop_.interrupted() ? interrupted_status()
                             : Status(Code::unavailable, cat(name(), ": no device has dialled in"));
}

Wire::Answer Wire::ask_once(std::uint8_t unit, const Pdu& request, milliseconds timeout) {
  if (Status status = connect(); !status.ok()) return {status, {}, {}};
  answer_.reset();
  const auto begin = std::chrono::steady_clock::now();
  modbus::Line::Request sent;
  sent.unit = unit;
  sent.timeout = timeout;
  sent.pdu = &request;
  line_->send(sent);
  if (!loop_.turn_until([this] { return answer_.has_value(); }, timeout + grace)) {
    line_->close();
    return {
        loop_.interrupted() ? interrupted_status() : Status(Code::timeout, "no answer"), {}, {}};
  }
  answer_->time = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - begin);
  return std::move(*answer_);
}

Wire::Answer Wire::ask(std::uint8_t unit, const Pdu& request, milliseconds timeout) {
  const bool was_up = line_->is_up();
  Answer answer = ask_once(unit, request, timeout);
  const bool lost = answer.status.code() == Code::unavailable && !line_->is_up();
  if (was_up && lost && !loop_.interrupted()) return ask_once(unit, request, timeout);
  return answer;
}

Result<std::vector<std::uint16_t>> Wire::read(std::uint8_t unit, const Range& range,
                                              milliseconds timeout) {
  std::vector<std::uint16_t> words;
  for (std::uint32_t first = range.first; first < range.end();) {
    const auto count = static_cast<std::uint16_t>(
        std::min<std::uint32_t>(modbus::max_read_registers, range.end() - first));
    const Range part{range.table, static_cast<std::uint16_t>(first), count};
    const Answer answer = ask(unit, modbus::read_request(part), timeout);
    if (!answer.status.ok()) {
      return Status(answer.status.code(),
                    cat("unit ", int{unit}, ", ", part.to_string(), ": ", answer.status.text()));
    }
    const Bytes payload = modbus::payload(Bytes(answer.pdu));
    for (std::uint16_t i = 0; i < count; ++i) words.push_back(modbus::word_at(payload, i));
    first += count;
  }
  return words;
}

}  // namespace modbus_tools

// A wire by hand: a line whose other side does what the test says, in the loop's own time.
#pragma once

#include <cassert>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "modbus/bus.hpp"

namespace modbus_test {

using base::Code;
using base::Status;
using modbus::Bytes;
using std::chrono::milliseconds;

// The other side of one or more lines: what it does is the same for each.
struct Wire {
  struct Seen {
    std::uint8_t unit;
    std::uint8_t function;
    base::SteadyTime at;
    bool broadcast;
  };
  std::set<int> dead;            // units that say nothing
  std::set<int> behind_gateway;  // units for which a gateway answers exception 11
  milliseconds latency{10};      // of an answer
  milliseconds connect_time{1};
  std::string refusal;        // not empty: nothing connects, and why
  int cut_next = 0;           // so many next requests find the connection ending
  bool cut_at_once = false;   // connections end as soon as they are there
  bool is_nonsense = false;   // the next answer; the connection ends with it
  bool exception_02 = false;  // instead of answers
  bool listens = false;       // somebody has to dial in
  std::vector<Seen> seen;
  int connects = 0;  // tried
  int closes = 0;    // by us
};

class FakeLine final : public modbus::Line {
 public:
  FakeLine(base::Loop& loop, Wire& wire, Client& client)
      : loop_(loop), wire_(wire), client_(client), connecting_(loop), answering_(loop) {}

  void connect() override {
    assert(!up_ && !connecting_.running());
    ++wire_.connects;
    connecting_.start(wire_.connect_time, [this] {
      if (wire_.listens)
        return client_.connected(Status(Code::unavailable, "nobody has dialled in"));
      if (!wire_.refusal.empty()) {
        return client_.connected(Status(Code::unavailable, wire_.refusal));
      }
      dialled();
    });
  }
  // The connection is there.
  void dialled() {
    up_ = true;
    ++counters_.connects;
    if (wire_.cut_at_once) answering_.start(milliseconds(1), [this] { cut(); });
    client_.connected(Status());
  }
  // The other side ends the connection.
  void cut() {
    assert(up_);
    up_ = false;
    answering_.stop();
    const Status why(Code::unavailable, "connection to wire lost: End of file");
    if (std::exchange(request_, std::nullopt)) {
      client_.answered(why, {});
    } else {
      client_.lost(why);
    }
  }

  bool is_up() const override { return up_; }
  void send(const Request& request) override {
    assert(up_ && !request_);
    const Bytes pdu = request.pdu->bytes();
    wire_.seen.push_back({request.unit, pdu[0], loop_.now(), request.broadcast});
    request_ = request;
    ++counters_.requests;
    if (wire_.cut_next > 0) {
      --wire_.cut_next;
      return answering_.start(milliseconds(1), [this] { cut(); });
    }
    if (request.broadcast) {
      return answering_.start(milliseconds(0), [this] { deliver(Status(), {}); });
    }
    if (wire_.dead.contains(request.unit) || wire_.latency > request.timeout) {
      return answering_.start(request.timeout, [this, ms = request.timeout.count()] {
        ++counters_.timeouts;
        deliver(Status(Code::timeout, base::cat("did not answer within ", ms, " ms")), {});
      });
    }
    answering_.start(wire_.latency, [this] { answer(); });
  }
  void close() override {
    ++wire_.closes;
    up_ = false;
    request_.reset();
    connecting_.stop();
    answering_.stop();
  }
  const Counters& counters() const override { return counters_; }

 private:
  void answer() {
    const std::uint8_t function = request_->pdu->bytes()[0];
    const bool away = wire_.behind_gateway.contains(request_->unit);
    if (std::exchange(wire_.is_nonsense, false)) {
      up_ = false;
      ++counters_.malformed;
      return deliver(Status(Code::malformed, "wire sent nonsense"), {});
    }
    ++counters_.answers;
    if (away || wire_.exception_02) {
      const std::uint8_t bytes[] = {static_cast<std::uint8_t>(function | 0x80),
                                    static_cast<std::uint8_t>(away ? 11 : 2)};
      return deliver(Status(Code::refused, modbus::exception_text(bytes[1])), bytes);
    }
    const std::uint8_t bytes[] = {function, 2, 0, request_->unit};
    deliver(Status(), bytes);
  }
  void deliver(const Status& status, Bytes bytes) {
    request_.reset();
    client_.answered(status, bytes);
  }

  base::Loop& loop_;
  Wire& wire_;
  Client& client_;
  base::Timer connecting_;
  base::Timer answering_;
  bool up_ = false;
  std::optional<Request> request_;
  Counters counters_;
};

// A driver that asks one unit, again `pause` after every answer; or only when told.
class Asker final : public modbus::Transaction::Client {
 public:
  Asker(base::Loop& loop, modbus::Link& link, int unit, std::optional<milliseconds> pause = {})
      : loop_(loop), link_(link), pause_(pause), timer_(loop) {
    transaction->client = this;
    transaction->unit = static_cast<std::uint8_t>(unit);
    transaction->timeout = milliseconds(1000);
    transaction->request = modbus::read_request({modbus::Table::holding, 0, 1});
  }
  ~Asker() { transaction->client = nullptr; }

  void ask() {
    asked_ = loop_.now();
    in_send_ = true;
    link_.send(transaction);
    in_send_ = false;
  }
  void write(std::uint16_t value = 1) {
    transaction->urgent = true;
    transaction->request = modbus::write_register_request(0, value);
    ask();
  }

  const std::shared_ptr<modbus::Transaction> transaction = std::make_shared<modbus::Transaction>();
  std::vector<Status> outcomes;
  std::vector<base::SteadyTime> good;  // when
  base::Duration longest{};            // from asking to the answer
  bool called_within_send = false;
  std::function<void()> then;

  std::string last() const { return outcomes.empty() ? "nothing" : outcomes.back().to_string(); }

 private:
  void answered(const Status& status, Bytes) override {
    called_within_send |= in_send_;
    outcomes.push_back(status);
    if (status.ok()) good.push_back(loop_.now());
    longest = std::max(longest, loop_.now() - asked_);
    if (then) return then();
    if (!pause_) return;
    if (*pause_ == milliseconds(0)) return ask();
    timer_.start(*pause_, [this] { ask(); });
  }

  base::Loop& loop_;
  modbus::Link& link_;
  const std::optional<milliseconds> pause_;
  base::Timer timer_;
  base::SteadyTime asked_{};
  bool in_send_ = false;
};

}  // namespace modbus_test

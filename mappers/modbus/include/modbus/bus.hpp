// A bus: all units behind one line. One bounded queue; writes ahead of reads; every device has at
// most one request waiting per lane, so that turns are fair. A unit that does not answer is left
// alone for a while (circuit breaker), so that it costs its neighbours one time-out per window.
// Everything is on one loop; time is the loop's, so tests turn it by hand.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/loop.hpp"
#include "modbus/line.hpp"
#include "modbus/link.hpp"

namespace modbus {

// How a bus treats its line. Devices of one bus that disagree get the slowest of their wishes.
struct Pace {
  std::chrono::milliseconds post_connect_delay{0};   // between connecting and the first request
  std::chrono::milliseconds inter_request_delay{0};  // of silence after every answer or time-out
};

class Bus final : public Link, private Line::Client {
 public:
  enum class UnitState : std::uint8_t {
    closed,     // asked as usual
    open,       // not asked before its window has passed; its requests fail at once
    half_open,  // one request is let through to see
  };
  // A unit is taken for dead after this many requests in a row without an answer. One lost answer
  // is noise; the window that follows is short.
  static constexpr int failures_to_open = 2;
  // Windows of an open unit: 0.5, 1, 2 … 30 s. Half of a session's own waits (1 … 60 s), so that
  // a session that tries again never meets a window that is still closed to it.
  static constexpr std::chrono::milliseconds first_window{500};
  static constexpr std::chrono::milliseconds longest_window{30'000};
  // Requests in a row without any answer before the connection itself is taken for dead.
  static constexpr int max_timeouts_in_a_row = 3;
  // Reconnects are tried after 0.5, 1, 2 … 30 s, jittered; a fresh connection resets it.

  using MakeLine = std::function<std::unique_ptr<Line>(Line::Client&)>;
  // lines: the primary and, if there is one, the back-up: when connecting to one fails, the other
  // is tried at once. name: for texts, "tcp://10.0.0.5:502".
  Bus(base::Loop& loop, std::string name, std::vector<MakeLine> lines);
  ~Bus();

  void send(std::shared_ptr<Transaction> transaction) override;
  Counters counters() const override;
  UnitState unit_state(std::uint8_t unit) const;
  void slow_to(const Pace& pace);

 private:
  void connected(const base::Status& status) override;
  void answered(const base::Status& status, Bytes answer) override;
  void lost(const base::Status& why) override;
};

}  // namespace modbus

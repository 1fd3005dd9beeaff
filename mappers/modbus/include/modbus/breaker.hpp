// The circuit breakers of the units behind one line: a unit that does not answer is left alone for
// a while, so that it costs its neighbours one time-out per window. Pure; time comes in.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/loop.hpp"

namespace modbus {

// "0.4 s", "12 s".
std::string seconds_text(base::Duration time);

class Breaker {
 public:
  enum class State : std::uint8_t {
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

  enum class Admission : std::uint8_t {
    normal,
    probe,    // the one that is let through: answered(), unanswered() or returned() must follow
    refused,  // explain() says why
  };
  Admission admit(std::uint8_t unit, base::SteadyTime now);
  // The unit lives. Returns for how long it had been open; zero: it had not.
  base::Duration answered(std::uint8_t unit, base::SteadyTime now);
  // A request sent at `sent` got no answer. Whether the unit is open now, and was closed before.
  struct Opened {
    bool open = false;
    bool first = false;
  };
  Opened unanswered(std::uint8_t unit, base::SteadyTime sent, base::SteadyTime now);
  // The probe was never sent: the next request is one.
  void returned(std::uint8_t unit);

  State state(std::uint8_t unit) const;
  // "unit 7 has not answered for 12 s; asked again in 4 s". Of a unit that is not closed.
  std::string explain(std::uint8_t unit, base::SteadyTime now) const;
  // "7, 9": units that are not closed; "" none.
  std::string open_units() const;

 private:
  // Only units in trouble are remembered, so that ten thousand healthy lines cost nothing.
  struct Unit {
    base::SteadyTime since;  // the first request without an answer was sent
    base::SteadyTime until;  // of the window
    std::chrono::milliseconds window{0};
    std::uint8_t number = 0;
    State state = State::closed;
    int failures = 0;
  };
  Unit* find(std::uint8_t unit);
  const Unit* find(std::uint8_t unit) const;

  std::vector<Unit> units_;
};

}  // namespace modbus

// What polling a device will cost, before anybody asks it: the requests of every cycle, their bytes
// and their predicted time on this line. For `modbus-mapper plan`. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "mapper/driver.hpp"
#include "modbus/pdu.hpp"
#include "modbus/settings.hpp"

namespace modbus {

// Why a request was not joined with the next one of its cycle.
enum class Split : std::uint8_t {
  last,       // there is no next one
  table,      // it is in another table
  limit,      // together they are longer than maxRegisters, maxBits or the specification allow
  forbidden,  // a forbidden range lies between them
  gap_cap,    // the gap is wider than maxGap
  gap_cost,   // reading the gap takes longer than a request of its own
};
// "the gap costs more than a request", for people.
std::string_view text(Split split);

struct ForecastRequest {
  Range range;
  std::vector<std::string> points;  // names, by address
  std::vector<std::string> pins;    // the pins that it holds together
  std::uint16_t filled = 0;         // addresses read that no point asked for
  std::size_t bytes_out = 0;        // whole frames, without Ethernet, IP, TCP
  std::size_t bytes_in = 0;
  std::chrono::microseconds time{0};
  Split split = Split::last;
};

// The points with one collectCycle.
struct ForecastCycle {
  std::chrono::milliseconds cycle{1000};
  std::vector<ForecastRequest> requests;  // by table and address
  std::size_t points = 0;                 // that are read
  std::size_t bytes_out = 0;
  std::size_t bytes_in = 0;
  std::chrono::microseconds time{0};  // of all requests, one after the other
  // Of the time between two cycles; above 100 the line cannot keep up.
  double utilisation_pct = 0;
};

struct Forecast {
  Settings settings;
  std::string endpoint;               // "tcp://10.0.0.5:502"
  std::vector<ForecastCycle> cycles;  // the shortest first
  // Of the line, by all cycles of this device. Other devices of the line come on top.
  double utilisation_pct = 0;
  std::vector<base::Status> mistakes;  // points that are left out, and why
};

// invalid, unsupported: the device's settings are wrong; the text names the first mistake.
base::Result<Forecast> forecast(const mapper::Target& target);

}  // namespace modbus

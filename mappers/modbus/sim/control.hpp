// Looking at and steering running simulators over HTTP: faults, counters, memory. On the loop.
//
//   GET /faults              one line per fault: "3 late ms=800 unit=3 (struck 12 of 60)"
//   POST /faults             a fault per line of the body; all of them or, on a mistake, none
//   DELETE /faults           all; DELETE /faults/3: that one
//   GET /counters            JSON: requests by unit and function, faults by kind
//   GET /units/7/holding/40  its value as text; ?count=4: several, a line each
//   PUT /units/7/holding/40  values as text, a line each, into that and the following addresses
//   DELETE /connections      drops all connections
// Where units of one number stand on several endpoints, ?at=tcp://127.0.0.1:1502 says which.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/http.hpp"
#include "sim/simulator.hpp"

namespace modbus_sim {

class Control {
 public:
  // Listens at address and port (0: any free one). All arguments must outlive it.
  static base::Result<std::unique_ptr<Control>> listen(base::IoLoop& loop,
                                                       const std::string& address,
                                                       std::uint16_t port, Faults& faults,
                                                       std::vector<Simulator*> simulators);
  std::uint16_t port() const { return server_->port(); }

  struct Answer {
    int status = 200;
    std::string body;
    bool json = false;
  };

 private:
  Control(Faults& faults, std::vector<Simulator*> simulators)
      : faults_(faults), simulators_(std::move(simulators)) {}
  Answer answer(const base::http::Request& request);
  Answer faults(const base::http::Request& request);
  Answer unit(const base::http::Request& request);
  Simulator* owner(std::uint8_t unit, std::string_view at, Answer& wrong) const;

  Faults& faults_;
  const std::vector<Simulator*> simulators_;
  std::unique_ptr<base::http::Server> server_;
};

// {"requests":{"1":{"3":120}},"exceptions":0,…,"faults":{"late":4}}
std::string counters_json(const Faults& faults, const std::vector<Simulator*>& simulators);

}  // namespace modbus_sim

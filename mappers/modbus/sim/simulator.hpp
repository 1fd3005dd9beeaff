// Units with memory, behind any number of endpoints, with faults: what modbus-sim runs, and what
// tests build in their own process.
//
//   modbus_sim::Faults faults(loop, seed);
//   modbus_sim::Simulator simulator(loop, faults);
//   simulator.unit(1).holding = {1, 2, 3};
//   const auto url = simulator.open("tcp://127.0.0.1:0");  // "tcp://127.0.0.1:40123"
//
// Everything is on one IoLoop.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "sim/fault.hpp"
#include "sim/memory.hpp"
#include "sim/server.hpp"

namespace modbus_sim {

class Simulator {
 public:
  struct Counters {
    std::map<std::pair<std::uint8_t, std::uint8_t>, std::uint64_t> requests;  // by unit, function
    std::uint64_t exceptions = 0;  // answered, faults' own apart
    std::uint64_t unknown = 0;     // requests to units that are not there
    std::uint64_t broadcasts = 0;
  };
  using Written = std::function<void(std::uint8_t unit, const modbus::Range&)>;
  using Asked = std::function<void(const modbus::Adu&)>;

  // faults must outlive the simulator; several may share them.
  Simulator(base::IoLoop& loop, Faults& faults) : loop_(loop), faults_(faults) {}
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  // The memory of a unit, which is there from now on. At one address while the simulator lives.
  Memory& unit(std::uint8_t number) { return units_[number]; }
  Memory* find(std::uint8_t number);
  // Serves all units there, too; the endpoint with its real port. Errors: as Server::open().
  base::Result<modbus::Endpoint> open(const modbus::Endpoint& endpoint);
  base::Result<std::string> open(const std::string& url);
  const std::vector<modbus::Endpoint>& endpoints() const { return endpoints_; }
  void drop_connections();

  // Called before a request is carried out, and after a client has written.
  void on_request(Asked asked) { asked_ = std::move(asked); }
  void on_write(Written written) { written_ = std::move(written); }
  const Counters& counters() const { return counters_; }

  // Answers request into reply; for servers of other kinds.
  // A unit that is not there is exception 11 on MBAP, as gateways say it, and silence on RTU.
  // Unit 0 (unless it is there): a write is carried out on all units, and nobody answers.
  void handle(const modbus::Adu& request, Reply& reply);

 private:
  void broadcast(const modbus::Adu& request);
  modbus::Pdu carry_out(std::uint8_t unit, Memory& memory, modbus::Bytes request);

  base::IoLoop& loop_;
  Faults& faults_;
  std::map<std::uint8_t, Memory> units_;
  Counters counters_;
  Asked asked_;
  Written written_;
  std::vector<modbus::Endpoint> endpoints_;
  std::vector<std::unique_ptr<Server>> servers_;  // last: gone before what they call
};

}  // namespace modbus_sim

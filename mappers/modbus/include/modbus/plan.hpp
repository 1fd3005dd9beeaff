// Points to as few read requests as the protocol, the unit and the gaps allow. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "modbus/pdu.hpp"

namespace modbus {

struct Limits {
  std::uint16_t max_registers = max_read_registers;
  std::uint16_t max_bits = max_read_bits;
  std::uint16_t max_gap = 16;  // in registers; 16 bits count as one register
};

// What may be read together with a point's neighbours.
enum class Join : std::uint8_t {
  across_gaps,  // up to max_gap addresses nobody asked for
  adjacent,     // only what touches: an address in a gap was refused
  alone,        // nothing: the point itself was refused
};

struct Wanted {
  Range range;           // not longer than the limits (asserts)
  std::uint32_t id = 0;  // the caller's name for it
  Join join = Join::across_gaps;
};

struct Request {
  Range range;
  std::uint32_t begin = 0;  // its members: Plan::members[begin..end)
  std::uint32_t end = 0;
};

struct Plan {
  std::vector<Request> requests;
  std::vector<std::uint32_t> members;  // ids

  std::span<const std::uint32_t> members_of(const Request& request) const {
    return std::span(members).subspan(request.begin, request.end - request.begin);
  }
};

// Every wanted range lies whole in exactly one request; no request is beyond the limits; the
// requests are the fewest under these rules, ordered by table and address.
Plan make_plan(std::vector<Wanted> wanted, const Limits& limits);

}  // namespace modbus

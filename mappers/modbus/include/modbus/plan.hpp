// Points to the read requests that take the least time on their line, within what the protocol, the
// unit and its owner allow. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "modbus/pdu.hpp"

namespace modbus {

// What a read costs on a line: request, and byte for every byte of values in its answer.
struct LinkCost {
  std::chrono::nanoseconds request{2'000'000};
  std::chrono::nanoseconds byte{80};
  friend bool operator==(const LinkCost&, const LinkCost&) = default;

  std::chrono::nanoseconds of(const Range& range) const {
    return request + byte * (is_bits(range.table) ? (range.count + 7) / 8 : 2 * range.count);
  }
};

struct Limits {
  std::uint16_t max_registers = max_read_registers;
  std::uint16_t max_bits = max_read_bits;
  // Registers nobody asked for between two points of a request; 16 bits count as one.
  std::uint16_t max_gap = max_read_registers;
  std::vector<Range> forbidden;  // in no request
  LinkCost cost;
  friend bool operator==(const Limits&, const Limits&) = default;

  std::uint32_t longest(Table table) const { return is_bits(table) ? max_bits : max_registers; }
};

// Two addresses, perhaps the same, that are not to be in one request: between them is something
// that spoils it.
struct Barrier {
  Table table = Table::holding;
  std::uint16_t low = 0;
  std::uint16_t high = 0;
  friend bool operator==(const Barrier&, const Barrier&) = default;
};

struct Wanted {
  Range range;            // not longer than the limits, in no forbidden range (asserts)
  std::uint32_t id = 0;   // the caller's name for it
  std::uint32_t pin = 0;  // those with the same one are read in one request; 0: none
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

// Every wanted range lies whole in exactly one request, every pin as well; no request is beyond the
// limits, touches a forbidden address or crosses a barrier, but for one range or pin that does so
// alone. Under these rules the sum of the requests' costs is the least; among equals, the fewest
// requests. Ordered by table and address; members by address.
// The hull of a pin must be of one table, within the limits and allowed (asserts).
Plan make_plan(std::vector<Wanted> wanted, const Limits& limits,
               std::span<const Barrier> barriers = {});

// The smallest range that holds both, of one table.
Range hull_of(const Range& one, const Range& other);
bool overlap(const Range& one, const Range& other);

}  // namespace modbus

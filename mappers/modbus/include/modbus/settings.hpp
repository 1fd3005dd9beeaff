// The settings of a device: which line leads to it, which unit it is, and how it wants to be asked.
// Parsed once from the protocol's configData. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/status.hpp"
#include "dmi/config.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

struct Settings {
  Endpoint endpoint;
  std::optional<Endpoint> backup;
  std::uint8_t unit = 1;                    // slaveID, 0..255
  std::chrono::milliseconds timeout{1000};  // from sending a request to its whole answer
  std::uint8_t retries = 0;                 // of reads
  std::chrono::milliseconds post_connect_delay{0};
  std::chrono::milliseconds inter_request_delay{0};
  // Connections to this gateway among which its units are spread: unit % connections.
  std::uint8_t connections = 1;
  std::uint16_t max_registers = max_read_registers;
  std::uint16_t max_bits = max_read_bits;
  // Addresses nobody asked for that may be read to save a request; the cost model decides below it.
  std::uint16_t max_gap = 16;
  std::vector<Range> forbidden;  // never read, not even in a gap
  // What a request costs beyond its bytes, until it has been measured.
  std::chrono::microseconds round_trip{2000};
};

// Keys: those of parse_endpoint and parse_backup; slaveID, timeout, retries, postConnectDelay,
// interRequestDelay, connections, maxRegisters, maxBits, maxGap, forbidden, roundTrip.
// Every error is invalid and carries the path and the limit it broke.
base::Result<Settings> parse_settings(const dmi::Config& protocol);

}  // namespace modbus

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
#include "modbus/plan.hpp"

namespace modbus {

struct Settings {
  Endpoint endpoint;
  std::optional<Endpoint> backup;
  std::uint8_t unit = 1;                    // slaveID, 0..255
  std::chrono::milliseconds timeout{1000};  // from sending a request to its whole answer
  // Of reads. Where frames get lost without anybody's fault (serial, RTU framing, UDP) 1, else 0.
  std::uint8_t retries = 0;
  std::chrono::milliseconds post_connect_delay{0};
  std::chrono::milliseconds inter_request_delay{0};
  // Connections to this gateway among which its units are spread: unit % connections.
  std::uint8_t connections = 1;
  std::uint16_t max_registers = max_read_registers;
  std::uint16_t max_bits = max_read_bits;
  // Registers nobody asked for that may be read to save a request; below it cost decides.
  std::uint16_t max_gap = max_read_registers;
  std::vector<Range> forbidden;  // never read, not even in a gap
  // What a request costs beyond the time of its bytes: the way there and back and the device's
  // own pause. 2 ms is a controller on a local network; cellular links have 50 and more.
  std::chrono::microseconds round_trip{2000};
};

// Keys: those of parse_endpoint and parse_backup; slaveID (0..255), timeout (10..60000 ms), retries
// (0..10), postConnectDelay, interRequestDelay (0..10000 ms), connections (1..16), maxRegisters
// (1..125), maxBits (1..2000), maxGap (0..125), roundTrip (0..60000 ms, fractions allowed),
// forbidden ("holding 100..199, input 7", or a list of such texts).
// Every error is invalid and carries the path and the limit it broke.
base::Result<Settings> parse_settings(const dmi::Config& protocol);
// Every mistake in them, for lint; none: empty. parse_settings says the first.
std::vector<base::Status> check_settings(const dmi::Config& protocol);

// The bounds of a device's read requests, and what they cost on its line.
Limits limits_of(const Settings& settings);
// The time of one byte on the line.
std::chrono::nanoseconds byte_time(const Endpoint& endpoint);
// Whole frames around a PDU: RTU has unit and CRC, Modbus TCP its header.
std::size_t frame_bytes(Framing framing, std::size_t pdu_bytes);

}  // namespace modbus

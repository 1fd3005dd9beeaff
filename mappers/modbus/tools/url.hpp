// Where a line leads, as people type it on a command line. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "base/status.hpp"
#include "modbus/endpoint.hpp"

namespace modbus_tools {

// "10.0.0.5", "plc:1502", "[::1]:502" (TCP), "tcp://…", "tls://…", "udp://…",
// "listen://0.0.0.0:1502", each also "rtu+…"; "/dev/ttyUSB0", "serial:///dev/ttyUSB0?19200-8E1"
// (default 9600-8N1). Ports default to 502, with tls to 802. What Endpoint::to_string() gives is
// taken back, but for TLS files, which an URL does not have. invalid: anything else; the text
// quotes it and says what is expected.
base::Result<modbus::Endpoint> parse_url(std::string_view url);

// Whether an URL of a serial line states its speed and parity, or leaves them to be found.
bool states_speed(std::string_view url);

// For --help.
inline constexpr const char* url_help =
    "HOST[:PORT], tcp://, rtu+tcp://, udp://, rtu+udp://, tls://, listen:// (each HOST[:PORT]), "
    "/dev/ttyUSB0 or serial:///dev/ttyUSB0?9600-8N1";

}  // namespace modbus_tools

// Where a line leads and how frames travel on it: transport and framing are independent of each
// other, and of the units behind the line. Parsed from the protocol's configData. Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/config.hpp"

namespace modbus {

enum class Transport : std::uint8_t {
  tcp,     // we connect
  tls,     // we connect; Modbus/TCP Security
  listen,  // the device connects to us
  udp,
  serial,
};
enum class Framing : std::uint8_t {
  mbap,  // Modbus TCP's header, with transaction ids
  rtu,   // unit, PDU, CRC
};

struct SerialSettings {
  std::string port;  // "/dev/ttyUSB0"
  int baud = 9600;
  int data_bits = 8;
  char parity = 'N';  // N, E, O
  int stop_bits = 1;
  bool rs485 = false;  // the kernel switches the transmitter; tolerated where it cannot
  friend auto operator<=>(const SerialSettings&, const SerialSettings&) = default;
  // Bits on the wire for one byte: start, data, parity, stop.
  int bits_per_character() const { return 1 + data_bits + (parity == 'N' ? 0 : 1) + stop_bits; }
};

struct TlsSettings {
  std::string ca_file;      // "": the system's
  std::string cert_file;    // client certificate; "" none
  std::string key_file;     // its key
  std::string server_name;  // what the server's certificate must be for; "": host
  bool verify = true;
  friend auto operator<=>(const TlsSettings&, const TlsSettings&) = default;
};

struct Endpoint {
  Transport transport = Transport::tcp;
  Framing framing = Framing::mbap;
  std::string host;          // name or address; listen: the local address, "" all
  std::uint16_t port = 502;  // 802 with tls
  std::string peer;          // listen: only this address may dial in; "" any
  SerialSettings serial;
  TlsSettings tls;

  // "tcp://10.0.0.5:502", "rtu+tcp://…", "udp://…", "tls://…", "listen://0.0.0.0:1502",
  // "serial:///dev/ttyUSB0?9600-8N1"
  std::string to_string() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Reads the last part of a serial endpoint, "19200-8E1", as to_string() writes it, into serial.
// false: it is not like that, or the rate is outside 50..4,000,000; serial is as it was.
bool parse_speed(std::string_view text, SerialSettings& serial);

// Keys: transport (tcp|tls|listen|udp|serial; default tcp, serial when serialPort is there),
// framing (mbap|rtu; default rtu on serial, else mbap), ip, port, peer; serialPort, baudRate,
// dataBits, parity, stopBits, serialType (RS485); caFile, certFile, keyFile, serverName,
// verifyServer. invalid: every error carries the path and the limit it broke; a key that means
// nothing on this transport is an error, too.
base::Result<Endpoint> parse_endpoint(const dmi::Config& protocol);
// The same with backupIp, backupPort, backupSerialPort in place of ip, port, serialPort; nullopt
// when none of them is there.
base::Result<std::optional<Endpoint>> parse_backup(const dmi::Config& protocol,
                                                   const Endpoint& primary);
// Every mistake of both at once, for lint; empty: there is none.
std::vector<base::Status> check_endpoint(const dmi::Config& protocol);
// All keys of both, for whoever checks that no other is there.
std::span<const std::string_view> endpoint_keys();

}  // namespace modbus

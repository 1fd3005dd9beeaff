#include "modbus/endpoint.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::array<std::string_view, 19> keys = {
    "transport",       "framing",  "ip",         "port",         "peer",       "serialPort",
    "baudRate",        "dataBits", "parity",     "stopBits",     "serialType", "caFile",
    "certFile",        "keyFile",  "serverName", "verifyServer", "backupIp",   "backupPort",
    "backupSerialPort"};

// What libmodbus knows to set; it takes any other for 9600 without a word.
constexpr std::array<int, 21> bauds = {110,    300,    600,     1200,    2400,    4800,    9600,
                                       19200,  38400,  57600,   115200,  230400,  460800,  500000,
                                       576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000};

constexpr std::array<std::string_view, 5> transports = {"tcp", "tls", "listen", "udp", "serial"};

bool one_of(std::string_view key, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, key) != words.end();
}

// The transports on which a key means something.
bool means_something(std::string_view key, Transport transport) {
  if (one_of(key, {"transport", "framing"})) return true;
  if (one_of(key, {"serialPort", "baudRate", "dataBits", "parity", "stopBits", "serialType",
                   "backupSerialPort"})) {
    return transport == Transport::serial;
  }
  if (one_of(key, {"caFile", "certFile", "keyFile", "serverName", "verifyServer"})) {
    return transport == Transport::tls;
  }
  if (key == "peer") return transport == Transport::listen;
  return transport != Transport::serial;  // ip, port and their back-ups
}

// Reads keys one by one and keeps every mistake. Every one is a fault of the spec: no retry helps.
class Reader {
 public:
  explicit Reader(const dmi::Config& config) : config_(config) {}

  bool has(std::string_view key) const { return config_.has(key); }
  void fail(std::string_view key, std::string_view what) {
    failed(Status(Code::invalid, cat(config_.path(), ".", key, ": ", what)));
  }
  std::string text(std::string_view key, std::string_view fallback = "") {
    return taken(config_.text(key, fallback), std::string(fallback));
  }
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t low,
                       std::int64_t high) {
    return taken(config_.integer(key, fallback, low, high), fallback);
  }
  bool boolean(std::string_view key, bool fallback) {
    return taken(config_.boolean(key, fallback), fallback);
  }
  std::size_t choice(std::string_view key, std::size_t fallback,
                     std::initializer_list<std::string_view> words) {
    return taken(config_.choice(key, fallback, words), fallback);
  }
  // A host, an address or a path: most is its limit, stated by whoever resolves or opens it.
  std::string name(std::string_view key, std::size_t most, std::string_view what) {
    const std::size_t before = mistakes.size();
    std::string read = taken(config_.need_text(key), std::string());
    if (mistakes.size() == before && (read.empty() || read.size() > most)) {
      fail(key, cat(what, " of 1..", most, " characters, not ", read.size()));
    }
    return read;
  }
  std::vector<Status> mistakes;

 private:
  template <class T>
  T taken(Result<T> result, T fallback) {
    if (result) return std::move(*result);
    failed(Status(Code::invalid, result.status().text()));
    return fallback;
  }
  void failed(Status status) { mistakes.push_back(std::move(status)); }

  const dmi::Config& config_;
};

constexpr std::size_t max_host = 253;   // RFC 1035
constexpr std::size_t max_path = 4095;  // PATH_MAX without its NUL

Transport read_transport(Reader& reader) {
  const auto fallback = reader.has("serialPort") ? Transport::serial : Transport::tcp;
  return static_cast<Transport>(reader.choice("transport", static_cast<std::size_t>(fallback),
                                              {"tcp", "tls", "listen", "udp", "serial"}));
}

void read_parity(Reader& reader, SerialSettings& serial) {
  const std::string parity = base::lower(reader.text("parity", "none"));
  if (one_of(parity, {"none", "n"})) {
    serial.parity = 'N';
  } else if (one_of(parity, {"even", "e"})) {
    serial.parity = 'E';
  } else if (one_of(parity, {"odd", "o"})) {
    serial.parity = 'O';
  } else {
    reader.fail("parity", cat("\"", parity, "\" is none of none, even, odd"));
  }
}

SerialSettings read_serial(Reader& reader) {
  SerialSettings serial;
  serial.port = reader.name("serialPort", max_path, "a device file");
  serial.baud = static_cast<int>(reader.integer("baudRate", serial.baud, 110, bauds.back()));
  if (std::ranges::find(bauds, serial.baud) == bauds.end()) {
    reader.fail("baudRate", cat(serial.baud, " is not a usual rate (110, 300, 600, 1200 … ",
                                bauds.back(), ")"));
  }
  // RTU's bytes have eight bits: with seven, half of the frames could not be sent.
  serial.data_bits = static_cast<int>(reader.integer("dataBits", 8, 8, 8));
  read_parity(reader, serial);
  serial.stop_bits = static_cast<int>(reader.integer("stopBits", 1, 1, 2));
  const std::string type = base::lower(reader.text("serialType"));
  if (!one_of(type, {"", "rs232", "rs485"})) {
    reader.fail("serialType", cat("\"", type, "\" is none of RS232, RS485"));
  }
  serial.rs485 = type == "rs485";
  return serial;
}

TlsSettings read_tls(Reader& reader) {
  TlsSettings tls;
  tls.ca_file = reader.text("caFile");
  tls.cert_file = reader.text("certFile");
  tls.key_file = reader.text("keyFile");
  tls.server_name = reader.text("serverName");
  tls.verify = reader.boolean("verifyServer", true);
  if (!tls.cert_file.empty() && tls.key_file.empty()) {
    reader.fail("keyFile", "certFile needs the key that belongs to it");
  }
  if (tls.cert_file.empty() && !tls.key_file.empty()) {
    reader.fail("certFile", "keyFile needs the certificate that belongs to it");
  }
  if (!tls.verify && (!tls.ca_file.empty() || !tls.server_name.empty())) {
    reader.fail("verifyServer", "false, but caFile or serverName says what to verify");
  }
  return tls;
}

void read_framing(Reader& reader, Endpoint& endpoint) {
  const bool serial = endpoint.transport == Transport::serial;
  endpoint.framing =
      static_cast<Framing>(reader.choice("framing", serial ? 1 : 0, {"mbap", "rtu"}));
  if (serial && endpoint.framing != Framing::rtu) {
    reader.fail("framing", "a serial line has rtu only");
  }
}

Endpoint read_endpoint(Reader& reader) {
  Endpoint endpoint;
  endpoint.transport = read_transport(reader);
  read_framing(reader, endpoint);
  for (const std::string_view key : keys) {
    if (!reader.has(key) || means_something(key, endpoint.transport)) continue;
    reader.fail(key, cat("means nothing with transport ",
                         transports[static_cast<std::size_t>(endpoint.transport)]));
  }
  if (endpoint.transport == Transport::serial) {
    endpoint.serial = read_serial(reader);
    return endpoint;
  }
  if (endpoint.transport == Transport::listen) {
    endpoint.host = reader.text("ip");
    endpoint.peer = reader.text("peer");
  } else {
    endpoint.host = reader.name("ip", max_host, "a name or address");
  }
  const bool tls = endpoint.transport == Transport::tls;
  endpoint.port = static_cast<std::uint16_t>(reader.integer("port", tls ? 802 : 502, 1, 65535));
  if (tls) endpoint.tls = read_tls(reader);
  return endpoint;
}

std::optional<Endpoint> read_backup(Reader& reader, const Endpoint& primary) {
  Endpoint backup = primary;
  if (primary.transport == Transport::serial) {
    if (!reader.has("backupSerialPort")) return std::nullopt;
    backup.serial.port = reader.name("backupSerialPort", max_path, "a device file");
  } else {
    if (!reader.has("backupIp") && !reader.has("backupPort")) return std::nullopt;
    if (reader.has("backupIp"))
      backup.host = reader.name("backupIp", max_host, "a name or address");
    backup.port = static_cast<std::uint16_t>(reader.integer("backupPort", primary.port, 1, 65535));
  }
  if (backup == primary) {
    reader.fail(primary.transport == Transport::serial ? "backupSerialPort" : "backupIp",
                cat("the back-up is ", primary.to_string(), ", as the primary"));
  }
  return backup;
}

std::string host_and_port(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  const bool v6 = host.find(':') != std::string::npos;
  return cat(v6 ? "[" : "", host.empty() ? "0.0.0.0" : host, v6 ? "]" : "", ":", endpoint.port);
}

}  // namespace

std::string Endpoint::to_string() const {
  if (transport == Transport::serial) {
    return cat("serial://", serial.port, "?", serial.baud, "-", serial.data_bits,
               std::string_view(&serial.parity, 1), serial.stop_bits);
  }
  return cat(framing == Framing::rtu ? "rtu+" : "", transports[static_cast<std::size_t>(transport)],
             "://", host_and_port(*this), peer.empty() ? "" : "?peer=", peer);
}

bool parse_speed(std::string_view text, SerialSettings& serial) {
  const std::size_t dash = text.find('-');
  std::int64_t baud = 0;
  if (dash == text.npos || text.size() != dash + 4) return false;
  if (!base::parse_int(text.substr(0, dash), baud) || baud < 50 || baud > 4'000'000) return false;
  const char bits = text[dash + 1];
  const char parity = text[dash + 2];
  const char stop = text[dash + 3];
  if ((bits != '7' && bits != '8') || (stop != '1' && stop != '2')) return false;
  if (parity != 'N' && parity != 'E' && parity != 'O') return false;
  serial.baud = static_cast<int>(baud);
  serial.data_bits = bits - '0';
  serial.parity = parity;
  serial.stop_bits = stop - '0';
  return true;
}

std::span<const std::string_view> endpoint_keys() { return keys; }

Result<Endpoint> parse_endpoint(const dmi::Config& protocol) {
  Reader reader(protocol);
  Endpoint endpoint = read_endpoint(reader);
  if (!reader.mistakes.empty()) return reader.mistakes.front();
  return endpoint;
}

Result<std::optional<Endpoint>> parse_backup(const dmi::Config& protocol, const Endpoint& primary) {
  Reader reader(protocol);
  std::optional<Endpoint> backup = read_backup(reader, primary);
  if (!reader.mistakes.empty()) return reader.mistakes.front();
  return backup;
}

std::vector<Status> check_endpoint(const dmi::Config& protocol) {
  Reader reader(protocol);
  const Endpoint endpoint = read_endpoint(reader);
  if (reader.mistakes.empty()) read_backup(reader, endpoint);
  return std::move(reader.mistakes);
}

}  // namespace modbus

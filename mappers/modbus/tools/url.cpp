#include "tools/url.hpp"

#include <string>

#include "base/text.hpp"

namespace modbus_tools {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Endpoint;
using modbus::Framing;
using modbus::Transport;

namespace {

// A DNS name's longest form.
constexpr std::size_t max_host = 253;

Status wrong(std::string_view url, std::string_view what) {
  return Status(Code::invalid, cat('"', base::cut(url, 80), "\": ", what));
}

Result<Endpoint> parse_serial(std::string_view url, std::string_view rest) {
  Endpoint endpoint;
  endpoint.transport = Transport::serial;
  endpoint.framing = Framing::rtu;
  const std::size_t question = rest.find('?');
  endpoint.serial.port = rest.substr(0, question);
  if (!endpoint.serial.port.starts_with('/') || endpoint.serial.port.size() < 2) {
    return wrong(url, "a serial port is a path, serial:///dev/ttyUSB0");
  }
  if (question != rest.npos && !modbus::parse_speed(rest.substr(question + 1), endpoint.serial)) {
    return wrong(url, "after the ? expected is BAUD-BITS PARITY STOP in one word: 9600-8N1");
  }
  return endpoint;
}

Status parse_host(std::string_view url, std::string_view rest, Endpoint& endpoint) {
  std::string_view host = rest;
  std::string_view port;
  const std::size_t colon = rest.rfind(':');
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == rest.npos) return wrong(url, "the ] is missing");
    host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return wrong(url, "a port follows as :PORT");
  } else if (colon != rest.npos) {
    if (rest.find(':') != colon) return wrong(url, "an IPv6 address stands in [ ]");
    host = rest.substr(0, colon);
    port = rest.substr(colon);
  }
  const bool listens = endpoint.transport == Transport::listen;
  if ((host.empty() && !listens) || host.size() > max_host ||
      host.find_first_of(" \t/@#%") != host.npos) {
    return wrong(url, cat("expected is ", url_help));
  }
  endpoint.host = host;
  if (port.empty()) return Status();
  std::int64_t number = 0;
  if (!base::parse_int(port.substr(1), number) || number < 1 || number > 65535) {
    return wrong(url, cat('"', port.substr(1, 20), "\" is not a port (1..65535)"));
  }
  endpoint.port = static_cast<std::uint16_t>(number);
  return Status();
}

}  // namespace

Result<Endpoint> parse_url(std::string_view url) {
  constexpr std::string_view serial = "serial://";
  if (url.starts_with(serial)) return parse_serial(url, url.substr(serial.size()));
  if (url.starts_with('/')) return parse_serial(url, url);
  Endpoint endpoint;
  std::string_view rest = url;
  if (const std::size_t end = url.find("://"); end != url.npos) {
    std::string_view scheme = url.substr(0, end);
    rest = url.substr(end + 3);
    if (scheme.starts_with("rtu+")) {
      endpoint.framing = Framing::rtu;
      scheme.remove_prefix(4);
    }
    if (scheme == "tls") {
      endpoint.transport = Transport::tls;
      endpoint.port = 802;
    } else if (scheme == "udp") {
      endpoint.transport = Transport::udp;
    } else if (scheme == "listen") {
      endpoint.transport = Transport::listen;
    } else if (scheme != "tcp") {
      return wrong(url, cat("expected is ", url_help));
    }
  }
  constexpr std::string_view peer = "?peer=";
  if (const std::size_t at = rest.find(peer);
      at != rest.npos && endpoint.transport == Transport::listen) {
    endpoint.peer = rest.substr(at + peer.size());
    rest = rest.substr(0, at);
  }
  if (Status status = parse_host(url, rest, endpoint); !status.ok()) return status;
  return endpoint;
}

bool states_speed(std::string_view url) { return url.find('?') != url.npos; }

}  // namespace modbus_tools

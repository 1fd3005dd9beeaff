#include "sim/server.hpp"

#include "base/text.hpp"
#include "sim/servers.hpp"

namespace modbus_sim {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Endpoint;
using modbus::Framing;
using modbus::Transport;

void Reply::frame(std::uint16_t transaction, std::uint8_t unit, const modbus::Pdu& pdu) {
  append_frame(framing, {transaction, unit, pdu.bytes()}, bytes);
}

void Reply::clear() {
  bytes.clear();
  delay = {};
  rest.clear();
  after_next = false;
  close = false;
}

ServerResult Server::open(base::IoLoop& loop, const Endpoint& endpoint, Handler handler) {
  auto shared = std::make_shared<const Handler>(std::move(handler));
  switch (endpoint.transport) {
    case Transport::tcp:
      return open_tcp(loop, endpoint, std::move(shared));
    case Transport::tls:
      return open_tls(loop, endpoint, std::move(shared));
    case Transport::listen:
      return open_dial(loop, endpoint, std::move(shared));
    case Transport::udp:
      return open_udp(loop, endpoint, std::move(shared));
    case Transport::serial:
      break;
  }
  return open_pty(loop, endpoint, std::move(shared));
}

ServerResult Server::listen(base::IoLoop& loop, const std::string& address, std::uint16_t port,
                            Handler handler) {
  Endpoint endpoint;
  endpoint.host = address;
  endpoint.port = port;
  return open(loop, endpoint, std::move(handler));
}

namespace {

struct Scheme {
  std::string_view name;
  Transport transport;
};
constexpr Scheme schemes[] = {{"tcp", Transport::tcp},
                              {"tls", Transport::tls},
                              {"udp", Transport::udp},
                              {"dial", Transport::listen},
                              {"pty", Transport::serial}};

Status wrong(const std::string& url, std::string_view what) {
  return Status(Code::invalid, cat('"', url, "\": ", what));
}

Result<Endpoint> parse_pty(const std::string& url, std::string_view rest, Endpoint endpoint) {
  const std::size_t mark = rest.find('?');
  endpoint.framing = Framing::rtu;
  endpoint.serial.port = rest.substr(0, mark);
  endpoint.serial.baud = 0;
  if (!endpoint.serial.port.starts_with('/')) {
    return wrong(url, "a pty needs an absolute path: pty:///tmp/plc0");
  }
  if (mark != std::string_view::npos &&
      !modbus::parse_speed(rest.substr(mark + 1), endpoint.serial)) {
    return wrong(url, cat('"', rest.substr(mark + 1), "\" is not like 9600-8N1"));
  }
  return endpoint;
}

}  // namespace

Result<Endpoint> parse_url(const std::string& url) {
  const std::size_t colon = url.find("://");
  std::string_view scheme = std::string_view(url).substr(0, colon);
  Endpoint endpoint;
  if (scheme.starts_with("rtu+")) {
    endpoint.framing = Framing::rtu;
    scheme.remove_prefix(4);
  }
  const auto known = std::find_if(std::begin(schemes), std::end(schemes),
                                  [&](const Scheme& one) { return one.name == scheme; });
  if (colon == std::string::npos || known == std::end(schemes) ||
      (scheme == "pty" && endpoint.framing == Framing::rtu)) {
    return wrong(url,
                 "expected tcp://HOST:PORT, tls://, udp://, dial:// (each also rtu+…) or "
                 "pty:///PATH?9600-8N1");
  }
  endpoint.transport = known->transport;
  const std::string_view rest = std::string_view(url).substr(colon + 3);
  if (endpoint.transport == Transport::serial) return parse_pty(url, rest, std::move(endpoint));
  const std::size_t port_colon = rest.rfind(':');
  std::int64_t port = 0;
  if (port_colon == std::string_view::npos) return wrong(url, "the port is missing");
  const std::string_view port_text = rest.substr(port_colon + 1);
  if (!base::parse_int(port_text, port) || port < 0 || port > 65535) {
    return wrong(url, cat('"', port_text, "\" is not a port (0..65535)"));
  }
  endpoint.port = static_cast<std::uint16_t>(port);
  endpoint.host = rest.substr(0, port_colon);
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  }
  if (const auto address = parse_address(endpoint.host); !address) {
    return wrong(url, address.status().text());
  }
  return endpoint;
}

std::string url_of(const Endpoint& endpoint) {
  const auto scheme = std::find_if(std::begin(schemes), std::end(schemes), [&](const Scheme& one) {
    return one.transport == endpoint.transport;
  });
  if (endpoint.transport == Transport::serial) {
    const modbus::SerialSettings& serial = endpoint.serial;
    const std::string path = cat("pty://", serial.port);
    return serial.baud == 0 ? path
                            : cat(path, "?", serial.baud, "-", serial.data_bits, serial.parity,
                                  serial.stop_bits);
  }
  const bool six = endpoint.host.find(':') != std::string::npos;
  return cat(endpoint.framing == Framing::rtu ? "rtu+" : "", scheme->name, "://", six ? "[" : "",
             endpoint.host, six ? "]" : "", ":", endpoint.port);
}

}  // namespace modbus_sim

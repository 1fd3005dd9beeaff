#include "modbus/endpoint.hpp"

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

std::string Endpoint::to_string() const { return cat("tcp://", host, ":", port); }

Result<Endpoint> parse_endpoint(const dmi::Config& protocol) {
  Endpoint endpoint;
  const Result<std::string> host = protocol.need_text("ip");
  if (!host) return Status(Code::invalid, host.status().text());
  // RFC 1035: a host name has at most 253 characters.
  if (host->empty() || host->size() > 253) {
    return Status(
        Code::invalid,
        cat(protocol.path(), ".ip: a name or address of 1..253 characters, not ", host->size()));
  }
  endpoint.host = *host;
  const Result<std::int64_t> port = protocol.integer("port", 502, 1, 65535);
  if (!port) return Status(Code::invalid, port.status().text());
  endpoint.port = static_cast<std::uint16_t>(*port);
  return endpoint;
}

}  // namespace modbus

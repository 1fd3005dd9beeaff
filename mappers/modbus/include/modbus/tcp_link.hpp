// A link over one TCP connection, and the links of a process.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "modbus/line.hpp"
#include "modbus/link.hpp"

namespace modbus {

// It connects when there is something to send, and again after a loss; a request on the wire fails
// with the connection, waiting ones go out on the next.
// host: a name or an address; names are resolved at every connect.
std::shared_ptr<Link> tcp_link(base::IoLoop& loop, std::string host, std::uint16_t port);

// Requests in a row without an answer before the connection is taken for dead and made anew.
inline constexpr int max_timeouts_in_a_row = 3;

// One link per host and port, shared by every device behind it, alive while one of them is.
class Links {
 public:
  std::shared_ptr<Link> get(base::IoLoop& loop, const std::string& host, std::uint16_t port);

 private:
  std::map<std::pair<std::string, std::uint16_t>, std::weak_ptr<Link>> links_;
};

}  // namespace modbus

// A Modbus server on one endpoint: sockets, ports and framing. What is answered, when, and whether
// it is nonsense, is the handler's: a plant answers from its memory, a broken device as it likes.
// Everything is on one IoLoop; ten thousand connections are fine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/mbap.hpp"
#include "sim/reply.hpp"

namespace modbus_sim {

class Server {
 public:
  // request is valid during the call. reply comes empty, with the framing of the connection.
  using Handler = std::function<void(const modbus::Adu& request, Reply& reply)>;

  // The device's end of endpoint, as the mapper's settings describe it: tcp and tls listen on host
  // and port, udp receives there, listen dials there and dials again 0.5 s after a loss, serial is
  // a pty with a symlink at serial.port, which must not be there yet. The pty keeps the character
  // times of serial.baud; baud 0: it is as fast as it can.
  // tls: cert_file and key_file are the server's; with ca_file a client must have a certificate
  // of it. conflict: the port or path is taken; invalid: not an address or not a certificate.
  static base::Result<std::unique_ptr<Server>> open(base::IoLoop& loop,
                                                    const modbus::Endpoint& endpoint,
                                                    Handler handler);
  // Modbus TCP at address. port 0: any free one.
  static base::Result<std::unique_ptr<Server>> listen(base::IoLoop& loop,
                                                      const std::string& address,
                                                      std::uint16_t port, Handler handler);
  virtual ~Server() = default;                  // closes everything
  virtual std::uint16_t port() const = 0;       // 0 for a pty and for one that dials
  virtual std::size_t connections() const = 0;  // a pty counts as one; udp has none
  virtual void drop_connections() = 0;          // all of them; the server goes on

  // Answers of a connection that wait for their time or for a client that does not read; past it
  // the connection is read no further until some have gone.
  static constexpr std::size_t max_waiting = 64;
};

// "tcp://127.0.0.1:1502", "rtu+tcp://…", "tls://…", "rtu+tls://…", "udp://…", "rtu+udp://…",
// "dial://…", "rtu+dial://…", "pty:///tmp/plc0", "pty:///tmp/plc0?9600-8E1" (keeps character
// times). Port 0 is any free one. invalid: names the part that is wrong.
base::Result<modbus::Endpoint> parse_url(const std::string& url);
std::string url_of(const modbus::Endpoint& endpoint);

}  // namespace modbus_sim

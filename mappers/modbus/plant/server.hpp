// A Modbus TCP server: sockets and framing. What is answered, when, and whether it is nonsense, is
// the handler's: a plant answers from its memory, a test does what a broken device would do.
// Everything is on one IoLoop; a thousand connections are fine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/mbap.hpp"

namespace modbus_plant {

struct Reply {
  std::vector<std::uint8_t> bytes;  // as they go out; none: silence
  base::Duration delay{};           // before they go out
  bool close = false;               // the connection, right after

  // Appends a well-formed frame.
  void frame(std::uint16_t transaction, std::uint8_t unit, const modbus::Pdu& pdu);
};

class Server {
 public:
  using Handler = std::function<void(const modbus::Adu& request, Reply& reply)>;

  // conflict: the port is taken; invalid: not an address. port 0: any free one.
  static base::Result<std::unique_ptr<Server>> listen(base::IoLoop& loop,
                                                      const std::string& address,
                                                      std::uint16_t port, Handler handler);
  virtual ~Server() = default;  // closes everything
  virtual std::uint16_t port() const = 0;
  virtual std::size_t connections() const = 0;
  virtual void drop_connections() = 0;  // all of them; the server goes on

  // Answers that wait for their delay or for a client that does not read; past it the connection
  // is read no further until some have gone.
  static constexpr std::size_t max_waiting = 64;
};

}  // namespace modbus_plant

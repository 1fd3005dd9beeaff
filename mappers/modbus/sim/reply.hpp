// What a server sends for one request: usually one frame at once; a broken device does otherwise.
#pragma once

#include <cstdint>
#include <vector>

#include "base/loop.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/mbap.hpp"
#include "modbus/pdu.hpp"

namespace modbus_sim {

struct Reply {
  struct Piece {
    base::Duration pause{};  // after what was before it
    std::vector<std::uint8_t> bytes;
  };

  modbus::Framing framing = modbus::Framing::mbap;  // of the connection; the server's word
  std::vector<std::uint8_t> bytes;                  // as they go out; none: silence
  base::Duration delay{};                           // before they go out
  std::vector<Piece> rest;                          // what follows them
  bool after_next = false;                          // behind the answer to the next request
  bool close = false;                               // the connection, right after

  // Appends a well-formed frame to bytes.
  void frame(std::uint16_t transaction, std::uint8_t unit, const modbus::Pdu& pdu);
  bool silent() const { return bytes.empty() && rest.empty() && !close; }
  void clear();  // all but the framing; keeps its memory
};

}  // namespace modbus_sim

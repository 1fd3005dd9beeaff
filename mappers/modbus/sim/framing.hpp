// Requests out of bytes and answers into bytes, in either framing: the server's half. Pure; fixed
// memory whatever a client sends.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/mbap.hpp"
#include "modbus/rtu.hpp"

namespace modbus_sim {

// Appends the frame of adu to bytes; its transaction is not part of an RTU frame.
void append_frame(modbus::Framing framing, const modbus::Adu& adu,
                  std::vector<std::uint8_t>& bytes);

class RequestDecoder {
 public:
  explicit RequestDecoder(modbus::Framing framing) : framing_(framing) {}

  // Where to put received bytes (never empty once next() had nothing more), and how many were.
  std::span<std::uint8_t> space();
  void received(std::size_t count);

  // The next whole request; none: more bytes are needed. Its PDU stays valid until space().
  // malformed (MBAP only): the frame boundary is lost and the connection must be closed. An RTU
  // stream skips bytes until a frame with a right CRC begins.
  base::Result<std::optional<modbus::Adu>> next();
  // RTU: bytes wait for the rest of their frame; and they are given up, because it does not come.
  bool in_frame() const { return end_ > begin_; }
  void forget_partial() { begin_ = end_; }

 private:
  // The bytes a request needs that begins so; 0: not yet known.
  static std::size_t frame_bytes(modbus::Bytes bytes);
  std::optional<modbus::Adu> next_rtu();

  modbus::Framing framing_;
  modbus::MbapDecoder mbap_;
  std::array<std::uint8_t, 2 * modbus::max_rtu_bytes> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace modbus_sim

// Framing of Modbus TCP: a 7-byte header (MBAP) before every PDU. Encoder, and a decoder for a
// stream that arrives in pieces of any size. Pure; fixed memory whatever a peer sends.
// Source: Modbus Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/status.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

inline constexpr std::size_t mbap_bytes = 7;
inline constexpr std::size_t max_adu_bytes = mbap_bytes + max_pdu_bytes;

struct Adu {
  std::uint16_t transaction = 0;
  std::uint8_t unit = 0;
  Bytes pdu;
};

// Writes the frame of adu to out; its length. The PDU must fit (asserts).
std::size_t encode(const Adu& adu, std::span<std::uint8_t, max_adu_bytes> out);

class MbapDecoder {
 public:
  // Where to put received bytes (never empty once next() had nothing more to give), and how many
  // were put there.
  std::span<std::uint8_t> space();
  void received(std::size_t count);

  // The next whole frame; none: more bytes are needed. The PDU stays valid until space() is called.
  // malformed: this is not Modbus TCP, or a frame boundary was lost. There is no mark to find the
  // next frame by, so the connection must be closed: it stays malformed until reset().
  base::Result<std::optional<Adu>> next();
  void reset();

 private:
  // Two frames: one whole, and what came with it of the next.
  std::array<std::uint8_t, 2 * max_adu_bytes> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace modbus

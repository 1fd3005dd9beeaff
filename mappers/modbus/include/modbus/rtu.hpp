// Framing of Modbus RTU: unit, PDU, CRC. Encoder, and a decoder for answers: a stream that arrives
// in pieces of any size and may hold noise. Pure; fixed memory whatever a peer sends.
// RTU ends a frame by silence, which neither a kernel's buffer nor a converter keeps: frames are
// found by the length their function gives them and by their CRC.
// Source: Modbus over Serial Line V1.02, section 2.5.1; Application Protocol V1.1b3, section 6.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "modbus/pdu.hpp"

namespace modbus {

inline constexpr std::size_t rtu_extra_bytes = 3;  // unit and CRC
inline constexpr std::size_t max_rtu_bytes = max_pdu_bytes + rtu_extra_bytes;

// Polynomial 0xa001, start 0xffff; the low byte goes first on the wire.
std::uint16_t crc16(Bytes bytes);

// Writes the frame to out; its length. The PDU must fit (asserts).
std::size_t encode_rtu(std::uint8_t unit, Bytes pdu, std::span<std::uint8_t, max_rtu_bytes> out);

// Bytes of the whole answer to request that is not an exception. Functions 1–6, 15, 16, 22, 23;
// others assert: RTU has no length of its own to find their end by.
std::size_t rtu_answer_bytes(Bytes request);

class RtuDecoder {
 public:
  struct Frame {
    std::uint8_t unit = 0;
    Bytes pdu;
    bool awaited = false;  // its unit, function and length are those of await()
  };

  // What next() looks for from now on, wherever it begins; at most one.
  void await(std::uint8_t unit, Bytes request);
  void await_nothing() { awaited_bytes_ = 0; }

  // Where to put received bytes (never empty once next() had nothing more to give), and how many
  // were put there.
  std::span<std::uint8_t> space();
  void received(std::size_t count);

  // The next whole frame; none: more bytes are needed. The PDU stays valid until space() is called.
  // Bytes that are part of no frame are skipped and counted.
  std::optional<Frame> next();
  // The line was silent for longer than a frame may pause: what is held will not be completed by
  // what follows. Call next() until it has nothing more; the rest is then dropped.
  void silent() { silent_ = true; }
  void reset();

  std::uint64_t skipped_bytes() const { return skipped_; }
  // Frames of the awaited unit, function and length with a wrong CRC.
  std::uint64_t malformed() const { return malformed_; }

 private:
  enum class Look : std::uint8_t { frame, incomplete, nothing };

  Bytes held() const { return Bytes(buffer_).subspan(begin_, end_ - begin_); }
  std::size_t find_awaited();
  Look look(Bytes bytes, std::size_t& size);
  void skip(std::size_t count);
  Frame take(std::size_t size, bool awaited);

  bool silent_ = false;
  std::uint8_t awaited_unit_ = 0;
  std::uint8_t awaited_function_ = 0;
  std::uint8_t awaited_count_ = 0;   // byte count of a read's answer; 0: it has none
  std::uint16_t awaited_bytes_ = 0;  // 0: nothing is awaited
  std::uint64_t skipped_ = 0;
  std::uint64_t malformed_ = 0;
  // One frame, and some of what came before or with it: ten thousand lines have one each.
  std::array<std::uint8_t, max_rtu_bytes + 128> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace modbus

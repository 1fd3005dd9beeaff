#include "sim/framing.hpp"

#include <algorithm>

namespace modbus_sim {

using modbus::Adu;
using modbus::Bytes;
using modbus::Framing;

void append_frame(Framing framing, const Adu& adu, std::vector<std::uint8_t>& bytes) {
  std::array<std::uint8_t, modbus::max_adu_bytes> mbap;
  std::array<std::uint8_t, modbus::max_rtu_bytes> rtu;
  const Bytes frame = framing == Framing::mbap
                          ? Bytes(mbap).first(modbus::encode(adu, mbap))
                          : Bytes(rtu).first(modbus::encode_rtu(adu.unit, adu.pdu, rtu));
  bytes.insert(bytes.end(), frame.begin(), frame.end());
}

std::span<std::uint8_t> RequestDecoder::space() {
  if (framing_ == Framing::mbap) return mbap_.space();
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  return std::span(buffer_).subspan(end_);
}

void RequestDecoder::received(std::size_t count) {
  if (framing_ == Framing::mbap) return mbap_.received(count);
  end_ += count;
}

base::Result<std::optional<Adu>> RequestDecoder::next() {
  if (framing_ == Framing::mbap) return mbap_.next();
  return next_rtu();
}

std::size_t RequestDecoder::frame_bytes(Bytes bytes) {
  // Unit, PDU, CRC. Where the count of bytes stands: functions 15 and 16 at 6, 23 at 10.
  const auto counted = [&](std::size_t at) -> std::size_t {
    return bytes.size() > at ? at + 1 + bytes[at] + 2 : 0;
  };
  if (bytes.size() < 2) return 0;
  switch (bytes[1]) {
    case 15:
    case 16:
      return counted(6);
    case 22:
      return 10;
    case 23:
      return counted(10);
    default:
      return bytes[1] <= 6 ? 8 : 4;
  }
}

std::optional<Adu> RequestDecoder::next_rtu() {
  for (; begin_ < end_; ++begin_) {
    const Bytes bytes = Bytes(buffer_).subspan(begin_, end_ - begin_);
    const std::size_t size = frame_bytes(bytes);
    if (size > modbus::max_rtu_bytes) continue;
    if (size == 0 || bytes.size() < size) return std::nullopt;
    // The CRC over a frame with its own CRC is 0.
    if (modbus::crc16(bytes.first(size)) != 0) continue;
    begin_ += size;
    return Adu{0, bytes[0], bytes.subspan(1, size - 3)};
  }
  return std::nullopt;
}

}  // namespace modbus_sim

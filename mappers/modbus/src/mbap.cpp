#include "modbus/mbap.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"

namespace modbus {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

std::size_t encode(const Adu& adu, std::span<std::uint8_t, max_adu_bytes> out) {
  assert(!adu.pdu.empty() && adu.pdu.size() <= max_pdu_bytes);
  const auto length = static_cast<std::uint16_t>(adu.pdu.size() + 1);  // the unit counts
  out[0] = static_cast<std::uint8_t>(adu.transaction >> 8);
  out[1] = static_cast<std::uint8_t>(adu.transaction & 0xff);
  out[2] = 0;  // protocol 0 is Modbus
  out[3] = 0;
  out[4] = static_cast<std::uint8_t>(length >> 8);
  out[5] = static_cast<std::uint8_t>(length & 0xff);
  out[6] = adu.unit;
  std::ranges::copy(adu.pdu, out.begin() + mbap_bytes);
  return mbap_bytes + adu.pdu.size();
}

std::span<std::uint8_t> MbapDecoder::space() {
  if (begin_ > 0) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  return std::span(buffer_).subspan(end_);
}

void MbapDecoder::received(std::size_t count) {
  assert(count <= buffer_.size() - end_);
  end_ += count;
}

Result<std::optional<Adu>> MbapDecoder::next() {
  const Bytes held = Bytes(buffer_).subspan(begin_, end_ - begin_);
  if (held.size() < 6) return std::optional<Adu>();
  const std::uint16_t protocol = word_at(held, 1);
  const std::size_t length = word_at(held, 2);
  if (protocol != 0) return Status(Code::malformed, cat("protocol ", protocol, " is not Modbus"));
  if (length < 2 || length > max_pdu_bytes + 1) {
    return Status(Code::malformed,
                  cat("a frame of ", length, " bytes (2..", max_pdu_bytes + 1, ")"));
  }
  if (held.size() < 6 + length) return std::optional<Adu>();
  begin_ += 6 + length;
  return std::optional(Adu{word_at(held, 0), held[6], held.subspan(mbap_bytes, length - 1)});
}

void MbapDecoder::reset() { begin_ = end_ = 0; }

}  // namespace modbus

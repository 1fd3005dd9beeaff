#include "modbus/rtu.hpp"

#include <algorithm>
#include <cassert>

namespace modbus {

namespace {

constexpr std::size_t exception_bytes = 5;  // unit, function, code, CRC
constexpr std::size_t echo_bytes = 8;       // unit, function, two words, CRC
constexpr std::size_t mask_bytes = 10;      // unit, function, three words, CRC
constexpr std::size_t no_function = 0;
constexpr std::size_t not_yet = 1;

constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001u : crc >> 1;
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}
constexpr std::array<std::uint16_t, 256> crc_table = make_table();

bool crc_is_right(Bytes frame) {
  const std::size_t end = frame.size() - 2;
  return crc16(frame.first(end)) == (frame[end] | frame[end + 1] << 8);
}

bool reads(std::uint8_t function) { return (function >= 1 && function <= 4) || function == 23; }

// The length of the frame that begins with bytes; no_function: none begins so; not_yet: more of it
// is needed to tell.
std::size_t answer_length(Bytes bytes) {
  if (bytes.size() < 2) return not_yet;
  const std::uint8_t function = bytes[1];
  if ((function & exception_bit) != 0) return exception_bytes;
  if (reads(function)) {
    if (bytes.size() < 3) return not_yet;
    return bytes[2] == 0 || bytes[2] > 250 ? no_function : std::size_t{5} + bytes[2];
  }
  if (function == 5 || function == 6 || function == 15 || function == 16) return echo_bytes;
  return function == 22 ? mask_bytes : no_function;
}

}  // namespace

std::uint16_t crc16(Bytes bytes) {
  unsigned crc = 0xffff;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ crc_table[(crc ^ byte) & 0xff];
  return static_cast<std::uint16_t>(crc);
}

std::size_t encode_rtu(std::uint8_t unit, Bytes pdu, std::span<std::uint8_t, max_rtu_bytes> out) {
  assert(!pdu.empty() && pdu.size() <= max_pdu_bytes);
  out[0] = unit;
  std::ranges::copy(pdu, out.begin() + 1);
  const std::size_t end = 1 + pdu.size();
  const std::uint16_t crc = crc16(out.first(end));
  out[end] = static_cast<std::uint8_t>(crc & 0xff);
  out[end + 1] = static_cast<std::uint8_t>(crc >> 8);
  return end + 2;
}

std::size_t rtu_answer_bytes(Bytes request) {
  assert(request.size() >= 5);
  const std::size_t count = word_at(request.subspan(3), 0);
  switch (request[0]) {
    case 1:
    case 2:
      return 5 + (count + 7) / 8;
    case 3:
    case 4:
    case 23:
      return 5 + 2 * count;
    case 5:
    case 6:
    case 15:
    case 16:
      return echo_bytes;
    case 22:
      return mask_bytes;
    default:
      assert(!"a function whose answer has no known length");
      return max_rtu_bytes;
  }
}

void RtuDecoder::await(std::uint8_t unit, Bytes request) {
  awaited_unit_ = unit;
  awaited_function_ = request[0];
  awaited_bytes_ = static_cast<std::uint16_t>(rtu_answer_bytes(request));
  awaited_count_ =
      reads(request[0]) ? static_cast<std::uint8_t>(awaited_bytes_ - 5u) : std::uint8_t{0};
}

std::span<std::uint8_t> RtuDecoder::space() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  return std::span(buffer_).subspan(end_);
}

void RtuDecoder::received(std::size_t count) {
  assert(count <= buffer_.size() - end_);
  end_ += count;
}

void RtuDecoder::reset() {
  begin_ = end_ = 0;
  awaited_bytes_ = 0;
  silent_ = false;
}

void RtuDecoder::skip(std::size_t count) {
  begin_ += count;
  skipped_ += count;
}

RtuDecoder::Frame RtuDecoder::take(std::size_t size, bool awaited) {
  const Bytes frame = held().first(size);
  begin_ += size;
  return {frame[0], frame.subspan(1, size - rtu_extra_bytes), awaited};
}

// Where the awaited answer, or an exception in its place, begins in what is held; held().size():
// nowhere. Its header and CRC are 40 bits to match: noise does not pass for it. Shorter frames than
// the awaited one, but exceptions, are not looked for.
std::size_t RtuDecoder::find_awaited() {
  const Bytes bytes = held();
  if (awaited_bytes_ == 0) return bytes.size();
  for (std::size_t at = 0; at + exception_bytes <= bytes.size(); ++at) {
    if (bytes[at] != awaited_unit_) continue;
    const Bytes rest = bytes.subspan(at);
    if (rest[1] == (awaited_function_ | exception_bit)) {
      if (crc_is_right(rest.first(exception_bytes))) return at;
    } else if (rest[1] == awaited_function_ && rest.size() >= awaited_bytes_ &&
               (awaited_count_ == 0 || rest[2] == awaited_count_)) {
      if (crc_is_right(rest.first(awaited_bytes_))) return at;
    }
  }
  return bytes.size();
}

// Whether bytes begin with a whole frame of anybody's, and its size.
RtuDecoder::Look RtuDecoder::look(Bytes bytes, std::size_t& size) {
  size = answer_length(bytes);
  if (size == no_function) return Look::nothing;
  if (size == not_yet || size > bytes.size()) return Look::incomplete;
  if (crc_is_right(bytes.first(size))) return Look::frame;
  const bool ours =
      awaited_bytes_ == size && bytes[0] == awaited_unit_ && bytes[1] == awaited_function_;
  if (ours) ++malformed_;
  return Look::nothing;
}

std::optional<RtuDecoder::Frame> RtuDecoder::next() {
  const std::size_t awaited = begin_ + find_awaited();
  while (begin_ < end_) {
    if (begin_ == awaited) {
      const bool exception = (buffer_[begin_ + 1] & exception_bit) != 0;
      return take(exception ? exception_bytes : awaited_bytes_, true);
    }
    std::size_t size = 0;
    const Look found = look(held(), size);
    // Even if its data look like the awaited answer: a lost answer is better than a wrong one.
    if (found == Look::frame) return take(size, false);
    // An incomplete one may be noise in front of the awaited answer, which is there already.
    if (found == Look::incomplete && awaited == end_ && !silent_) return std::nullopt;
    skip(1);
  }
  silent_ = false;
  return std::nullopt;
}

}  // namespace modbus

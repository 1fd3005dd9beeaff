#include "generator/zip.hpp"

#include <algorithm>
#include <array>

namespace generator {

namespace {

// ISO 3309's CRC-32, as ZIP has it.
class Crc {
 public:
  Crc() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t entry = i;
      for (int bit = 0; bit < 8; ++bit) entry = entry & 1 ? entry >> 1 ^ 0xEDB88320 : entry >> 1;
      table_[i] = entry;
    }
  }
  void add(std::uint8_t byte) { sum_ = table_[(sum_ ^ byte) & 0xFF] ^ sum_ >> 8; }
  std::uint32_t value() const { return ~sum_; }

 private:
  std::array<std::uint32_t, 256> table_{};
  std::uint32_t sum_ = 0xFFFFFFFF;
};

void little(Bytes& to, std::uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

// RFC 1951's bit order: the first bit is a byte's lowest; Huffman codes come highest bit first.
class Bits {
 public:
  explicit Bits(Bytes& to) : to_(to) {}
  void put(std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) bit(value >> i & 1);
  }
  void code(std::uint32_t value, int count) {
    for (int i = count - 1; i >= 0; --i) bit(value >> i & 1);
  }
  void flush() {
    if (used_ > 0) to_.push_back(byte_);
    used_ = byte_ = 0;
  }

 private:
  void bit(std::uint32_t value) {
    byte_ = static_cast<std::uint8_t>(byte_ | value << used_);
    if (++used_ == 8) flush();
  }
  Bytes& to_;
  std::uint8_t byte_ = 0;
  int used_ = 0;
};

// Stored blocks (RFC 1951, section 3.2.4).
void deflate_stored(Bytes& to, const Bytes& content, bool last) {
  constexpr std::size_t max_block = 65535;
  for (std::size_t at = 0; at < content.size(); at += max_block) {
    const std::size_t count = std::min(max_block, content.size() - at);
    const bool final = last && at + count == content.size();
    to.push_back(final ? 1 : 0);
    little(to, static_cast<std::uint32_t>(count), 2);
    little(to, ~static_cast<std::uint32_t>(count), 2);
    to.insert(to.end(), content.begin() + static_cast<std::ptrdiff_t>(at),
              content.begin() + static_cast<std::ptrdiff_t>(at + count));
  }
}

// A block with fixed codes (section 3.2.6): a space, then "the last byte, 258 times".
void deflate_spaces(Bytes& to, std::size_t count) {
  Bits bits(to);
  bits.put(1, 1);  // last block
  bits.put(1, 2);  // fixed codes
  const auto space = [&] { bits.code(0x30 + ' ', 8); };
  space();
  std::size_t done = 1;
  for (; done + 258 <= count; done += 258) {
    bits.code(0b11000101, 8);  // length 258
    bits.code(0, 5);           // distance 1
  }
  for (; done < count; ++done) space();
  bits.code(0, 7);  // end of block
  bits.flush();
}

}  // namespace

Bytes zip(std::string_view name, const Bytes& content, std::size_t spaces) {
  Bytes packed;
  deflate_stored(packed, content, spaces == 0);
  if (spaces > 0) deflate_spaces(packed, spaces);
  Crc crc;
  for (const std::uint8_t byte : content) crc.add(byte);
  for (std::size_t i = 0; i < spaces; ++i) crc.add(' ');

  Bytes common;
  little(common, 20, 2);  // version 2.0
  little(common, 0, 2);   // flags
  little(common, 8, 2);   // deflated
  little(common, 0, 4);   // time and date
  little(common, crc.value(), 4);
  little(common, static_cast<std::uint32_t>(packed.size()), 4);
  little(common, static_cast<std::uint32_t>(content.size() + spaces), 4);
  little(common, static_cast<std::uint32_t>(name.size()), 2);
  little(common, 0, 2);  // extra

  Bytes out;
  little(out, 0x04034B50, 4);
  out.insert(out.end(), common.begin(), common.end());
  out.insert(out.end(), name.begin(), name.end());
  out.insert(out.end(), packed.begin(), packed.end());
  const std::size_t directory = out.size();
  little(out, 0x02014B50, 4);
  little(out, 20, 2);
  out.insert(out.end(), common.begin(), common.end());
  little(out, 0, 2);  // comment
  little(out, 0, 2);  // disk
  little(out, 0, 2);  // attributes
  little(out, 0, 4);
  little(out, 0, 4);  // where the member is
  out.insert(out.end(), name.begin(), name.end());
  const std::size_t directory_bytes = out.size() - directory;
  little(out, 0x06054B50, 4);
  little(out, 0, 4);  // disks
  little(out, 1, 2);
  little(out, 1, 2);
  little(out, static_cast<std::uint32_t>(directory_bytes), 4);
  little(out, static_cast<std::uint32_t>(directory), 4);
  little(out, 0, 2);
  return out;
}

}  // namespace generator

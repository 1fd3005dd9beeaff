#include "generator/gvsp.hpp"

#include <algorithm>
#include <cassert>

namespace generator::gvsp {

namespace {

constexpr std::uint16_t type_image = 0x0001;

template <std::size_t size>
std::array<std::uint8_t, size> fixed(const Bytes& bytes) {
  assert(bytes.size() == size);
  std::array<std::uint8_t, size> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

Bytes begin(const Header& header) {
  Bytes out;
  put16(out, header.status);
  put16(out, header.block);
  put32(out, static_cast<std::uint32_t>(header.format) << 24 | (header.packet & 0xFFFFFF));
  return out;
}

}  // namespace

std::array<std::uint8_t, header_bytes> pack(const Header& header) {
  return {
      static_cast<std::uint8_t>(header.status >> 8), static_cast<std::uint8_t>(header.status),
      static_cast<std::uint8_t>(header.block >> 8),  static_cast<std::uint8_t>(header.block),
      static_cast<std::uint8_t>(header.format),      static_cast<std::uint8_t>(header.packet >> 16),
      static_cast<std::uint8_t>(header.packet >> 8), static_cast<std::uint8_t>(header.packet)};
}

std::array<std::uint8_t, leader_bytes> leader(std::uint16_t block, const Image& image) {
  Bytes out = begin({status_success, block, Format::leader, 0});
  put16(out, 0);
  put16(out, type_image);
  put32(out, static_cast<std::uint32_t>(image.timestamp >> 32));
  put32(out, static_cast<std::uint32_t>(image.timestamp));
  for (const std::uint32_t field : {image.format, image.width, image.height, image.x, image.y}) {
    put32(out, field);
  }
  put32(out, 0);  // no padding
  return fixed<leader_bytes>(out);
}

std::array<std::uint8_t, trailer_bytes> trailer(std::uint16_t block, std::uint32_t packet,
                                                std::uint32_t height) {
  Bytes out = begin({status_success, block, Format::trailer, packet});
  put16(out, 0);
  put16(out, type_image);
  put32(out, height);
  return fixed<trailer_bytes>(out);
}

std::optional<Header> parse(View datagram) {
  if (datagram.size() < header_bytes) return std::nullopt;
  if (datagram[4] < 1 || datagram[4] > 3) return std::nullopt;
  return Header{read16(datagram, 0), read16(datagram, 2), static_cast<Format>(datagram[4]),
                read32(datagram, 4) & 0xFFFFFF};
}

std::optional<Image> parse_leader(View datagram) {
  const auto header = parse(datagram);
  if (!header || header->format != Format::leader) return std::nullopt;
  if (datagram.size() < leader_bytes || read16(datagram, 10) != type_image) return std::nullopt;
  Image out;
  out.timestamp = static_cast<std::uint64_t>(read32(datagram, 12)) << 32 | read32(datagram, 16);
  out.format = read32(datagram, 20);
  out.width = read32(datagram, 24);
  out.height = read32(datagram, 28);
  out.x = read32(datagram, 32);
  out.y = read32(datagram, 36);
  return out;
}

std::optional<std::uint32_t> parse_trailer(View packet) {
  const auto header = parse(packet);
  if (!header || header->format != Format::trailer) return std::nullopt;
  if (packet.size() < trailer_bytes || read16(packet, 10) != type_image) return std::nullopt;
  return read32(packet, 12);
}

std::size_t payload_of(std::size_t packet_size) {
  assert(packet_size > ip_udp_bytes + header_bytes);
  return packet_size - ip_udp_bytes - header_bytes;
}

std::uint32_t packets_of(std::size_t bytes, std::size_t packet_size) {
  const std::size_t each = payload_of(packet_size);
  return static_cast<std::uint32_t>((bytes + each - 1) / each);
}

}  // namespace generator::gvsp

// GVSP, the stream protocol of GigE Vision 2.0, images with 16-bit block ids: every frame is a
// block of a leader (packet 0), payload packets (1 …) and a trailer. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "generator/gvcp.hpp"

namespace generator::gvsp {

inline constexpr std::size_t header_bytes = 8;
inline constexpr std::size_t ip_udp_bytes = 28;  // a packet size counts them, too
inline constexpr std::size_t leader_bytes = header_bytes + 36;
inline constexpr std::size_t trailer_bytes = header_bytes + 8;

enum class Format : std::uint8_t { leader = 1, trailer = 2, payload = 3 };

inline constexpr std::uint16_t status_success = 0x0000;
inline constexpr std::uint16_t status_resent = 0x0100;
inline constexpr std::uint16_t status_unavailable = 0x800C;

struct Header {
  std::uint16_t status = status_success;
  std::uint16_t block = 0;
  Format format = Format::payload;
  std::uint32_t packet = 0;  // 24 bits
  friend bool operator==(const Header&, const Header&) = default;
};

struct Image {
  std::uint64_t timestamp = 0;  // ticks
  std::uint32_t format = 0;     // PFNC
  std::uint32_t width = 0;      // pixels
  std::uint32_t height = 0;
  std::uint32_t x = 0;
  std::uint32_t y = 0;
  friend bool operator==(const Image&, const Image&) = default;
};

std::array<std::uint8_t, header_bytes> pack(const Header& header);
std::array<std::uint8_t, leader_bytes> leader(std::uint16_t block, const Image& image);
std::array<std::uint8_t, trailer_bytes> trailer(std::uint16_t block, std::uint32_t packet,
                                                std::uint32_t height);

std::optional<Header> parse(View datagram);               // nullopt: too short, unknown format
std::optional<Image> parse_leader(View datagram);         // nullopt: not an image's leader
std::optional<std::uint32_t> parse_trailer(View packet);  // height; nullopt: not a trailer

// Bytes of pixels in one packet of this size, and how many packets a block's payload takes.
// packet_size: with IP header, above 36.
std::size_t payload_of(std::size_t packet_size);
std::uint32_t packets_of(std::size_t bytes, std::size_t packet_size);

}  // namespace generator::gvsp

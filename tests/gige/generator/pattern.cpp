#include "generator/pattern.hpp"

#include <algorithm>
#include <array>
#include <cassert>

namespace generator {

namespace {

// Standard names and codes: EMVA PFNC 2.4.
constexpr std::array formats{
    PixelFormat{"Mono8", 0x01080001},
    PixelFormat{"Mono10", 0x01100003, 10},
    PixelFormat{"Mono10Packed", 0x010C0004},
    PixelFormat{"Mono10p", 0x010A0046},
    PixelFormat{"Mono12", 0x01100005, 12},
    PixelFormat{"Mono12Packed", 0x010C0006},
    PixelFormat{"Mono12p", 0x010C0047},
    PixelFormat{"Mono14", 0x01100025, 14},
    PixelFormat{"Mono16", 0x01100007, 16},
    PixelFormat{"RGB8", 0x02180014},
    PixelFormat{"BGR8", 0x02180015},
    PixelFormat{"RGBa8", 0x02200016},
    PixelFormat{"BGRa8", 0x02200017},
    PixelFormat{"BayerGR8", 0x01080008},
    PixelFormat{"BayerRG8", 0x01080009},
    PixelFormat{"BayerGB8", 0x0108000A},
    PixelFormat{"BayerBG8", 0x0108000B},
    PixelFormat{"BayerGR10", 0x0110000C, 10},
    PixelFormat{"BayerRG10", 0x0110000D, 10},
    PixelFormat{"BayerGB10", 0x0110000E, 10},
    PixelFormat{"BayerBG10", 0x0110000F, 10},
    PixelFormat{"BayerGR12", 0x01100010, 12},
    PixelFormat{"BayerRG12", 0x01100011, 12},
    PixelFormat{"BayerGB12", 0x01100012, 12},
    PixelFormat{"BayerBG12", 0x01100013, 12},
    PixelFormat{"BayerGR16", 0x0110002E, 16},
    PixelFormat{"BayerRG16", 0x0110002F, 16},
    PixelFormat{"BayerGB16", 0x01100030, 16},
    PixelFormat{"BayerBG16", 0x01100031, 16},
    PixelFormat{"BayerGR10p", 0x010A0056},
    PixelFormat{"BayerRG10p", 0x010A0058},
    PixelFormat{"BayerGB10p", 0x010A0054},
    PixelFormat{"BayerBG10p", 0x010A0052},
    PixelFormat{"BayerGR12p", 0x010C0057},
    PixelFormat{"BayerRG12p", 0x010C0059},
    PixelFormat{"BayerGB12p", 0x010C0055},
    PixelFormat{"BayerBG12p", 0x010C0053},
    PixelFormat{"BayerGR10Packed", 0x010C0026},
    PixelFormat{"BayerRG10Packed", 0x010C0027},
    PixelFormat{"BayerGB10Packed", 0x010C0028},
    PixelFormat{"BayerBG10Packed", 0x010C0029},
    PixelFormat{"BayerGR12Packed", 0x010C002A},
    PixelFormat{"BayerRG12Packed", 0x010C002B},
    PixelFormat{"BayerGB12Packed", 0x010C002C},
    PixelFormat{"BayerBG12Packed", 0x010C002D},
    PixelFormat{"YUV411_8_UYYVYY", 0x020C001E},
    PixelFormat{"YUV422_8_UYVY", 0x0210001F},
    PixelFormat{"YUV422_8", 0x02100032},
    PixelFormat{"YUV8_UYV", 0x02180020},
    PixelFormat{"YCbCr422_8", 0x0210003B},
};

// Stripes move by this many bytes a frame; even, so that the bytes of a pixel stay where they are.
constexpr std::size_t step = 12;
// Frames after which they are where they were.
constexpr std::size_t positions = 4096;

std::size_t shift(std::uint64_t block) {
  return static_cast<std::size_t>(block % positions) * step;
}

// A ramp that is another one every 256 and every 65,536 bytes: a packet in the wrong place shows.
std::uint8_t ramp(std::size_t at) {
  return static_cast<std::uint8_t>(at + 3 * (at >> 8) + 5 * (at >> 16) + 7 * (at >> 24));
}

std::uint8_t high_byte_mask(std::uint32_t code) {
  const PixelFormat* format = find_format(code);
  const int bits = format == nullptr ? 0 : format->bits_of_two_bytes;
  return bits == 0 ? 0xFF : static_cast<std::uint8_t>((1 << (bits - 8)) - 1);
}

}  // namespace

std::span<const PixelFormat> pixel_formats() { return formats; }

const PixelFormat* find_format(std::string_view name) {
  const auto found = std::ranges::find(formats, name, &PixelFormat::name);
  return found == formats.end() ? nullptr : &*found;
}
const PixelFormat* find_format(std::uint32_t code) {
  const auto found = std::ranges::find(formats, code, &PixelFormat::code);
  return found == formats.end() ? nullptr : &*found;
}

std::size_t image_bytes(std::uint32_t code, std::uint32_t width, std::uint32_t height) {
  const std::size_t bits = code >> 16 & 0xFF;
  return (bits * width * height + 7) / 8;
}

std::uint8_t pattern_byte(std::uint32_t code, std::uint64_t block, std::size_t position) {
  const std::uint8_t byte = ramp(position + shift(block));
  return position % 2 == 1 ? byte & high_byte_mask(code) : byte;
}

std::optional<std::size_t> first_wrong(std::uint32_t code, std::uint64_t block,
                                       std::span<const std::uint8_t> pixels) {
  const std::uint8_t mask = high_byte_mask(code);
  const std::size_t from = shift(block);
  for (std::size_t at = 0; at < pixels.size(); ++at) {
    const std::uint8_t byte = ramp(at + from);
    if (pixels[at] != (at % 2 == 1 ? byte & mask : byte)) return at;
  }
  return std::nullopt;
}

Pattern::Pattern(std::uint32_t code, std::size_t bytes)
    : bytes_(bytes), table_(bytes + positions * step) {
  const std::uint8_t mask = high_byte_mask(code);
  for (std::size_t at = 0; at < table_.size(); ++at) {
    table_[at] = at % 2 == 1 ? ramp(at) & mask : ramp(at);
  }
}

std::span<const std::uint8_t> Pattern::frame(std::uint64_t block) const {
  return std::span(table_).subspan(shift(block), bytes_);
}

}  // namespace generator

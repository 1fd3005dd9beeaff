// The picture that the generator sends: moving stripes whose every byte follows from the frame's
// block id and the byte's position, so that a consumer can check every byte. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace generator {

// A pixel format by its PFNC name and code.
struct PixelFormat {
  std::string_view name;
  std::uint32_t code;
  // Significant bits where a pixel takes two bytes, little-endian, else 0: the others are zero.
  int bits_of_two_bytes = 0;
};
std::span<const PixelFormat> pixel_formats();
const PixelFormat* find_format(std::string_view name);  // nullptr: unknown
const PixelFormat* find_format(std::uint32_t code);

// Bytes of an image; a last byte that is begun is counted. Bits per pixel are in the code.
std::size_t image_bytes(std::uint32_t code, std::uint32_t width, std::uint32_t height);

// The byte at this position (0 …) of the frame with this block id, in a format.
std::uint8_t pattern_byte(std::uint32_t code, std::uint64_t block, std::size_t position);

// The first byte that is not as pattern_byte says; nullopt: all are.
std::optional<std::size_t> first_wrong(std::uint32_t code, std::uint64_t block,
                                       std::span<const std::uint8_t> pixels);

// All frames of a format and size in one table: a frame is the bytes from its shift on, so sending
// one costs no drawing.
class Pattern {
 public:
  Pattern(std::uint32_t code, std::size_t bytes);
  std::span<const std::uint8_t> frame(std::uint64_t block) const;

 private:
  std::size_t bytes_;
  std::vector<std::uint8_t> table_;
};

}  // namespace generator

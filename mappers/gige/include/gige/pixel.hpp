// Pixel formats: names and codes of the GenICam Pixel Format Naming Convention (PFNC 2.x), and how
// their bytes are laid out. Pure; any thread; the views live as long as the program.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.hpp"
#include "gige/frame.hpp"

namespace gige {

enum class PixelKind : std::uint8_t { grey, rgb, bgr, bayer, yuv };

// How samples stand in bytes. Multi-byte samples are little-endian, as GVSP sends them.
enum class Packing : std::uint8_t {
  bytes,   // whole bytes per sample, significant bits lowest
  packed,  // GigE Vision 1.x "Packed": two samples in 3 bytes; high bits in the outer ones, the low
           // bits of both in the middle one
  dense,   // PFNC "p": sample after sample, lowest bit first, no gaps
  // Chroma shared by 2 or 4 pixels, named by the order of their bytes.
  yuyv,
  uyvy,
  uyyvyy,
  yyuyyv,
};

struct PixelFormat {
  std::string_view name;   // as in the feature PixelFormat: "Mono8"
  std::uint32_t code = 0;  // as in the frame's leader: 0x01080001
  PixelKind kind = PixelKind::grey;
  Packing packing = Packing::bytes;
  std::uint8_t significant = 8;  // bits of a sample that carry light, 8..16
  std::string_view tile = "";    // of Bayer: "RG", the first two colours of the first row

  int bits() const { return static_cast<int>(code >> 16 & 0xff); }  // of memory per pixel
  int channels() const { return kind == PixelKind::grey || kind == PixelKind::bayer ? 1 : 3; }
  // Pixels that share bytes: a row's width must be a multiple. 1, 2 or 4.
  unsigned group() const;
};

// All that can be made into images, in the order of the manual.
std::span<const PixelFormat> pixel_formats();
const PixelFormat* pixel_format(std::uint32_t code);     // null: not one of them
const PixelFormat* pixel_format(std::string_view name);  // exact; null: not one of them

// Widest and highest image. Far above any camera (line scans stack to 65,535 lines), and small
// enough that no product below overflows 64 bits.
inline constexpr std::uint32_t max_side = 1u << 20;

// Bytes that one image needs. out_of_range: a side is 0 or above max_side; malformed: the width
// is not a multiple of group(). Rows that do not end at a byte go on in the same byte as long as
// there is no padding.
base::Result<std::uint64_t> image_size(const PixelFormat& format, std::uint32_t width,
                                       std::uint32_t height, std::uint32_t padding);

}  // namespace gige

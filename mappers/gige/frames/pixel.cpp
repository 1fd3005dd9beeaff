#include "gige/pixel.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.hpp"

namespace gige {

namespace {

using enum PixelKind;
using enum Packing;

// Codes: PFNC 2.4, "32-bit values". Error8 is none of PFNC's but one vendor's own (bit 31).
constexpr std::array formats = {
    PixelFormat{"Mono8", 0x01080001, grey, bytes, 8},
    PixelFormat{"Mono10", 0x01100003, grey, bytes, 10},
    PixelFormat{"Mono10Packed", 0x010C0004, grey, packed, 10},
    PixelFormat{"Mono10p", 0x010A0046, grey, dense, 10},
    PixelFormat{"Mono12", 0x01100005, grey, bytes, 12},
    PixelFormat{"Mono12Packed", 0x010C0006, grey, packed, 12},
    PixelFormat{"Mono12p", 0x010C0047, grey, dense, 12},
    PixelFormat{"Mono14", 0x01100025, grey, bytes, 14},
    PixelFormat{"Mono16", 0x01100007, grey, bytes, 16},
    PixelFormat{"Confidence8", 0x010800C6, grey, bytes, 8},
    PixelFormat{"Error8", 0x81080001, grey, bytes, 8},
    PixelFormat{"Coord3D_C16", 0x011000B8, grey, bytes, 16},
    PixelFormat{"RGB8", 0x02180014, rgb, bytes, 8},
    PixelFormat{"BGR8", 0x02180015, bgr, bytes, 8},
    PixelFormat{"BayerGR8", 0x01080008, bayer, bytes, 8, "GR"},
    PixelFormat{"BayerRG8", 0x01080009, bayer, bytes, 8, "RG"},
    PixelFormat{"BayerGB8", 0x0108000A, bayer, bytes, 8, "GB"},
    PixelFormat{"BayerBG8", 0x0108000B, bayer, bytes, 8, "BG"},
    PixelFormat{"BayerGR10", 0x0110000C, bayer, bytes, 10, "GR"},
    PixelFormat{"BayerRG10", 0x0110000D, bayer, bytes, 10, "RG"},
    PixelFormat{"BayerGB10", 0x0110000E, bayer, bytes, 10, "GB"},
    PixelFormat{"BayerBG10", 0x0110000F, bayer, bytes, 10, "BG"},
    PixelFormat{"BayerGR12", 0x01100010, bayer, bytes, 12, "GR"},
    PixelFormat{"BayerRG12", 0x01100011, bayer, bytes, 12, "RG"},
    PixelFormat{"BayerGB12", 0x01100012, bayer, bytes, 12, "GB"},
    PixelFormat{"BayerBG12", 0x01100013, bayer, bytes, 12, "BG"},
    PixelFormat{"BayerGR16", 0x0110002E, bayer, bytes, 16, "GR"},
    PixelFormat{"BayerRG16", 0x0110002F, bayer, bytes, 16, "RG"},
    PixelFormat{"BayerGB16", 0x01100030, bayer, bytes, 16, "GB"},
    PixelFormat{"BayerBG16", 0x01100031, bayer, bytes, 16, "BG"},
    PixelFormat{"BayerGR10Packed", 0x010C0026, bayer, packed, 10, "GR"},
    PixelFormat{"BayerRG10Packed", 0x010C0027, bayer, packed, 10, "RG"},
    PixelFormat{"BayerGB10Packed", 0x010C0028, bayer, packed, 10, "GB"},
    PixelFormat{"BayerBG10Packed", 0x010C0029, bayer, packed, 10, "BG"},
    PixelFormat{"BayerGR12Packed", 0x010C002A, bayer, packed, 12, "GR"},
    PixelFormat{"BayerRG12Packed", 0x010C002B, bayer, packed, 12, "RG"},
    PixelFormat{"BayerGB12Packed", 0x010C002C, bayer, packed, 12, "GB"},
    PixelFormat{"BayerBG12Packed", 0x010C002D, bayer, packed, 12, "BG"},
    PixelFormat{"BayerBG10p", 0x010A0052, bayer, dense, 10, "BG"},
    PixelFormat{"BayerBG12p", 0x010C0053, bayer, dense, 12, "BG"},
    PixelFormat{"BayerGB10p", 0x010A0054, bayer, dense, 10, "GB"},
    PixelFormat{"BayerGB12p", 0x010C0055, bayer, dense, 12, "GB"},
    PixelFormat{"BayerGR10p", 0x010A0056, bayer, dense, 10, "GR"},
    PixelFormat{"BayerGR12p", 0x010C0057, bayer, dense, 12, "GR"},
    PixelFormat{"BayerRG10p", 0x010A0058, bayer, dense, 10, "RG"},
    PixelFormat{"BayerRG12p", 0x010C0059, bayer, dense, 12, "RG"},
    PixelFormat{"YUV411_8_UYYVYY", 0x020C001E, yuv, uyyvyy, 8},
    PixelFormat{"YUV422_8_UYVY", 0x0210001F, yuv, uyvy, 8},
    PixelFormat{"YUV422_8", 0x02100032, yuv, yuyv, 8},
    PixelFormat{"YCbCr422_8", 0x0210003B, yuv, yuyv, 8},
    PixelFormat{"YCbCr422_8_CbYCrY", 0x02100043, yuv, uyvy, 8},
    PixelFormat{"YCbCr411_8", 0x020C005A, yuv, yyuyyv, 8},
    PixelFormat{"YCbCr411_8_CbYYCrYY", 0x020C003C, yuv, uyyvyy, 8},
};

}  // namespace

unsigned PixelFormat::group() const {
  if (kind != PixelKind::yuv) return 1;
  return packing == Packing::yuyv || packing == Packing::uyvy ? 2 : 4;
}

std::span<const PixelFormat> pixel_formats() { return formats; }

const PixelFormat* pixel_format(std::uint32_t code) {
  const auto found = std::ranges::find(formats, code, &PixelFormat::code);
  return found == formats.end() ? nullptr : &*found;
}

const PixelFormat* pixel_format(std::string_view name) {
  const auto found = std::ranges::find(formats, name, &PixelFormat::name);
  return found == formats.end() ? nullptr : &*found;
}

base::Result<std::uint64_t> image_size(const PixelFormat& format, std::uint32_t width,
                                       std::uint32_t height, std::uint32_t padding) {
  if (width == 0 || height == 0 || width > max_side || height > max_side) {
    return base::Status(base::Code::out_of_range, base::cat("an image of ", width, " x ", height,
                                                            " pixels: 1..", max_side, " a side"));
  }
  if (width % format.group() != 0) {
    return base::Status(base::Code::malformed, base::cat("width ", width, " of ", format.name,
                                                         " is not a multiple of ", format.group()));
  }
  const auto row_bits = std::uint64_t{width} * static_cast<unsigned>(format.bits());
  if (padding == 0) return (row_bits * height + 7) / 8;
  return ((row_bits + 7) / 8 + padding) * height;
}

}  // namespace gige

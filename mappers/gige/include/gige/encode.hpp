// Frames as image files, in memory: PNG (libpng), JPEG (libjpeg-turbo), TIFF (libtiff), PNM, raw.
// Pure; any thread; a frame of 12 Mpixel takes tens of milliseconds: never on a loop.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "gige/frame.hpp"

namespace gige {

enum class ImageFormat : std::uint8_t { jpeg, png, tiff, pnm, raw };
std::string_view name(ImageFormat format);        // "jpeg"; also the word in settings
std::string_view extension(ImageFormat format);   // "jpg", "png", "tif", "pnm", "raw"
std::string_view media_type(ImageFormat format);  // "image/jpeg" …; raw: application/octet-stream
// "jpeg", "jpg", "tif" … any case. invalid: the text lists the words.
base::Result<ImageFormat> image_format(std::string_view word);

struct EncodeOptions {
  ImageFormat format = ImageFormat::jpeg;
  int quality = 90;  // of JPEG, 1..100
};

// Deeper formats keep their depth where the file's format can: Mono10/12/16 are 16-bit PNG, TIFF
// and PNM, scaled to the full range so that the high bits are the camera's value (convert.hpp);
// JPEG is 8 bits. Bayer is interpolated to RGB (bilinear); YUV is converted by BT.601. raw is the
// camera's bytes, of any pixel format. PNG and TIFF carry the frame's number and times as text.
// unsupported: this pixel format (the text names it and those that work). malformed: the pixels are
// fewer than width, height and format ask for, or the width breaks a group of YUV pixels.
// out_of_range: a side is 0, above max_side (pixel.hpp), or of a JPEG above 65,500. refused: the
// frame is not complete. invalid: quality. unavailable: no memory.
base::Result<std::vector<std::uint8_t>> encode(const Frame& frame, const EncodeOptions& options);

}  // namespace gige

#include "gige/encode.hpp"

#include <array>
#include <cstdlib>
#include <new>

#include "base/text.hpp"
#include "frames/files.hpp"

namespace gige {

namespace {

struct Names {
  ImageFormat format;
  std::string_view name, extension, media_type;
};

constexpr std::array<Names, 5> all_names = {{
    {ImageFormat::jpeg, "jpeg", "jpg", "image/jpeg"},
    {ImageFormat::png, "png", "png", "image/png"},
    {ImageFormat::tiff, "tiff", "tif", "image/tiff"},
    {ImageFormat::pnm, "pnm", "pnm", "image/x-portable-anymap"},
    {ImageFormat::raw, "raw", "raw", "application/octet-stream"},
}};

const Names& names(ImageFormat format) {
  for (const Names& one : all_names) {
    if (one.format == format) return one;
  }
  std::abort();  // no such enumerator
}

Texts texts_of(const FrameInfo& info) {
  Texts texts = {{"Sequence", base::cat(info.sequence)},
                 {"FrameId", base::cat(info.id)},
                 {"CameraTimeNs", base::cat(info.camera_ns)},
                 {"ArrivedNs", base::cat(info.arrived_ns)}};
  if (info.exposed_ns != 0) texts.emplace_back("ExposedNs", base::cat(info.exposed_ns));
  if (const PixelFormat* const format = pixel_format(info.format)) {
    texts.emplace_back("PixelFormat", format->name);
  }
  return texts;
}

base::Result<Bytes> write(const Frame& frame, const EncodeOptions& options) {
  if (options.format == ImageFormat::raw) {
    return Bytes(frame.pixels.begin(), frame.pixels.end());
  }
  auto rows = Rows::of(frame, options.format == ImageFormat::jpeg ? 8 : 16);
  if (!rows.ok()) return rows.status();
  switch (options.format) {
    case ImageFormat::jpeg:
      return write_jpeg(*rows, options.quality);
    case ImageFormat::png:
      return write_png(*rows, texts_of(frame.info));
    case ImageFormat::tiff:
      return write_tiff(*rows, texts_of(frame.info));
    default:
      return write_pnm(*rows);
  }
}

}  // namespace

std::string_view name(ImageFormat format) { return names(format).name; }
std::string_view extension(ImageFormat format) { return names(format).extension; }
std::string_view media_type(ImageFormat format) { return names(format).media_type; }

base::Result<ImageFormat> image_format(std::string_view word) {
  const std::string wanted = base::lower(word);
  for (const Names& one : all_names) {
    if (wanted == one.name || wanted == one.extension) return one.format;
  }
  return base::Status(base::Code::invalid, base::cat("image format \"", word,
                                                     "\" is none of jpeg, png, tiff, pnm, raw"));
}

base::Result<std::vector<std::uint8_t>> encode(const Frame& frame, const EncodeOptions& options) {
  if (frame.info.status != FrameStatus::complete) {
    return base::Status(base::Code::refused,
                        base::cat("frame ", frame.info.id, " is not complete: ", frame.info.missing,
                                  " packets are missing"));
  }
  if (options.quality < 1 || options.quality > 100) {
    return base::Status(base::Code::invalid,
                        base::cat("quality ", options.quality, " is not 1..100"));
  }
  try {
    return write(frame, options);
  } catch (const std::bad_alloc&) {
    return base::Status(base::Code::unavailable,
                        base::cat("no memory for ", name(options.format), " of ", frame.info.width,
                                  " x ", frame.info.height, " pixels"));
  }
}

}  // namespace gige

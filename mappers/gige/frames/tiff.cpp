// TIFF by libtiff: uncompressed, because it is the format for those who want speed and depth and
// have the room; PNG is the small one. In memory, with the errors of each file for itself.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "base/text.hpp"
#include "frames/files.hpp"

namespace gige {

namespace {

struct Output {
  Bytes bytes;
  std::size_t at = 0;
  char error[256] = "";
};

Output& output(thandle_t handle) { return *static_cast<Output*>(handle); }

tmsize_t on_read(thandle_t handle, void* data, tmsize_t size) {
  Output& out = output(handle);
  const std::size_t there = out.at < out.bytes.size() ? out.bytes.size() - out.at : 0;
  const auto count = std::min(there, static_cast<std::size_t>(size));
  std::copy_n(out.bytes.begin() + static_cast<std::ptrdiff_t>(out.at), count,
              static_cast<std::uint8_t*>(data));
  out.at += count;
  return static_cast<tmsize_t>(count);
}

tmsize_t on_write(thandle_t handle, void* data, tmsize_t size) {
  Output& out = output(handle);
  const auto count = static_cast<std::size_t>(size);
  try {
    if (out.bytes.size() < out.at + count) out.bytes.resize(out.at + count);
  } catch (const std::bad_alloc&) {
    return -1;
  }
  std::memcpy(out.bytes.data() + out.at, data, count);
  out.at += count;
  return size;
}

toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  Output& out = output(handle);
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? out.at : out.bytes.size();
  out.at = static_cast<std::size_t>(base + offset);
  return out.at;
}

int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return output(handle).bytes.size(); }
int on_map(thandle_t, void**, toff_t*) { return 0; }
void on_unmap(thandle_t, void*, toff_t) {}

// 1: handled, libtiff writes nothing to stderr.
int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Output& out = output(user);
  std::vsnprintf(out.error, sizeof out.error, format, arguments);
  return 1;
}
int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

TIFF* open(Output& out) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) return nullptr;
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &out);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &out);
  // m: the file is not mapped.
  return TIFFClientOpenExt("frame", "wm", &out, on_read, on_write, on_seek, on_close, on_size,
                           on_map, on_unmap, options.get());
}

bool write(TIFF* tiff, Rows& rows, const std::string& description) {
  const int grey = rows.channels() == 1;
  // libtiff's default: strips of about 8 KiB; a row at least. Fewer, larger ones are faster.
  const auto rows_per_strip = static_cast<std::uint32_t>(
      std::clamp<std::size_t>((std::size_t{1} << 20) / rows.row_bytes(), 1, rows.height()));
  bool good = TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, rows.width()) != 0 &&
              TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, rows.height()) != 0 &&
              TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, rows.depth()) != 0 &&
              TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, rows.channels()) != 0 &&
              TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                           grey ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB) != 0 &&
              TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) != 0 &&
              TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) != 0 &&
              TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows_per_strip) != 0 &&
              (description.empty() ||
               TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description.c_str()) != 0);
  Bytes row(rows.row_bytes());
  for (std::uint32_t y = 0; good && y < rows.height(); ++y) {
    // A copy, because libtiff may change what it is given.
    std::ranges::copy(rows.row(y), row.begin());
    good = TIFFWriteScanline(tiff, row.data(), y, 0) == 1;
  }
  return good && TIFFFlush(tiff) == 1;
}

}  // namespace

base::Result<Bytes> write_tiff(Rows& rows, const Texts& texts) {
  std::string description;
  for (const auto& [key, text] : texts) description += base::cat(key, "=", text, "\n");
  Output out;
  out.bytes.reserve(rows.row_bytes() * rows.height() + 4096);
  std::unique_ptr<TIFF, void (*)(TIFF*)> tiff(open(out), TIFFClose);
  const bool written = tiff && write(tiff.get(), rows, description);
  tiff.reset();
  if (!written) {
    return base::Status(base::Code::internal,
                        base::cat("tiff of ", rows.width(), " x ", rows.height(), ": ",
                                  *out.error != '\0' ? out.error : "libtiff did not start"));
  }
  return std::move(out.bytes);
}

}  // namespace gige

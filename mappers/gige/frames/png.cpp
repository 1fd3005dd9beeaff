// PNG by libpng. Its errors come as longjmp. Between setjmp and the calls that may jump stand no
// objects with destructors: they all live in write_png and outlive the jump.
#include <png.h>
#include <zlib.h>

#include <bit>
#include <cstdio>
#include <new>

#include "base/text.hpp"
#include "frames/files.hpp"

namespace gige {

namespace {

// Each row as differences to the one above, then runs and Huffman codes only. Looking for longer
// matches finds noise: measured on shades with a sensor's noise, zlib's default strategy took 1.2
// (RGB8) to 2.6 times (16-bit grey) as long at level 1 for larger files, and at level 6 it took 7
// to 23 times as long for files between 13 % larger and 4 % smaller.
constexpr int level = 1;
constexpr int strategy = Z_RLE;
constexpr int filter = PNG_FILTER_UP;

struct Output {
  Bytes bytes;
  char error[128] = "";
};

void on_error(png_structp png, png_const_charp text) {
  auto* const out = static_cast<Output*>(png_get_error_ptr(png));
  std::snprintf(out->error, sizeof out->error, "%s", text);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // of ours there are none that matter

// false: no memory. Not in on_write, because png_error must not jump out of a handler.
bool append(Bytes& to, const std::uint8_t* data, std::size_t size) noexcept {
  try {
    to.insert(to.end(), data, data + size);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void on_write(png_structp png, png_bytep data, std::size_t size) {
  auto* const out = static_cast<Output*>(png_get_io_ptr(png));
  if (!append(out->bytes, data, size)) png_error(png, "out of memory");
}

void on_flush(png_structp) {}

struct Writer {
  explicit Writer(Output& out)
      : png(png_create_write_struct(PNG_LIBPNG_VER_STRING, &out, on_error, on_warning)),
        info(png == nullptr ? nullptr : png_create_info_struct(png)) {}
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  png_structp png;
  png_infop info;
};

// false: out->error says why.
bool write(png_structp png, png_infop info, Output* out, Rows* rows, png_textp texts, int count) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, out, on_write, on_flush);
  png_set_user_limits(png, max_side, max_side);
  png_set_IHDR(png, info, rows->width(), rows->height(), rows->depth(),
               rows->channels() == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (count > 0) png_set_text(png, info, texts, count);
  png_set_compression_level(png, level);
  png_set_compression_strategy(png, strategy);
  png_set_filter(png, PNG_FILTER_TYPE_BASE, filter);
  // The stream in few IDAT chunks instead of one every 8 KiB.
  png_set_compression_buffer_size(png, std::size_t{1} << 20);
  png_write_info(png, info);
  if (rows->depth() == 16 && std::endian::native == std::endian::little) png_set_swap(png);
  for (std::uint32_t y = 0; y < rows->height(); ++y) png_write_row(png, rows->row(y).data());
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

base::Result<Bytes> write_png(Rows& rows, const Texts& texts) {
  Output out;
  std::vector<png_text> entries(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    entries[i].compression = PNG_TEXT_COMPRESSION_NONE;
    entries[i].key = const_cast<png_charp>(texts[i].first.c_str());  // libpng copies it
    entries[i].text = const_cast<png_charp>(texts[i].second.c_str());
    entries[i].text_length = texts[i].second.size();
  }
  Writer writer(out);
  const bool written =
      writer.info != nullptr &&
      write(writer.png, writer.info, &out, &rows, entries.data(), static_cast<int>(entries.size()));
  if (!written) {
    return base::Status(base::Code::internal,
                        base::cat("png of ", rows.width(), " x ", rows.height(), ": ",
                                  *out.error != '\0' ? out.error : "libpng did not start"));
  }
  return std::move(out.bytes);
}

}  // namespace gige

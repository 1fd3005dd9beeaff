// JPEG by libjpeg-turbo: baseline, colour with chroma at half resolution (4:2:0), as cameras and
// browsers have it. Errors come as longjmp; see png.cpp for how that is kept safe.
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <new>
// After <cstdio>, which it needs and does not include, and before its jerror.h.
#include <jpeglib.h>

#include <jerror.h>

#include "base/text.hpp"
#include "frames/files.hpp"

namespace gige {

namespace {

struct Failure {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is also ours
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX] = "";
};

void on_error(j_common_ptr jpeg) {
  auto* const failure = reinterpret_cast<Failure*>(jpeg->err);
  failure->manager.format_message(jpeg, failure->text);
  std::longjmp(failure->jump, 1);
}

void on_message(j_common_ptr, int) {}  // instead of stderr

// The file grows in a vector. (jpeg_mem_dest's buffer has no certain owner once an error has
// jumped.)
struct Output {
  jpeg_compress_struct jpeg = {};
  Failure failure = {};
  jpeg_destination_mgr destination = {};
  Bytes bytes;

  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { jpeg_destroy_compress(&jpeg); }
};

Output& output(j_compress_ptr jpeg) { return *static_cast<Output*>(jpeg->client_data); }

// Gives libjpeg the second half of twice the bytes. false: no memory.
bool grow(Output& out) noexcept {
  const std::size_t used = out.bytes.size();
  try {
    out.bytes.resize(std::max(2 * used, std::size_t{1} << 16));
  } catch (const std::bad_alloc&) {
    return false;
  }
  out.destination.next_output_byte = out.bytes.data() + used;
  out.destination.free_in_buffer = out.bytes.size() - used;
  return true;
}

void on_start(j_compress_ptr jpeg) {
  if (!grow(output(jpeg))) ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
}

boolean on_full(j_compress_ptr jpeg) {
  on_start(jpeg);
  return TRUE;
}

void on_end(j_compress_ptr jpeg) {
  Output& out = output(jpeg);
  out.bytes.resize(out.bytes.size() - out.destination.free_in_buffer);
}

// false: out->failure.text says why.
bool write(Output* out, Rows* rows, int quality) {
  jpeg_compress_struct* const jpeg = &out->jpeg;
  jpeg->err = jpeg_std_error(&out->failure.manager);
  out->failure.manager.error_exit = on_error;
  out->failure.manager.emit_message = on_message;
  if (setjmp(out->failure.jump) != 0) return false;
  jpeg_create_compress(jpeg);
  out->destination.init_destination = on_start;
  out->destination.empty_output_buffer = on_full;
  out->destination.term_destination = on_end;
  jpeg->dest = &out->destination;
  jpeg->client_data = out;
  jpeg->image_width = rows->width();
  jpeg->image_height = rows->height();
  jpeg->input_components = rows->channels();
  jpeg->in_color_space = rows->channels() == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(jpeg);
  jpeg_set_quality(jpeg, quality, TRUE);
  jpeg_start_compress(jpeg, TRUE);
  for (std::uint32_t y = 0; y < rows->height(); ++y) {
    JSAMPROW row = const_cast<JSAMPROW>(rows->row(y).data());  // libjpeg only reads it
    jpeg_write_scanlines(jpeg, &row, 1);
  }
  jpeg_finish_compress(jpeg);
  return true;
}

}  // namespace

base::Result<Bytes> write_jpeg(Rows& rows, int quality) {
  if (rows.width() > JPEG_MAX_DIMENSION || rows.height() > JPEG_MAX_DIMENSION) {
    return base::Status(base::Code::out_of_range,
                        base::cat("jpeg of ", rows.width(), " x ", rows.height(), ": at most ",
                                  JPEG_MAX_DIMENSION, " pixels a side; take png or tiff"));
  }
  Output out;
  if (!write(&out, &rows, quality)) {
    return base::Status(base::Code::internal, base::cat("jpeg of ", rows.width(), " x ",
                                                        rows.height(), ": ", out.failure.text));
  }
  return std::move(out.bytes);
}

}  // namespace gige

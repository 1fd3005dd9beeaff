// What a camera's leader says of a frame, and any pixels: into every file format. The first bytes
// of the input are the description, the rest are the pixels.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "gige/encode.hpp"
#include "gige/pixel.hpp"

namespace {

// Little-endian, of the input's next bytes; 0 after its end.
template <class Number>
Number take(const std::uint8_t*& data, std::size_t& size) {
  Number number = 0;
  const std::size_t count = std::min(size, sizeof number);
  std::memcpy(&number, data, count);
  data += count;
  size -= count;
  return number;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gige::Frame frame;
  const auto choice = take<std::uint8_t>(data, size);
  frame.info.format = take<std::uint32_t>(data, size);
  frame.info.width = take<std::uint32_t>(data, size);
  frame.info.height = take<std::uint32_t>(data, size);
  frame.info.padding = take<std::uint32_t>(data, size);
  // Half of the inputs: one of the known formats, and sizes that may fit.
  if (choice % 2 != 0) {
    const auto formats = gige::pixel_formats();
    frame.info.format = formats[frame.info.format % formats.size()].code;
    frame.info.width %= 64;
    frame.info.height %= 64;
    frame.info.padding %= 8;
  }
  // A copy of its own size: a read beyond it is seen.
  const std::vector<std::uint8_t> pixels(data, data + size);
  frame.pixels = pixels;
  for (const auto kind : {gige::ImageFormat::jpeg, gige::ImageFormat::png, gige::ImageFormat::tiff,
                          gige::ImageFormat::pnm, gige::ImageFormat::raw}) {
    const auto file = gige::encode(frame, {kind, 1 + choice % 100});
    if (file.status().code() == base::Code::internal) std::abort();
    if (file.ok() && kind != gige::ImageFormat::raw && file->empty()) std::abort();
  }
  return 0;
}

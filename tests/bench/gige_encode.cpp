// What an image file costs: one thread, frames in memory, a picture with edges, shades and noise
// (an even one would flatter PNG and JPEG, pure noise would slander them).
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "gige/encode.hpp"
#include "gige/pixel.hpp"
#include "report.hpp"

namespace {

using std::chrono::steady_clock;

struct Size {
  std::uint32_t width, height;
};

std::vector<std::uint8_t> picture(const gige::PixelFormat& format, Size size) {
  const unsigned bytes = static_cast<unsigned>(format.bits()) / 8;
  std::vector<std::uint8_t> pixels;
  pixels.reserve(std::size_t{size.width} * size.height * bytes);
  std::mt19937 random(1);
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x) {
      const double shade = 110 + 60 * std::sin(x / 90.0) * std::cos(y / 70.0);
      const unsigned edge = (x / 160 + y / 120) % 2 * 40;
      for (unsigned i = 0; i < bytes; ++i) {
        const auto noise =
            static_cast<unsigned>(random() % 7);  // a sensor's last two or three bits
        pixels.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(shade) + edge + noise));
      }
    }
  }
  return pixels;
}

void measure(bench::Report& report, std::string_view pixel_format, Size size) {
  const gige::PixelFormat& format = *gige::pixel_format(pixel_format);
  const auto pixels = picture(format, size);
  gige::Frame frame;
  frame.info.width = size.width;
  frame.info.height = size.height;
  frame.info.format = format.code;
  frame.pixels = pixels;
  for (const auto kind : {gige::ImageFormat::jpeg, gige::ImageFormat::png, gige::ImageFormat::tiff,
                          gige::ImageFormat::pnm, gige::ImageFormat::raw}) {
    using namespace std::chrono_literals;
    std::size_t bytes = 0;
    int count = 0;
    const auto start = steady_clock::now();
    std::chrono::duration<double> took{};
    do {
      const auto file = gige::encode(frame, {kind});
      if (!file.ok()) {
        std::fprintf(stderr, "gige-encode: %s\n", file.status().to_string().c_str());
        std::exit(1);
      }
      bytes = file->size();
      ++count;
      took = steady_clock::now() - start;
    } while (took < 500ms || count < 3);
    const double ms = took.count() * 1000 / count;
    const std::string what =
        base::cat(pixel_format, " ", size.width, "x", size.height, ", ", gige::name(kind));
    report.add(base::cat("gige.encode_ms_", gige::name(kind), "_", base::lower(pixel_format), "_",
                         size.width, "x", size.height),
               what, ms, "ms");
    report.add("", what, static_cast<double>(pixels.size()) / 1e3 / ms, "MB/s of pixels",
               base::cat("file ", bytes * 100 / pixels.size(), " % of them"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  for (const Size size : {Size{640, 480}, Size{1920, 1080}, Size{4096, 3000}}) {
    for (const auto format : {"Mono8", "RGB8", "BayerRG8"}) measure(report, format, size);
  }
  return 0;
}

// Frames with known pixels, and the other program that decodes what was made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gige/encode.hpp"
#include "gige/pixel.hpp"
#include "support/process.hpp"

namespace images {

// A frame that owns its pixels.
struct Owned {
  std::vector<std::uint8_t> pixels;
  gige::FrameInfo info;
  gige::Frame frame() const { return {info, pixels}; }
};

inline Owned random_frame(const gige::PixelFormat& format, std::uint32_t width,
                          std::uint32_t height, std::uint32_t padding, std::mt19937& random) {
  Owned made;
  made.info.format = format.code;
  made.info.width = width;
  made.info.height = height;
  made.info.padding = padding;
  made.pixels.resize(gige::image_size(format, width, height, padding).value());
  for (auto& byte : made.pixels) byte = static_cast<std::uint8_t>(random());
  made.info.size = made.pixels.size();
  return made;
}

inline void write(const std::filesystem::path& path, const std::vector<std::uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

// Debian's Python, which has PIL and numpy; the one in PATH may be another.
inline test_support::Outcome python(const std::filesystem::path& script,
                                    const std::filesystem::path& folder) {
  return test_support::run({"/usr/bin/python3", script.string(), folder.string()}, {},
                           std::chrono::seconds(100));
}

inline std::filesystem::path script(std::string_view name) {
  return std::filesystem::path(PROJECT_SOURCE) / "tests/gige/frames" / name;
}

}  // namespace images

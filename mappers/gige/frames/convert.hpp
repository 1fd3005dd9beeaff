// A frame's pixels as rows that image files hold: grey or RGB, 8 or 16 bits a sample.
//
// Depth: 10, 12 and 14 bits are moved to the top of 16 and the free low bits repeat the high ones,
// so that black is 0, white is 65535, and value >> (16 - significant) is the camera's value. 8 bits
// are the high ones. Bayer: bilinear; beyond an edge stands the mirrored row or column (not the
// edge's own, which has the wrong colours). YUV and YCbCr: BT.601, full range (0..255, as in JPEG).
//
// One object, one thread; the pixels must outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.hpp"
#include "gige/frame.hpp"
#include "gige/pixel.hpp"

namespace gige {

class Rows {
 public:
  // most_depth: 8 or 16, what the file can hold. unsupported: unknown pixel format; out_of_range
  // and malformed: see image_size, and fewer pixels than it asks for.
  static base::Result<Rows> of(const Frame& frame, int most_depth);

  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }
  int channels() const { return grey_ ? 1 : 3; }
  int depth() const { return depth_; }  // 8 or 16
  std::size_t row_bytes() const {
    return std::size_t{width_} * static_cast<std::size_t>(channels() * depth_ / 8);
  }

  // Row y < height, from any to any, fastest in order. Samples of 16 bits are in the host's byte
  // order. The row stays until the next call.
  std::span<const std::uint8_t> row(std::uint32_t y);

 private:
  template <class Sample>
  struct Lines {
    // Of Bayer: rows y-1, y, y+1, one mirrored sample before and after each.
    std::array<std::vector<Sample>, 3> lines;
    std::array<std::int64_t, 3> held = {-1, -1, -1};  // which row stands where
    std::vector<Sample> out;
  };

  Rows() = default;
  template <class Sample>
  void samples(std::uint32_t y, Sample* out) const;  // one channel: grey, Bayer
  template <class Sample>
  const Sample* line(Lines<Sample>& from, std::int64_t y);
  template <class Sample>
  void interpolate(Lines<Sample>& from, std::uint32_t y);
  template <class Sample>
  std::span<const std::uint8_t> one_channel(Lines<Sample>& from, std::uint32_t y);
  void swap_colours(std::uint32_t y);
  void yuv(std::uint32_t y);

  const PixelFormat* format_ = nullptr;
  std::span<const std::uint8_t> pixels_;
  std::uint32_t width_ = 0;
  std::uint32_t height_ = 0;
  std::uint32_t padding_ = 0;
  bool grey_ = true;
  int depth_ = 8;
  Lines<std::uint8_t> narrow_;
  Lines<std::uint16_t> wide_;
};

}  // namespace gige

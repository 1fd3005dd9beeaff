#include "frames/convert.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>
#include <type_traits>

#include "base/text.hpp"

namespace gige {

namespace {

std::string supported() {
  std::string text;
  for (const PixelFormat& format : pixel_formats()) {
    if (!text.empty()) text += ", ";
    text += format.name;
  }
  return text;
}

std::string hex(std::uint32_t code) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[code >> shift & 0xf];
  return text;
}

// A value of `bits` bits as a sample: see convert.hpp.
template <class Sample>
Sample scaled(unsigned value, unsigned bits) {
  if constexpr (sizeof(Sample) == 1) {
    return static_cast<Sample>(value >> (bits - 8));
  } else {
    return static_cast<Sample>(value << (16 - bits) | value >> (2 * bits - 16));
  }
}

// Two samples in three bytes; index counts samples.
unsigned packed_sample(const std::uint8_t* bytes, std::uint64_t index, unsigned bits) {
  const std::uint8_t* const three = bytes + index / 2 * 3;
  const unsigned low_bits = bits - 8;
  const bool second = index % 2 != 0;
  const unsigned low = three[1] >> (second ? 4 : 0) & ((1u << low_bits) - 1);
  return unsigned{three[second ? 2 : 0]} << low_bits | low;
}

// 10 or 12 bits never touch more than two bytes from an even bit on.
unsigned dense_sample(const std::uint8_t* bytes, std::uint64_t index, unsigned bits) {
  const std::uint64_t bit = index * bits;
  const std::uint8_t* const two = bytes + bit / 8;
  return (unsigned{two[0]} | unsigned{two[1]} << 8) >> (bit % 8) & ((1u << bits) - 1);
}

std::uint8_t clamped(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

// ITU-R BT.601 with full range, the factors of JFIF 1.02 in 1/65536.
void put_rgb(std::uint8_t* out, int luma, int u, int v) {
  u -= 128;
  v -= 128;
  out[0] = clamped(luma + ((91881 * v + 32768) >> 16));
  out[1] = clamped(luma - ((22554 * u + 46802 * v + 32768) >> 16));
  out[2] = clamped(luma + ((116130 * u + 32768) >> 16));
}

struct Group {
  std::array<int, 4> luma;
  int u, v;
};

Group group_at(const std::uint8_t* p, Packing packing) {
  switch (packing) {
    case Packing::yuyv:
      return {{p[0], p[2]}, p[1], p[3]};
    case Packing::uyvy:
      return {{p[1], p[3]}, p[0], p[2]};
    case Packing::uyyvyy:
      return {{p[1], p[2], p[4], p[5]}, p[0], p[3]};
    default:
      assert(packing == Packing::yyuyyv);
      return {{p[0], p[1], p[3], p[4]}, p[2], p[5]};
  }
}

// The nearest row or column inside, mirrored at the edge so that it has the same Bayer colours.
std::int64_t mirrored(std::int64_t at, std::uint32_t size) {
  if (at < 0) at = -at;
  if (at >= size) at = 2 * std::int64_t{size} - 2 - at;
  return std::max<std::int64_t>(at, 0);  // of a size of 1 there is no other
}

}  // namespace

base::Result<Rows> Rows::of(const Frame& frame, int most_depth) {
  const FrameInfo& info = frame.info;
  const PixelFormat* const format = pixel_format(info.format);
  if (format == nullptr) {
    return base::Status(base::Code::unsupported,
                        base::cat("pixel format ", hex(info.format),
                                  " cannot be made into an image; these can: ", supported()));
  }
  const auto size = image_size(*format, info.width, info.height, info.padding);
  if (!size.ok()) return size.status();
  // The last row may lack its padding.
  if (frame.pixels.size() < *size - info.padding) {
    return base::Status(
        base::Code::malformed,
        base::cat(info.width, " x ", info.height, " pixels of ", format->name, " with padding ",
                  info.padding, " are ", *size, " bytes; the frame has ", frame.pixels.size()));
  }
  Rows rows;
  rows.format_ = format;
  rows.pixels_ = frame.pixels;
  rows.width_ = info.width;
  rows.height_ = info.height;
  rows.padding_ = info.padding;
  rows.grey_ = format->kind == PixelKind::grey;
  rows.depth_ = format->significant > 8 ? most_depth : 8;
  return rows;
}

template <class Sample>
void Rows::samples(std::uint32_t y, Sample* out) const {
  const unsigned bits = format_->significant;
  const auto memory = static_cast<unsigned>(format_->bits());
  // Without padding, rows that do not end at a byte share it with the next one.
  const std::uint64_t row_bytes = (std::uint64_t{width_} * memory + 7) / 8 + padding_;
  const bool shared = padding_ == 0 && std::uint64_t{width_} * memory % 8 != 0;
  const std::uint8_t* const start = pixels_.data() + (shared ? 0 : y * row_bytes);
  const std::uint64_t first = shared ? std::uint64_t{y} * width_ : 0;
  if (format_->packing == Packing::packed) {
    for (std::uint32_t x = 0; x < width_; ++x) {
      out[x] = scaled<Sample>(packed_sample(start, first + x, bits), bits);
    }
  } else if (format_->packing == Packing::dense) {
    for (std::uint32_t x = 0; x < width_; ++x) {
      out[x] = scaled<Sample>(dense_sample(start, first + x, bits), bits);
    }
  } else if (memory == 8) {
    std::copy_n(start, width_, out);
  } else {
    const unsigned mask = (1u << bits) - 1;
    for (std::uint32_t x = 0; x < width_; ++x) {
      const unsigned value = unsigned{start[2 * x]} | unsigned{start[2 * x + 1]} << 8;
      out[x] = scaled<Sample>(value & mask, bits);
    }
  }
}

template <class Sample>
const Sample* Rows::line(Lines<Sample>& from, std::int64_t y) {
  const std::int64_t wanted = mirrored(y, height_);
  const auto place = static_cast<std::size_t>(wanted % 3);
  auto& samples_of = from.lines[place];
  if (from.held[place] != wanted) {
    samples_of.resize(std::size_t{width_} + 2);
    samples(static_cast<std::uint32_t>(wanted), samples_of.data() + 1);
    samples_of.front() = samples_of[1 + static_cast<std::size_t>(mirrored(-1, width_))];
    samples_of.back() = samples_of[1 + static_cast<std::size_t>(mirrored(width_, width_))];
    from.held[place] = wanted;
  }
  return samples_of.data() + 1;
}

template <class Sample>
void Rows::interpolate(Lines<Sample>& from, std::uint32_t y) {
  const Sample* const above = line(from, std::int64_t{y} - 1);
  const Sample* const here = line(from, y);
  const Sample* const below = line(from, std::int64_t{y} + 1);
  const bool starts_green = format_->tile[0] == 'G';
  const char first_row = starts_green ? format_->tile[1] : format_->tile[0];  // its colour
  const bool red_row = (first_row == 'R') == (y % 2 == 0);
  const std::size_t own = red_row ? 0 : 2;  // the colour of this row, besides green
  const std::size_t other = 2 - own;
  const auto colour_at = [&](std::int64_t x, Sample* out) {
    out[own] = here[x];
    out[1] = static_cast<Sample>((here[x - 1] + here[x + 1] + above[x] + below[x] + 2) / 4);
    out[other] =
        static_cast<Sample>((above[x - 1] + above[x + 1] + below[x - 1] + below[x + 1] + 2) / 4);
  };
  const auto green_at = [&](std::int64_t x, Sample* out) {
    out[own] = static_cast<Sample>((here[x - 1] + here[x + 1] + 1) / 2);
    out[1] = here[x];
    out[other] = static_cast<Sample>((above[x] + below[x] + 1) / 2);
  };
  from.out.resize(std::size_t{width_} * 3);
  Sample* out = from.out.data();
  std::int64_t x = 0;
  if (starts_green == (y % 2 == 0)) {
    green_at(x++, out);
    out += 3;
  }
  for (; x + 1 < width_; x += 2, out += 6) {
    colour_at(x, out);
    green_at(x + 1, out + 3);
  }
  if (x < width_) colour_at(x, out);
}

template <class Sample>
std::span<const std::uint8_t> Rows::one_channel(Lines<Sample>& from, std::uint32_t y) {
  if (grey_) {
    from.out.resize(width_);
    samples(y, from.out.data());
  } else {
    interpolate(from, y);
  }
  return {reinterpret_cast<const std::uint8_t*>(from.out.data()), row_bytes()};
}

void Rows::swap_colours(std::uint32_t y) {
  const std::uint8_t* in = pixels_.data() + y * (std::uint64_t{width_} * 3 + padding_);
  narrow_.out.resize(row_bytes());
  for (std::uint8_t *out = narrow_.out.data(), *end = out + row_bytes(); out < end; out += 3) {
    out[0] = in[2];
    out[1] = in[1];
    out[2] = in[0];
    in += 3;
  }
}

void Rows::yuv(std::uint32_t y) {
  const unsigned group = format_->group();
  const unsigned bytes = group == 2 ? 4 : 6;
  const std::uint8_t* in = pixels_.data() + y * (std::uint64_t{width_} / group * bytes + padding_);
  narrow_.out.resize(row_bytes());
  std::uint8_t* out = narrow_.out.data();
  for (std::uint32_t x = 0; x < width_; x += group, in += bytes) {
    const Group values = group_at(in, format_->packing);
    for (unsigned i = 0; i < group; ++i, out += 3) put_rgb(out, values.luma[i], values.u, values.v);
  }
}

std::span<const std::uint8_t> Rows::row(std::uint32_t y) {
  assert(y < height_);
  switch (format_->kind) {
    case PixelKind::rgb:
      return pixels_.subspan(y * (std::uint64_t{width_} * 3 + padding_), row_bytes());
    case PixelKind::bgr:
      swap_colours(y);
      return narrow_.out;
    case PixelKind::yuv:
      yuv(y);
      return narrow_.out;
    default:
      if (grey_ && format_->bits() == 8) {
        return pixels_.subspan(y * (std::uint64_t{width_} + padding_), width_);
      }
      return depth_ == 16 ? one_channel(wide_, y) : one_channel(narrow_, y);
  }
}

}  // namespace gige

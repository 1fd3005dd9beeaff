// AVI 1.0 as Microsoft's "AVI RIFF File Reference" has it:
//   RIFF "AVI " { LIST "hdrl" { avih, LIST "strl" { strh, strf } }, LIST "movi" { 00dc … }, idx1 }
// All numbers little-endian, every chunk padded to an even length.
#include "gige/avi.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace gige {

namespace {

constexpr std::uint32_t max_jpeg_side = 65500;     // JPEG_MAX_DIMENSION of libjpeg
constexpr std::uint32_t has_index = 0x10;          // AVIF_HASINDEX
constexpr std::uint32_t key_frame = 0x10;          // AVIIF_KEYFRAME
constexpr std::uint32_t default_us = 40'000;       // of a film of one image: 25 a second
constexpr std::uint32_t longest_us = 100'000'000;  // 100 s an image: what players still show
constexpr std::uint64_t index_entry = 16;

struct Fields {
  std::vector<std::uint8_t> bytes;

  void word(std::string_view four) { bytes.insert(bytes.end(), four.begin(), four.end()); }
  void u16(unsigned value) {
    bytes.push_back(static_cast<std::uint8_t>(value));
    bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  }
  void u32(std::uint32_t value) {
    u16(value & 0xffff);
    u16(value >> 16);
  }
};

struct Film {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t images = 0;
  std::uint32_t largest = 0;                // bytes of an image
  std::uint32_t microseconds = default_us;  // of an image
  std::uint32_t movie_bytes = 4;            // of LIST movi: its word and its chunks
  std::uint32_t index_bytes = 0;
};

// 224 bytes, up to and with the word "movi".
std::vector<std::uint8_t> header_of(const Film& film) {
  Fields out;
  out.word("RIFF");
  out.u32(4 + 8 + 192 + 8 + film.movie_bytes + (film.index_bytes > 0 ? 8 + film.index_bytes : 0));
  out.word("AVI ");
  out.word("LIST");
  out.u32(192);  // hdrl: 4 + (8 + 56) + (8 + 116)
  out.word("hdrl");
  out.word("avih");
  out.u32(56);
  out.u32(film.microseconds);
  const std::uint64_t rate = std::uint64_t{film.largest} * 1'000'000 / film.microseconds;
  out.u32(static_cast<std::uint32_t>(std::min<std::uint64_t>(rate, 0x7fff'ffff)));  // bytes/s
  out.u32(0);                                                                       // alignment
  out.u32(film.index_bytes > 0 ? has_index : 0);
  out.u32(film.images);
  out.u32(0);  // initial frames
  out.u32(1);  // streams
  out.u32(film.largest);
  out.u32(film.width);
  out.u32(film.height);
  for (int reserved = 0; reserved < 4; ++reserved) out.u32(0);
  out.word("LIST");
  out.u32(116);  // strl: 4 + (8 + 56) + (8 + 40)
  out.word("strl");
  out.word("strh");
  out.u32(56);
  out.word("vids");
  out.word("MJPG");
  out.u32(0);                  // flags
  out.u32(0);                  // priority, language
  out.u32(0);                  // initial frames
  out.u32(film.microseconds);  // scale and rate: 1,000,000 / microseconds images a second
  out.u32(1'000'000);
  out.u32(0);  // start
  out.u32(film.images);
  out.u32(film.largest);
  out.u32(0xffff'ffff);  // quality: the codec's own
  out.u32(0);            // size of a sample: it varies
  out.u16(0);            // rectangle: left, top, right, bottom
  out.u16(0);
  out.u16(film.width);
  out.u16(film.height);
  out.word("strf");
  out.u32(40);  // BITMAPINFOHEADER
  out.u32(40);
  out.u32(film.width);
  out.u32(film.height);
  out.u16(1);   // planes
  out.u16(24);  // bits
  out.word("MJPG");
  const std::uint64_t picture = std::uint64_t{film.width} * film.height * 3;
  out.u32(static_cast<std::uint32_t>(std::min<std::uint64_t>(picture, 0x7fff'ffff)));
  for (int unused = 0; unused < 4; ++unused) out.u32(0);
  out.word("LIST");
  out.u32(film.movie_bytes);
  out.word("movi");
  return std::move(out.bytes);
}

class Writer final : public AviWriter {
 public:
  Writer(std::string path, int fd, std::uint32_t width, std::uint32_t height)
      : path_(std::move(path)), fd_(fd) {
    film_.width = width;
    film_.height = height;
  }
  ~Writer() override { (void)close(); }

  base::Status begin() { return write_at(0, header_of(film_)); }

  base::Status add(std::span<const std::uint8_t> jpeg, std::int64_t time_ns) override;
  std::uint32_t images() const override { return film_.images; }
  base::Status close() override;

 private:
  base::Status refused(const char* what) const {
    return base::Status(base::Code::unavailable,
                        base::cat(path_, ": ", what, ": ", std::strerror(errno)));
  }
  base::Status write_at(std::uint64_t at, std::span<const std::uint8_t> bytes);
  std::uint64_t end() const { return 220 + std::uint64_t{film_.movie_bytes}; }

  std::string path_;
  int fd_;
  Film film_;
  Fields index_;
  std::int64_t first_ns_ = 0;
  std::int64_t last_ns_ = 0;
};

base::Status Writer::write_at(std::uint64_t at, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return refused("write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    at += static_cast<std::uint64_t>(count);
  }
  return {};
}

base::Status Writer::add(std::span<const std::uint8_t> jpeg, std::int64_t time_ns) {
  if (fd_ < 0) return base::Status(base::Code::invalid, base::cat(path_, " is closed"));
  const std::size_t size = jpeg.size();
  if (size < 4 || jpeg[0] != 0xff || jpeg[1] != 0xd8 || jpeg[size - 2] != 0xff ||
      jpeg[size - 1] != 0xd9) {
    return base::Status(
        base::Code::malformed,
        base::cat(path_, ": image ", film_.images + 1, " of ", size, " bytes is not a whole JPEG"));
  }
  const std::uint64_t padded = 8 + (size + 1) / 2 * 2;
  const std::uint64_t whole = end() + padded + 8 + index_.bytes.size() + index_entry;
  if (size > max_bytes || whole > max_bytes) {
    return base::Status(base::Code::out_of_range,
                        base::cat(path_, ": ", whole, " bytes with image ", film_.images + 1,
                                  " are above ", max_bytes, "; begin another file"));
  }
  Fields chunk;
  chunk.bytes.reserve(padded);
  chunk.word("00dc");
  chunk.u32(static_cast<std::uint32_t>(size));
  chunk.bytes.insert(chunk.bytes.end(), jpeg.begin(), jpeg.end());
  chunk.bytes.resize(padded);
  if (const auto status = write_at(end(), chunk.bytes); !status.ok()) return status;
  index_.word("00dc");
  index_.u32(key_frame);
  index_.u32(film_.movie_bytes);  // from the word "movi" on
  index_.u32(static_cast<std::uint32_t>(size));
  film_.movie_bytes += static_cast<std::uint32_t>(padded);
  film_.largest = std::max(film_.largest, static_cast<std::uint32_t>(size));
  if (film_.images++ == 0) first_ns_ = time_ns;
  last_ns_ = time_ns;
  return {};
}

base::Status Writer::close() {
  if (fd_ < 0) return {};
  if (film_.images > 1 && last_ns_ > first_ns_) {
    const auto each = static_cast<std::uint64_t>(last_ns_ - first_ns_) / 1000 / (film_.images - 1);
    film_.microseconds = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(each, 1, longest_us));
  }
  film_.index_bytes = static_cast<std::uint32_t>(index_.bytes.size());
  Fields index;
  if (film_.index_bytes > 0) {
    index.word("idx1");
    index.u32(film_.index_bytes);
    index.bytes.insert(index.bytes.end(), index_.bytes.begin(), index_.bytes.end());
  }
  auto status = write_at(end(), index.bytes);
  // After a refused image a piece of it may stand there.
  if (status.ok() && ::ftruncate(fd_, static_cast<off_t>(end() + index.bytes.size())) != 0) {
    status = refused("truncate");
  }
  if (status.ok()) status = write_at(0, header_of(film_));
  if (::close(fd_) != 0 && status.ok()) status = refused("close");
  fd_ = -1;
  return status;
}

}  // namespace

base::Result<std::unique_ptr<AviWriter>> AviWriter::create(const std::filesystem::path& path,
                                                           std::uint32_t width,
                                                           std::uint32_t height) {
  if (width == 0 || height == 0 || width > max_jpeg_side || height > max_jpeg_side) {
    return base::Status(base::Code::out_of_range,
                        base::cat(path.string(), ": images of ", width, " x ", height,
                                  " pixels: 1..", max_jpeg_side, " a side"));
  }
  const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0) {
    return base::Status(errno == EEXIST ? base::Code::conflict : base::Code::unavailable,
                        base::cat(path.string(), ": ", std::strerror(errno)));
  }
  auto writer = std::make_unique<Writer>(path.string(), fd, width, height);
  if (const auto status = writer->begin(); !status.ok()) {
    ::unlink(path.c_str());
    return status;
  }
  return std::unique_ptr<AviWriter>(std::move(writer));
}

}  // namespace gige

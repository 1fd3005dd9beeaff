#include "outlets/video.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>

#include "base/text.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::uint32_t has_index = 0x10;  // AVIF_HASINDEX
constexpr std::uint32_t key_frame = 0x10;  // AVIIF_KEYFRAME: every JPEG is one
constexpr std::string_view picture_id = "00dc";
constexpr std::uint64_t index_entry = 16;  // bytes
constexpr std::uint64_t rate_scale = 1000;

void word(std::string& to, std::uint64_t value) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>((value >> shift) & 0xff);
}

void half(std::string& to, std::uint32_t value) {
  to += static_cast<char>(value & 0xff);
  to += static_cast<char>((value >> 8) & 0xff);
}

// A chunk: its four letters, its length, its bytes.
std::string chunk(std::string_view id, const std::string& bytes) {
  std::string text(id);
  word(text, bytes.size());
  return text + bytes;
}

std::uint64_t padded(std::uint64_t size) { return size + size % 2; }

}  // namespace

Result<std::unique_ptr<Video>> Video::begin(const std::filesystem::path& path,
                                            const FrameInfo& first, double frames_per_s) {
  std::FILE* const file = std::fopen(path.c_str(), "wbxe");
  if (file == nullptr) {
    return Status(Code::unavailable, cat(path.string(), ": cannot create: ", std::strerror(errno)));
  }
  std::unique_ptr<Video> video(new Video(file, path, first, frames_per_s));
  if (!video->write(video->header())) return video->failed("cannot write");
  return video;
}

Video::Video(std::FILE* file, std::filesystem::path path, const FrameInfo& first,
             double frames_per_s)
    : file_(file), path_(std::move(path)), first_(first), rate_(frames_per_s) {}

Video::~Video() { std::fclose(file_); }

bool Video::write(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size();
}

Status Video::failed(std::string_view what) const {
  return Status(Code::unavailable, cat(path_.string(), ": ", what, ": ", std::strerror(errno)));
}

bool Video::takes(const Image& image, std::uint64_t limit) const {
  const std::uint64_t bytes = header().size() + data_bytes_ + 8 + padded(image.bytes.size()) + 8 +
                              (sizes_.size() + 1) * index_entry;
  return image.info.width == first_.width && image.info.height == first_.height && bytes <= limit;
}

Status Video::add(const Image& image) {
  assert(image.format == ImageFormat::jpeg);
  const std::string_view bytes(reinterpret_cast<const char*>(image.bytes.data()),
                               image.bytes.size());
  std::string head(picture_id);
  word(head, bytes.size());
  const std::string_view padding(bytes.size() % 2 == 0 ? "" : "\0", bytes.size() % 2);
  if (!write(head) || !write(bytes) || !write(padding)) return failed("cannot write");
  sizes_.push_back(static_cast<std::uint32_t>(bytes.size()));
  data_bytes_ += 8 + padded(bytes.size());
  largest_ = std::max(largest_, sizes_.back());
  return Status();
}

// Up to and with the head of the list of pictures. Of one length, whatever its numbers are: it is
// written before the first picture, and again at the end.
std::string Video::header() const {
  const auto rate = static_cast<std::uint64_t>(std::llround(rate_ * rate_scale));
  std::string main;  // MainAVIHeader
  word(main, static_cast<std::uint64_t>(std::llround(1e6 / rate_)));
  word(main, static_cast<std::uint64_t>(std::ceil(rate_ * largest_)));
  word(main, 0);
  word(main, has_index);
  word(main, sizes_.size());
  for (const std::uint32_t value : {0u, 1u, largest_, first_.width, first_.height, 0u, 0u, 0u, 0u})
    word(main, value);

  std::string stream = "vidsMJPG";  // AVIStreamHeader
  for (int i = 0; i < 3; ++i) word(stream, 0);
  word(stream, rate_scale);
  word(stream, std::max<std::uint64_t>(rate, 1));
  word(stream, 0);
  word(stream, sizes_.size());
  word(stream, largest_);
  word(stream, 0xffffffff);  // quality: the driver's own
  word(stream, 0);
  for (const std::uint32_t value : {0u, 0u, first_.width, first_.height}) half(stream, value);

  std::string bitmap;  // BITMAPINFOHEADER
  for (const std::uint32_t value : {40u, first_.width, first_.height}) word(bitmap, value);
  half(bitmap, 1);
  half(bitmap, 24);
  bitmap += "MJPG";
  word(bitmap, std::uint64_t{first_.width} * first_.height * 3);
  for (int i = 0; i < 4; ++i) word(bitmap, 0);

  const std::string streams = chunk("LIST", "strl" + chunk("strh", stream) + chunk("strf", bitmap));
  const std::string lists = chunk("LIST", "hdrl" + chunk("avih", main) + streams);
  const std::uint64_t movie = 4 + data_bytes_;
  std::string text = "RIFF";
  word(text, 4 + lists.size() + 8 + movie + 8 + sizes_.size() * index_entry);
  text += "AVI " + lists + "LIST";
  word(text, movie);
  return text + "movi";
}

Status Video::end() {
  std::string index;
  std::uint64_t offset = 4;  // from "movi"
  for (const std::uint32_t size : sizes_) {
    index += picture_id;
    for (const std::uint64_t value : {std::uint64_t{key_frame}, offset, std::uint64_t{size}})
      word(index, value);
    offset += 8 + padded(size);
  }
  const bool written = write(chunk("idx1", index)) && std::fseek(file_, 0, SEEK_SET) == 0 &&
                       write(header()) && std::fflush(file_) == 0 && ::fsync(::fileno(file_)) == 0;
  return written ? Status() : failed("cannot write");
}

}  // namespace gige

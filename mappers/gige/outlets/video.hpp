// A video of JPEG pictures as an AVI file (Motion JPEG), written picture by picture: what is in
// memory is the index, 4 bytes a picture. Belongs to one thread; its calls block for the disk.
//
// The layout is that of AVI 1.0 (Microsoft, "AVI RIFF File Reference"): header, one list of
// pictures, index. Every player and OpenCV, FFmpeg, VLC read it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gige/outlets.hpp"

namespace gige {

class Video {
 public:
  // AVI 1.0 counts in 32 bits, and players in 31: a longer video goes on in another file.
  static constexpr std::uint64_t max_bytes = std::uint64_t{1} << 30;

  // Creates the file for pictures of first's size. unavailable: the disk refuses.
  static base::Result<std::unique_ptr<Video>> begin(const std::filesystem::path& path,
                                                    const FrameInfo& first, double frames_per_s);
  ~Video();  // closes; without end() the file is useless
  Video(const Video&) = delete;

  // Whether this picture may be added: of the same width and height, and the file stays below
  // `limit` bytes.
  bool takes(const Image& image, std::uint64_t limit) const;
  base::Status add(const Image& image);  // JPEG
  base::Status end();                    // index and header, flushed to the disk

  const std::filesystem::path& path() const { return path_; }
  const FrameInfo& first() const { return first_; }
  std::size_t pictures() const { return sizes_.size(); }

 private:
  Video(std::FILE* file, std::filesystem::path path, const FrameInfo& first, double frames_per_s);
  std::string header() const;
  bool write(std::string_view bytes);
  base::Status failed(std::string_view what) const;

  std::FILE* file_;
  const std::filesystem::path path_;
  const FrameInfo first_;
  const double rate_;
  std::vector<std::uint32_t> sizes_;  // of the pictures, without padding
  std::uint64_t data_bytes_ = 0;      // of the list of pictures, with their headers
  std::uint32_t largest_ = 0;
};

}  // namespace gige

// Films of JPEG images: AVI with Motion JPEG (RIFF, one "00dc" chunk per image, idx1 at the end),
// as `saveVideo` writes them. Any thread, one at a time; blocks on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "base/status.hpp"

namespace gige {

class AviWriter {
 public:
  // RIFF counts bytes in 32 bits, and many readers take them as signed: 2 GiB, and room below it.
  static constexpr std::uint64_t max_bytes = 1'900'000'000;

  // A new file, mode 0644; it must not exist. width, height: of every image, 1..65500.
  // conflict: it exists; out_of_range: a side; unavailable: the system refused.
  static base::Result<std::unique_ptr<AviWriter>> create(const std::filesystem::path& path,
                                                         std::uint32_t width, std::uint32_t height);
  // Closes, if nobody has: then errors go unsaid.
  virtual ~AviWriter() = default;

  // time_ns: when the image was taken, of any one clock; the film's rate is that of the first and
  // the last image. malformed: it does not begin and end as a JPEG (SOI, EOI); out_of_range: the
  // film would be above max_bytes, close this one and begin another; unavailable: the disk refused
  // it (the file ends after the image before, close() still works).
  virtual base::Status add(std::span<const std::uint8_t> jpeg, std::int64_t time_ns) = 0;
  virtual std::uint32_t images() const = 0;
  // Writes the index and the header; without it no program knows the length. unavailable: the disk
  // refused. Further calls do nothing.
  virtual base::Status close() = 0;
};

}  // namespace gige

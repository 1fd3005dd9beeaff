// Image files of one camera in a folder that never grows past its limits: the oldest go first.
// Belongs to one thread; its calls block for as long as the disk takes.
//
// DEVICE-20261123T033111.123Z-SEQUENCE.EXTENSION, where DEVICE is NAMESPACE_NAME ("_" is in no
// Kubernetes name) and the time is the frame's arrival in UTC. Sorted by name they are sorted by
// time, as far as the calendar was right; what goes first is what was saved first by this process,
// and before that what it found, by name: pictures taken in 1970 do not go before those of
// yesterday. Two processes that save the same frame of the same device get names of their own: the
// second one ends in ".2". Files of other names in the folder are nobody's here: never counted,
// never removed.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <utility>

#include "gige/outlets.hpp"

namespace gige {

class Spool {
 public:
  // Counts what is there; the folder is made with the first file.
  Spool(const dmi::ObjectId& device, SpoolSettings settings);

  // Room for the image, then the file: whole, under its name, or not at all. unavailable: the disk
  // is full or refuses (the text says which); out_of_range: larger than max_bytes.
  base::Status save(const Image& image);
  // The same for a file that was written at temporary(), which is gone afterwards in any case.
  base::Status keep(const std::filesystem::path& written, const FrameInfo& first,
                    std::string_view extension);
  // A name in the folder for what is being written; hidden, and removed after a crash. Makes the
  // folder.
  base::Result<std::filesystem::path> temporary();

  std::size_t files() const { return files_.size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  void count();
  base::Status make_room(std::uint64_t size);

  const std::string prefix_;  // "NAMESPACE_NAME-"
  const SpoolSettings settings_;
  std::deque<std::pair<std::string, std::uint64_t>> files_;  // name, bytes; the oldest first
  std::uint64_t bytes_ = 0;
  std::uint64_t written_ = 0;  // of temporary()
};

// "20261123T033111.123Z" of nanoseconds since 1970.
std::string spool_time(std::int64_t ns);
// Whether a file of this name is one of the device whose prefix this is.
bool is_spool_name(std::string_view prefix, std::string_view name);

}  // namespace gige

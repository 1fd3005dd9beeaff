// One camera's files: the spool and the video being recorded into it. Belongs to the files' thread,
// but for the numbers that others show.
#pragma once

#include <atomic>
#include <memory>

#include "base/log.hpp"
#include "gige/outlets.hpp"
#include "outlets/counts.hpp"
#include "outlets/spool.hpp"

namespace gige {

class Video;

class Recorder {
 public:
  Recorder(const dmi::ObjectId& device, SpoolSettings settings, std::shared_ptr<Counts> counts);
  ~Recorder();

  // Counts what the folder holds; the first save() does it otherwise.
  void open();
  void save(const Image& image);
  // A picture (JPEG) of a video; the first one begins it. last: it is closed and gets its name.
  void record(const Image& image, double frames_per_s, bool last);

  std::uint64_t files() const { return files_; }  // any thread
  std::uint64_t bytes() const { return bytes_; }  // any thread

 private:
  void tell(const base::Status& status);

  const dmi::ObjectId device_;
  const SpoolSettings settings_;
  const std::shared_ptr<Counts> counts_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Video> video_;
  base::Repeats repeats_;
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace gige

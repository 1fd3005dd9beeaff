// One camera's files: the spool and the video being recorded into it. Belongs to the files' thread,
// but for the numbers that others show.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "gige/avi.hpp"
#include "gige/outlets.hpp"
#include "outlets/counts.hpp"
#include "outlets/spool.hpp"

namespace gige {

class Recorder {
 public:
  Recorder(const dmi::ObjectId& device, SpoolSettings settings, std::shared_ptr<Counts> counts);
  ~Recorder();

  // Counts what the folder holds; the first save() does it otherwise.
  void open();
  void save(const Image& image);
  // A picture (JPEG) of a video; the first one begins it. last: it is closed and gets its name. A
  // video that grows past a file's limit, or whose pictures change their size, goes on in another
  // file.
  void record(const Image& image, bool last);

  std::uint64_t files() const { return files_; }  // any thread
  std::uint64_t bytes() const { return bytes_; }  // any thread

 private:
  // The file that is being written.
  struct Video {
    std::unique_ptr<AviWriter> file;
    std::filesystem::path path;
    FrameInfo first;
    std::uint64_t bytes = 0;  // at most, with header and index
  };
  base::Result<Video> begin_video(const Image& image);
  bool takes(const Image& image) const;
  void close_video();
  void drop_video();
  void tell(const base::Status& status);

  const dmi::ObjectId device_;
  const SpoolSettings settings_;
  const std::shared_ptr<Counts> counts_;
  std::unique_ptr<Spool> spool_;
  std::optional<Video> video_;
  base::Repeats repeats_;
  std::atomic<std::uint64_t> files_{0};
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace gige

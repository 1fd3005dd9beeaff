#include "outlets/recorder.hpp"

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "outlets/video.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Status;

Recorder::Recorder(const dmi::ObjectId& device, SpoolSettings settings,
                   std::shared_ptr<Counts> counts)
    : device_(device), settings_(std::move(settings)), counts_(std::move(counts)) {}

// A video whose camera was removed is kept as long as it got.
Recorder::~Recorder() {
  if (video_) close_video();
}

void Recorder::open() {
  if (spool_) return;
  spool_ = std::make_unique<Spool>(device_, settings_);
  files_ = spool_->files();
  bytes_ = spool_->bytes();
}

void Recorder::save(const Image& image) {
  open();
  tell(spool_->save(image));
}

void Recorder::record(const Image& image, double frames_per_s, bool last) {
  open();
  const std::uint64_t limit = std::min(Video::max_bytes, settings_.max_bytes);
  if (video_ && !video_->takes(image, limit)) close_video();
  Status status;
  if (!video_) status = begin_video(image, frames_per_s);
  if (status.ok() && !video_->takes(image, limit)) {
    status = Status(Code::out_of_range,
                    cat(video_->path().parent_path().string(), ": a picture of ",
                        image.bytes.size(), " bytes is too large for a video of ", limit));
  }
  if (status.ok()) status = video_->add(image);
  if (!status.ok()) {
    drop_video();
    return tell(status);
  }
  if (last) close_video();
}

Status Recorder::begin_video(const Image& image, double frames_per_s) {
  const auto path = spool_->temporary();
  if (!path) return path.status();
  auto video = Video::begin(*path, image.info, frames_per_s);
  if (!video) return video.status();
  video_ = std::move(*video);
  return Status();
}

void Recorder::close_video() {
  Status status = video_->end();
  if (status.ok()) {
    status = spool_->keep(video_->path(), video_->first(), "avi");
    video_.reset();
  } else {
    drop_video();
  }
  tell(status);
}

void Recorder::drop_video() {
  if (!video_) return;
  std::error_code ignored;
  std::filesystem::remove(video_->path(), ignored);
  video_.reset();
}

void Recorder::tell(const Status& status) {
  files_ = spool_->files();
  bytes_ = spool_->bytes();
  const std::string key = "spool";
  if (status.ok()) {
    ++counts_->saved;
    return repeats_.over(key, cat(device_.to_string(), ": files are written again"));
  }
  ++counts_->failed;
  repeats_.warn(std::chrono::steady_clock::now(), key,
                cat(device_.to_string(), ": a file is not written: ", status.text()));
}

}  // namespace gige

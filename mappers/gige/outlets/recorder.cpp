#include "outlets/recorder.hpp"

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// More than an AVI's header takes, and what a picture takes in the list and the index.
constexpr std::uint64_t header_bytes = 1024;
constexpr std::uint64_t picture_overhead = 8 + 1 + 16;

}  // namespace

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

bool Recorder::takes(const Image& image) const {
  const std::uint64_t limit = std::min(AviWriter::max_bytes, settings_.max_bytes);
  return image.info.width == video_->first.width && image.info.height == video_->first.height &&
         video_->bytes + image.bytes.size() + picture_overhead <= limit;
}

void Recorder::record(const Image& image, bool last) {
  open();
  if (video_ && !takes(image)) close_video();
  if (!video_) {
    auto video = begin_video(image);
    if (!video) return tell(video.status());
    video_ = std::move(*video);
  }
  Status status =
      takes(image)
          ? video_->file->add(image.bytes, image.info.arrived_ns)
          : Status(Code::out_of_range,
                   cat(settings_.folder, ": a picture of ", image.bytes.size(),
                       " bytes is too large for a video of maxBytes, ", settings_.max_bytes));
  video_->bytes += image.bytes.size() + picture_overhead;
  if (!status.ok()) {
    drop_video();
    return tell(status);
  }
  if (last) close_video();
}

Result<Recorder::Video> Recorder::begin_video(const Image& image) {
  auto path = spool_->temporary();
  if (!path) return path.status();
  auto file = AviWriter::create(*path, image.info.width, image.info.height);
  if (!file) return file.status();
  return Video{std::move(*file), std::move(*path), image.info, header_bytes};
}

void Recorder::close_video() {
  Status status = video_->file->close();
  if (status.ok()) {
    status = spool_->keep(video_->path, video_->first, "avi");
    video_.reset();
  } else {
    drop_video();
  }
  tell(status);
}

void Recorder::drop_video() {
  if (!video_) return;
  std::error_code ignored;
  std::filesystem::remove(video_->path, ignored);
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

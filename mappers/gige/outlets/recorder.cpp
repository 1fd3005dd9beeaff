#include "outlets/recorder.hpp"

#include "base/text.hpp"

namespace gige {

using base::cat;
using base::Status;
class Video {};
Recorder::Recorder(const dmi::ObjectId& device, SpoolSettings settings,
                   std::shared_ptr<Counts> counts)
    : device_(device), settings_(std::move(settings)), counts_(std::move(counts)) {}

Recorder::~Recorder() = default;

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

void Recorder::record(const Image& image, double, bool) {
  open();
  tell(spool_->save(image));
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

// A feed's side towards those who ask: the driver and HTTP.
#include <optional>

#include "base/text.hpp"
#include "outlets/feed.hpp"
#include "outlets/image.hpp"
#include "outlets/route.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using std::chrono::steady_clock;

namespace {

// How long image() waits for its turn at the encoder: with many cameras of 12 Mpixel and PNG one
// turn takes a second.
constexpr auto encode_patience = std::chrono::seconds(10);
constexpr std::size_t max_series = 100'000;
constexpr double max_rate = 1000;  // pictures a second of a video

// One answer for one thread that waits.
struct Waiter {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<ImagePtr>> answer;
};

}  // namespace

Status FeedImpl::no_frame() const {
  const std::lock_guard guard(mutex_);
  return Status(Code::stale, cat(device_.to_string(), ": no frame has come yet",
                                 online_ ? "" : cat(" (", why_, ")")));
}

void FeedImpl::request(ImageFormat format, Taker taker) {
  {
    const std::lock_guard guard(mutex_);
    if (!finished_) {
      takers_[format].push_back(std::move(taker));
      schedule();
      return;
    }
  }
  taker(Status(Code::unavailable, cat(device_.to_string(), ": the mapper is ending")));
}

Result<ImagePtr> FeedImpl::image(std::uint64_t newer_than, std::chrono::milliseconds patience) {
  ImageFormat format{};
  {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return newest_.sequence > newer_than || finished_; });
    format = format_;
    if (newest_.sequence != 0 && newest_.sequence <= newer_than) {
      return Status(Code::stale, cat(device_.to_string(), ": no frame after ", newer_than,
                                     " within ", patience.count(), " ms"));
    }
  }
  // Shared with the taker, which may come when this call has given up.
  const auto waiter = std::make_shared<Waiter>();
  request(format, [waiter](const Result<ImagePtr>& answer) {
    const std::lock_guard guard(waiter->mutex);
    waiter->answer = answer;
    waiter->changed.notify_all();
  });
  std::unique_lock lock(waiter->mutex);
  if (!waiter->changed.wait_for(lock, encode_patience,
                                [&] { return waiter->answer.has_value(); })) {
    return Status(Code::timeout, cat(device_.to_string(), ": the encoder did not come to frame ",
                                     newest(), " within 10 s"));
  }
  if (waiter->answer->ok()) refer(**waiter->answer);
  return *waiter->answer;
}

void FeedImpl::set_format(ImageFormat format) {
  const std::lock_guard guard(mutex_);
  format_ = format;
}

ImageFormat FeedImpl::format() const {
  const std::lock_guard guard(mutex_);
  return format_;
}

void FeedImpl::set_post_url(const std::string& url) {
  const std::lock_guard guard(mutex_);
  post_url_ = url;
  due_ &= ~bit(post_now);
  if (url.empty()) return;
  due_ |= bit(post_now);
  // Before the first frame it waits for it.
  if (newest_.sequence != 0) schedule();
}

std::string FeedImpl::post_url() const {
  const std::lock_guard guard(mutex_);
  return post_url_;
}

Status FeedImpl::save_frames(std::size_t frames, std::chrono::milliseconds interval) {
  if (!recorder_) {
    return Status(Code::unsupported,
                  cat(device_.to_string(), ": spool.folder is not set, frames cannot be saved"));
  }
  if (frames < 1 || frames > max_series) {
    return Status(Code::out_of_range,
                  cat(device_.to_string(), ": ", frames, " frames to save; 1 to ", max_series));
  }
  const std::lock_guard guard(mutex_);
  series_ = {frames, Pace(interval)};
  return Status();
}

Status FeedImpl::save_video(std::size_t frames, double frames_per_s) {
  if (!recorder_) {
    return Status(Code::unsupported,
                  cat(device_.to_string(), ": spool.folder is not set, videos cannot be saved"));
  }
  if (frames < 1 || frames > max_series) {
    return Status(Code::out_of_range,
                  cat(device_.to_string(), ": a video of ", frames, " frames; 1 to ", max_series));
  }
  if (!(frames_per_s > 0 && frames_per_s <= max_rate)) {
    return Status(Code::out_of_range, cat(device_.to_string(), ": a video of ", frames_per_s,
                                          " frames/s; above 0, to ", max_rate));
  }
  const std::lock_guard guard(mutex_);
  if (video_.left > 0) {
    return Status(Code::conflict, cat(device_.to_string(), ": a video is being recorded, ",
                                      video_.left, " frames are left"));
  }
  // Down to a picture a day: of less than one in three centuries the clock knows nothing.
  const std::chrono::duration<double> interval(std::min(1 / frames_per_s, 86'400.0));
  video_ = {frames, Pace(std::chrono::duration_cast<base::Duration>(interval))};
  return Status();
}

void FeedImpl::on_command(std::function<Status(const std::string& name)> run) {
  const std::lock_guard guard(mutex_);
  run_ = std::move(run);
}

bool FeedImpl::run_command(const std::string& name, std::function<void(Status)> done) {
  return workshop_->commands->post([weak = weak_from_this(), name, done = std::move(done)] {
    std::function<Status(const std::string&)> run;
    if (const auto self = weak.lock()) {
      const std::lock_guard guard(self->mutex_);
      run = self->run_;
    }
    done(run ? run(name) : Status(Code::not_found, cat("command ", name, ": there is none")));
  });
}

void FeedImpl::set_online(bool online, const std::string& why) {
  const std::lock_guard guard(mutex_);
  online_ = online;
  why_ = why;
}

ImagePtr FeedImpl::reference(std::uint64_t sequence, ImageFormat format) const {
  const std::lock_guard guard(mutex_);
  return references_.find(sequence, format);
}

std::uint64_t FeedImpl::newest() const {
  const std::lock_guard guard(mutex_);
  return newest_.sequence;
}

void FeedImpl::watch(std::function<void(const ImagePtr&)> watcher, base::Duration every) {
  const std::lock_guard guard(mutex_);
  watcher_ = std::move(watcher);
  if (watch_pace_.every() != every) watch_pace_ = Pace(every);
}

dmi::Json FeedImpl::describe() const {
  const std::lock_guard guard(mutex_);
  const OutletCounters counts = counts_->read();
  dmi::Json json = {
      {"device", device_.to_string()},
      {"state", online_ ? "online" : "offline"},
      {"why", why_},
      {"path", device_path(device_)},
      {"imageFormat", std::string(name(format_))},
      {"counters",
       {{"encoded", counts_->encoded.load()},
        {"saved", counts.saved},
        {"posted", counts.posted},
        {"published", counts.published},
        {"leftOut", counts.left_out},
        {"failed", counts.failed}}},
      {"references", {{"images", references_.size()}, {"bytes", references_.bytes()}}}};
  if (newest_.sequence != 0) {
    json["newest"] = {{"sequence", newest_.sequence},
                      {"id", newest_.id},
                      {"time", as_ms(newest_.arrived_ns)},
                      {"exposed", as_ms(newest_.exposed_ns)},
                      {"width", newest_.width},
                      {"height", newest_.height},
                      {"size", newest_.size}};
  }
  if (recorder_) {
    json["spool"] = {{"folder", settings_.spool.folder},
                     {"files", recorder_->files()},
                     {"bytes", recorder_->bytes()},
                     {"maxFiles", settings_.spool.max_files},
                     {"maxBytes", settings_.spool.max_bytes}};
  }
  return json;
}

void FeedImpl::finish(base::SteadyTime deadline) {
  std::map<ImageFormat, std::vector<Taker>> takers;
  {
    const std::lock_guard guard(mutex_);
    finished_ = true;
    takers = std::exchange(takers_, {});
  }
  changed_.notify_all();
  const Status ending(Code::unavailable, cat(device_.to_string(), ": the mapper is ending"));
  for (const auto& [format, each] : takers) {
    for (const Taker& taker : each) taker(ending);
  }
  poster_.finish(deadline);
}

}  // namespace gige

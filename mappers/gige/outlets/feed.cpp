#include "outlets/feed.hpp"

#include "base/text.hpp"
#include "outlets/image.hpp"
#include "outlets/route.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using std::chrono::steady_clock;

namespace {

// A camera's images that wait for the disk. Past it the next ones are left out.
constexpr int max_files_waiting = 4;

}  // namespace

// What one turn at the encoder has to do.
struct FeedImpl::Order {
  Due due = 0;
  FramePtr frame;
  std::map<ImageFormat, std::vector<Taker>> takers;
  ImageFormat format = ImageFormat::jpeg;  // of what is saved, posted and published
  std::string post_url;
  std::function<void(const ImagePtr&)> watcher;
};

FeedImpl::FeedImpl(dmi::ObjectId device, OutletSettings settings,
                   std::shared_ptr<Workshop> workshop, std::size_t encoder,
                   std::shared_ptr<Publisher> publisher)
    : device_(std::move(device)),
      settings_(std::move(settings)),
      workshop_(std::move(workshop)),
      encoder_(*workshop_->encoders[encoder % workshop_->encoders.size()]),
      publisher_(std::move(publisher)),
      recorder_(settings_.spool.folder.empty()
                    ? nullptr
                    : std::make_shared<Recorder>(device_, settings_.spool, counts_)),
      poster_(device_, settings_.post, counts_, workshop_->post_waits),
      format_(settings_.encode.format),
      post_url_(settings_.post.url),
      spool_pace_(settings_.spool.every),
      post_pace_(settings_.post.every),
      mqtt_pace_(settings_.mqtt.every) {}

FeedImpl::~FeedImpl() = default;

void FeedImpl::open() {
  if (recorder_) to_files([](Recorder& recorder) { recorder.open(); });
}

void FeedImpl::put(const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) {
  if (info.status != FrameStatus::complete) return;
  {
    const std::lock_guard guard(mutex_);
    ring_ = ring;
    newest_ = info;
    const Due due = wanted_now(steady_clock::now());
    // Still not encoded since the last time: the encoder will see this frame instead of that one.
    if ((due & due_ & ~bit(watcher)) != 0) ++counts_->left_out;
    due_ |= due;
    if (due_ != 0) schedule();
  }
  changed_.notify_all();
}

FeedImpl::Due FeedImpl::wanted_now(base::SteadyTime now) {
  Due due = 0;
  const auto regular = [&](bool on, Outlet outlet, Pace& pace) {
    if (on && pace.due(now)) due |= bit(outlet);
  };
  regular(recorder_ && settings_.spool.every.count() > 0, spool, spool_pace_);
  regular(!post_url_.empty() && settings_.post.every.count() > 0, post, post_pace_);
  regular(publisher_ != nullptr, mqtt, mqtt_pace_);
  regular(watcher_ != nullptr, watcher, watch_pace_);
  regular(series_.left > 0, series, series_.pace);
  regular(video_.left > 0, video, video_.pace);
  return due;
}

// With the mutex held.
void FeedImpl::schedule() {
  if (scheduled_ || finished_) return;
  scheduled_ = encoder_.post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->work();
  });
}

FeedImpl::Order FeedImpl::take_order() {
  Order order;
  std::shared_ptr<FrameRing> ring;
  {
    const std::lock_guard guard(mutex_);
    scheduled_ = false;
    order.due = std::exchange(due_, 0);
    order.takers = std::exchange(takers_, {});
    order.format = format_;
    order.post_url = post_url_;
    order.watcher = watcher_;
    ring = ring_.lock();
  }
  if (ring) order.frame = ring->newest();
  return order;
}

// The same frame may be the newest twice: it was there already when an earlier one was wanted. Each
// outlet takes it once.
void FeedImpl::forget_done(Order& order, std::uint64_t sequence) {
  for (unsigned outlet = 0; outlet < outlets; ++outlet) {
    const Due one = 1u << outlet;
    if ((order.due & one) == 0 || outlet == post_now) continue;
    if (done_[outlet] == sequence) {
      order.due &= ~one;
    } else {
      done_[outlet] = sequence;
    }
  }
}

void FeedImpl::work() {
  Order order = take_order();
  if (order.frame) {
    forget_done(order, order.frame->info.sequence);
  } else {
    // The stream has ended: what was encoded before can still be asked for, nothing is new.
    const std::lock_guard guard(mutex_);
    due_ |= order.due & bit(post_now);
    order.due &= made_.empty() ? 0 : bit(post_now);
    due_ &= ~order.due;
  }
  const Due jpegs = bit(watcher) | bit(video);
  std::map<ImageFormat, Due> wanted;
  if ((order.due & jpegs) != 0) wanted[ImageFormat::jpeg] |= order.due & jpegs;
  if ((order.due & ~jpegs) != 0) wanted[order.format] |= order.due & ~jpegs;
  for (const auto& [format, takers] : order.takers) wanted.try_emplace(format, 0);
  for (const auto& [format, due] : wanted) {
    Result<ImagePtr> image = make(order.frame, format, settings_.encode.quality);
    if (const auto takers = order.takers.find(format); takers != order.takers.end()) {
      for (const Taker& taker : takers->second) taker(image);
    }
    if (due == 0) continue;
    if (image) {
      hand_out(order, due, *image);
      repeats_.over("encode", cat(device_.to_string(), ": frames are encoded again"));
    } else {
      ++counts_->failed;
      repeats_.warn(steady_clock::now(), "encode",
                    cat(device_.to_string(), ": no ", name(format), ": ", image.status().text()));
    }
  }
}

Result<ImagePtr> FeedImpl::make(const FramePtr& frame, ImageFormat format, int quality) {
  {
    const std::lock_guard guard(mutex_);
    const bool current =
        !frame || (!made_.empty() && made_.front()->info.sequence == frame->info.sequence);
    for (const ImagePtr& each : made_) {
      if (current && each->format == format) return each;
    }
  }
  if (!frame) return no_frame();
  auto image = make_image(*frame, {format, quality}, device_, workshop_->link_base);
  if (!image) return image;
  ++counts_->encoded;
  std::vector<ImagePtr> old;  // freed without the lock
  const std::lock_guard guard(mutex_);
  if (!made_.empty() && made_.front()->info.sequence != frame->info.sequence) old.swap(made_);
  made_.push_back(*image);
  return image;
}

void FeedImpl::hand_out(const Order& order, Due due, const ImagePtr& image) {
  const auto wants = [due](Outlet outlet) { return (due & bit(outlet)) != 0; };
  if (wants(watcher) && order.watcher) order.watcher(image);
  if (wants(video)) record(image);
  if (wants(spool) || wants(series)) save(due, image);
  if ((wants(post) || wants(post_now)) && !order.post_url.empty()) {
    poster_.push(order.post_url, image);
  }
  if (wants(mqtt)) publish(image);
}

void FeedImpl::save(Due due, const ImagePtr& image) {
  if (!to_files([image](Recorder& recorder) { recorder.save(*image); })) return;
  if ((due & bit(series)) == 0) return;
  const std::lock_guard guard(mutex_);
  if (series_.left > 0) --series_.left;
}

void FeedImpl::record(const ImagePtr& image) {
  const std::lock_guard guard(mutex_);
  if (video_.left == 0) return;
  const bool last = video_.left == 1;
  const bool taken = to_files([image, last](Recorder& recorder) { recorder.record(*image, last); });
  if (taken) --video_.left;
}

bool FeedImpl::to_files(std::function<void(Recorder&)> task) {
  const int waiting = ++*files_waiting_;
  const bool taken = waiting <= max_files_waiting &&
                     workshop_->files->post([recorder = recorder_, waiting = files_waiting_, task] {
                       task(*recorder);
                       --*waiting;
                     });
  if (!taken) {
    --*files_waiting_;
    ++counts_->left_out;
  }
  return taken;
}

void FeedImpl::refer(const ImagePtr& image) {
  std::vector<ImagePtr> gone;  // freed without the lock
  const std::lock_guard guard(mutex_);
  gone = references_.keep(image);
}

void FeedImpl::publish(const ImagePtr& image) {
  const std::string topic = settings_.mqtt.topic.empty()
                                ? cat("cameras/", device_.to_string(), "/frame")
                                : settings_.mqtt.topic;
  if (settings_.mqtt.image) {
    const auto* bytes = reinterpret_cast<const char*>(image->bytes.data());
    return publisher_->push(topic, std::string(bytes, image->bytes.size()), counts_);
  }
  refer(image);
  publisher_->push(topic, dmi::to_text(metadata(*image, device_)), counts_);
}

}  // namespace gige

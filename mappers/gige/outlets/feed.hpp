// One camera's frames on their way out: which outlet wants which frame, each encoded once.
//
// Threads: put() on the stream's, work() on one encoder's, always the same for a feed, which is why
// nothing is ever encoded twice. One mutex, held for microseconds, because put() and image() come
// from threads that are nobody's loop.
#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "dmi/json.hpp"
#include "gige/outlets.hpp"
#include "outlets/counts.hpp"
#include "outlets/mqtt.hpp"
#include "outlets/pace.hpp"
#include "outlets/post.hpp"
#include "outlets/recorder.hpp"
#include "outlets/references.hpp"
#include "outlets/worker.hpp"

namespace gige {

// What the feeds of a process share. Lives as long as the last of them.
struct Workshop {
  std::string link_base;  // "http://HOST:PORT"; "": HTTP is off
  std::vector<std::unique_ptr<Worker>> encoders;
  std::unique_ptr<Worker> files;
  std::unique_ptr<Worker> commands;
  PostWaits post_waits;
};

class FeedImpl final : public Feed, public std::enable_shared_from_this<FeedImpl> {
 public:
  using Taker = std::function<void(base::Result<ImagePtr>)>;

  // publisher: null without a broker.
  FeedImpl(dmi::ObjectId device, OutletSettings settings, std::shared_ptr<Workshop> workshop,
           std::size_t encoder, std::shared_ptr<Publisher> publisher);
  ~FeedImpl() override;
  void open();  // once, when a shared_ptr holds it

  void put(const std::shared_ptr<FrameRing>& ring, const FrameInfo& info) override;
  base::Result<ImagePtr> image(std::uint64_t newer_than,
                               std::chrono::milliseconds patience) override;
  void set_format(ImageFormat format) override;
  ImageFormat format() const override;
  void set_post_url(const std::string& url) override;
  std::string post_url() const override;
  base::Status save_frames(std::size_t frames, std::chrono::milliseconds interval) override;
  base::Status save_video(std::size_t frames, double frames_per_s) override;
  void on_command(std::function<base::Status(const std::string& name)> run) override;
  void set_online(bool online, const std::string& why) override;
  OutletCounters counters() const override { return counts_->read(); }

  // For HTTP; any thread.
  const dmi::ObjectId& device() const { return device_; }
  // The newest complete frame as an image; taker is called once, on an encoder's thread or, when
  // the process ends, on its.
  void request(ImageFormat format, Taker taker);
  // An image that was told of by link; null: it is gone, or never was.
  ImagePtr reference(std::uint64_t sequence, ImageFormat format) const;
  std::uint64_t newest() const;  // sequence of the newest complete frame; 0: none yet
  // Every frame, but at least `every` apart, as JPEG to `watcher` on an encoder's thread. Null: no
  // more.
  void watch(std::function<void(const ImagePtr&)> watcher, base::Duration every);
  // false: too many commands wait. done is called on the commands' thread, or never when the
  // process ends first. not_found: the device has no such command.
  bool run_command(const std::string& name, std::function<void(base::Status)> done);
  dmi::Json describe() const;

  // The process ends: what waits is posted until the deadline, requests are refused.
  void finish(base::SteadyTime deadline);

 private:
  // Who may want a frame.
  enum Outlet : unsigned { spool, series, video, post, post_now, mqtt, watcher, outlets };
  using Due = unsigned;  // 1 << Outlet, added up
  struct Series {
    std::size_t left = 0;
    Pace pace;
  };
  struct Order;

  static Due bit(Outlet outlet) { return 1u << outlet; }
  void schedule();
  Due wanted_now(base::SteadyTime now);
  void work();
  Order take_order();
  void forget_done(Order& order, std::uint64_t sequence);
  base::Result<ImagePtr> make(const FramePtr& frame, ImageFormat format, int quality);
  void hand_out(const Order& order, Due due, const ImagePtr& image);
  void record(const ImagePtr& image);
  void save(Due due, const ImagePtr& image);
  bool to_files(std::function<void(Recorder&)> task);
  void publish(const ImagePtr& image);
  void refer(const ImagePtr& image);
  base::Status no_frame() const;

  const dmi::ObjectId device_;
  const OutletSettings settings_;
  const std::shared_ptr<Workshop> workshop_;
  Worker& encoder_;
  const std::shared_ptr<Publisher> publisher_;
  const std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  const std::shared_ptr<Recorder> recorder_;  // null: no folder. Shared with the files' thread
  const std::shared_ptr<std::atomic<int>> files_waiting_ = std::make_shared<std::atomic<int>>(0);
  Poster poster_;
  base::Repeats repeats_;                      // encoder's thread
  std::array<std::uint64_t, outlets> done_{};  // encoder's thread: last sequence of each outlet

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::weak_ptr<FrameRing> ring_;  // weak: a stream that ends takes its ring along
  FrameInfo newest_;
  std::vector<ImagePtr> made_;  // of the newest frame that was encoded, one per format
  References references_;
  Due due_ = 0;
  bool scheduled_ = false;
  bool finished_ = false;
  std::map<ImageFormat, std::vector<Taker>> takers_;
  ImageFormat format_;
  std::string post_url_;
  Pace spool_pace_, post_pace_, mqtt_pace_, watch_pace_;
  Series series_, video_;
  std::function<void(const ImagePtr&)> watcher_;
  std::function<base::Status(const std::string&)> run_;
  bool online_ = false;
  std::string why_ = "not connected yet";
};

}  // namespace gige

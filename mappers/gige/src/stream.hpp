// A stream of a camera into a ring of frames: Aravis' receiving thread writes packets into the
// slots, a thread of ours takes what is done, says what became of it, and gives slots back.
//
// Threads: start, and the destructor: one thread. counters: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "gige/camera.hpp"
#include "src/aravis.hpp"
#include "src/clock.hpp"
#include "src/sockets.hpp"

namespace gige {

struct StreamPlan {
  std::uint64_t packets_of_a_frame = 1;  // with leader and trailer; above 0
  LinkSettings link;
  Interface interface;
  std::uint32_t camera_ip = 0;
  std::uint64_t sequence = 0;  // of the frame before the first
  bool packet_socket = false;
  bool camera_time_is_host_time = false;  // PTP
};

class Stream {
 public:
  // Ready to receive; the camera is not told to send yet. The clock outlives the stream and knows
  // it from former ones.
  static base::Result<std::unique_ptr<Stream>> start(ArvDevice* device, const StreamPlan& plan,
                                                     std::shared_ptr<FrameRing> ring,
                                                     ClockMap& clock, Camera::Taken taken);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  StreamCounters counters() const;

 private:
  Stream(Owned<ArvStream> stream, const StreamPlan& plan, std::shared_ptr<FrameRing> ring,
         ClockMap& clock, Camera::Taken taken);
  base::Status shut_out_others();
  void run();
  void take(ArvBuffer* buffer);
  void refill();
  FrameInfo describe(ArvBuffer* buffer);
  void count(const FrameInfo& info);
  void read_infos();

  const StreamPlan plan_;
  const std::shared_ptr<FrameRing> ring_;
  ClockMap& clock_;
  const Camera::Taken taken_;
  Owned<ArvStream> stream_;
  std::unique_ptr<ForeignCounter> foreign_;
  std::vector<Owned<ArvBuffer>> parked_;  // by slot, while it is published
  FrameInfo shape_;                       // of the last complete frame
  std::uint64_t sequence_ = 0;
  std::uint64_t missing_ = 0;  // packets, of all frames so far
  std::int64_t infos_read_ns_ = 0;

  mutable std::mutex mutex_;  // counters(), which any thread may call
  StreamCounters counters_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace gige

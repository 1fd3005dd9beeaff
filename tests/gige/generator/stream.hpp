// The sender: makes frames when they are due and sends their packets, with all that goes wrong.
//
// Threads: run() has its own; everything else may be called from any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "generator/gvsp.hpp"
#include "generator/memory.hpp"
#include "generator/pattern.hpp"

namespace generator {

// Whether anything comes through: the cable is in and the power on.
class Link {
 public:
  using Clock = std::chrono::steady_clock;
  void plug(bool in) { plugged_ = in; }
  void dark_until(Clock::time_point when) { dark_until_ = when.time_since_epoch().count(); }
  bool dark() const { return Clock::now().time_since_epoch().count() < dark_until_; }
  bool silent() const { return !plugged_ || dark(); }

 private:
  std::atomic<bool> plugged_{true};
  std::atomic<Clock::rep> dark_until_{0};
};

// The camera's clock: since it was switched on, or of the world (PTP).
class Ticks {
 public:
  Ticks(std::uint64_t hz, bool world) : hz_(hz), world_(world) { reset(); }
  std::uint64_t now() const { return raw() - zero_; }
  void reset() { zero_ = world_ ? 0 : raw(); }

 private:
  std::uint64_t raw() const;
  const std::uint64_t hz_;
  const bool world_;
  std::atomic<std::uint64_t> zero_{0};
};

class Stream {
 public:
  // Sockets: closed by their owner, after the stream is gone.
  Stream(int socket, int foreign_socket, const Link& link, std::uint32_t link_mbit,
         const Ticks& ticks);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void begin(const FramePlan& plan);
  void update(const FramePlan& plan);  // of the next frames, when it runs
  void end();                          // after the frame that is under way
  void abort();                        // within the frame
  void forget();                       // abort, and block ids from 1 again
  bool running() const;
  void trigger();
  void resend(const gvcp::Resend& resend);
  void test_packet(const FramePlan& plan);

  void set(const Faults& faults);
  Faults faults() const;
  Counters counters() const;

 private:
  using Clock = std::chrono::steady_clock;
  // A frame that can be sent, again too.
  struct Frame {
    FramePlan plan;
    gvsp::Image image;
    std::uint16_t block = 0;
    std::shared_ptr<const Pattern> pattern;
    std::span<const std::uint8_t> pixels;
    std::uint32_t payload_packets = 0;
  };
  using FramePtr = std::shared_ptr<const Frame>;
  struct Late {
    Clock::time_point due;
    FramePtr frame;
    std::uint32_t packet = 0;
  };
  // One datagram: its first bytes, and pixels where they lie.
  struct Packet {
    std::array<std::uint8_t, gvsp::leader_bytes> head;
    std::size_t head_bytes = 0;
    std::span<const std::uint8_t> pixels;
    std::size_t wire_bytes() const { return gvsp::ip_udp_bytes + head_bytes + pixels.size(); }
  };
  static constexpr std::size_t max_batch = 64;  // packets in one sendmmsg
  static constexpr std::size_t max_held = 32;   // frames that can be sent again

  void run();
  bool due(std::unique_lock<std::mutex>& lock);
  FramePtr make(const FramePlan& plan, const Faults& faults);
  std::uint16_t next_block(const Faults& faults);
  std::vector<std::uint32_t> order(const FramePtr& frame, const Faults& faults);
  void send(const FramePtr& frame, const Faults& faults);
  void send_batch(const Frame& frame, std::span<const std::uint32_t> packets, const Faults& faults);
  void send_one(const Frame& frame, const Packet& packet);
  void send_late();
  void send_foreign(const Frame& frame);
  static Packet packet(const Frame& frame, std::uint32_t id);
  static bool chance(std::mt19937& random, std::uint32_t permille);

  const int socket_;
  const int foreign_socket_;
  const Link& link_;
  const std::uint32_t link_mbit_;
  const Ticks& ticks_;

  mutable std::mutex mutex_;  // control's thread, tests and the sender share what follows
  std::condition_variable wake_;
  bool stop_ = false;
  bool running_ = false;
  FramePlan plan_;
  Faults faults_;
  Counters counters_;
  std::uint32_t done_ = 0;  // frames since begin()
  int triggers_ = 0;
  Clock::time_point next_{};
  std::uint16_t block_ = 0;  // of the last frame
  std::deque<FramePtr> held_;
  std::mt19937 resend_random_;
  std::atomic<std::uint32_t> aborts_{0};

  // The sender's own.
  std::mt19937 random_;
  std::uint32_t seed_ = 0;
  std::shared_ptr<const Pattern> pattern_;
  std::uint32_t pattern_format_ = 0;
  std::size_t pattern_bytes_ = 0;
  std::deque<Late> late_;
  bool foreign_kind_ = false;

  std::thread thread_;
};

}  // namespace generator

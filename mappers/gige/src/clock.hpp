// A camera's clock in terms of the host's: pairs of both, taken when frames arrive, tell the offset
// and the drift. A frame arrives late by its transfer and by whatever else the computer did, never
// early; so of every second the least late pair counts, and a line below those is the clock.
// Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace gige {

class ClockMap {
 public:
  // camera_ns: the camera's timestamp of a frame; arrived_ns: host time of its first packet.
  // A camera clock that steps (reset, or set) by more than 1 s against the host's begins anew.
  void add(std::int64_t camera_ns, std::int64_t arrived_ns);
  // Host time of a camera time; nullopt before the first pair. Includes the shortest time between
  // timestamp and first packet (exposure, read-out), which cannot be told from an offset.
  std::optional<std::int64_t> host_ns(std::int64_t camera_ns) const;
  // Host minus camera, ns, now; 0 before the first pair.
  std::int64_t offset_ns() const;

  static constexpr std::int64_t bucket_ns = 1'000'000'000;
  static constexpr std::size_t max_buckets = 16;
  static constexpr std::int64_t max_step_ns = 1'000'000'000;
  // Crystals are off by 100 ppm at most; more than this is noise of few pairs.
  static constexpr double max_drift = 300e-6;

 private:
  struct Bucket {
    std::int64_t began_ns;   // camera time
    std::int64_t camera_ns;  // of its least late pair
    std::int64_t offset_ns;  // host minus camera there
  };
  void fit();

  std::deque<Bucket> buckets_;
  std::int64_t newest_ns_ = 0;  // camera
  std::int64_t base_ns_ = 0;    // camera time where offset_ is true
  std::int64_t offset_ = 0;
  double drift_ = 0;  // of the offset, per camera ns
};

}  // namespace gige

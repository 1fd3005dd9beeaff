// What outlives a driver: a device keeps its outlets, its frame numbers and its counters while its
// camera comes and goes. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "gige/camera.hpp"
#include "gige/outlets.hpp"
#include "rate.hpp"

namespace gige {

struct Station {
  std::shared_ptr<Feed> feed;
  std::atomic<std::uint64_t> sequence = 0;  // of the newest frame
  RateMeter rate;

  void took(const FrameInfo& info);  // on the stream's thread
  FrameInfo newest() const;          // of the newest complete frame; all 0 before the first

  StreamCounters total() const;          // of the cameras of before
  void add(const StreamCounters& last);  // a camera was closed
  void lost(const std::string& why);     // and is told by offline()
  std::string reason() const;
  // The address the camera was last at; "" before. Returns the former one.
  std::string moved_to(const std::string& ip);
  // true, once: files that the device's properties ask for at its start are to be written.
  bool first_start() { return !started_.exchange(true); }

 private:
  mutable std::mutex mutex_;  // guards all below
  FrameInfo newest_;
  StreamCounters total_;
  std::string reason_;
  std::string ip_;
  std::atomic<bool> started_ = false;
};

StreamCounters operator+(StreamCounters left, const StreamCounters& right);

// The stations of a process, and the outlets they share.
class Stations {
 public:
  // Stations that no driver has asked for this long belong to devices that are gone.
  static constexpr auto forget_after = std::chrono::seconds(30);

  // options are asked for when the first camera comes: flags are parsed by then.
  explicit Stations(std::function<Outlets::Options()> options) : options_(std::move(options)) {}

  // Made when it is not there, and anew when the specification, as text, is another one. The
  // outlets start with the first. unavailable, conflict: they cannot.
  base::Result<std::shared_ptr<Station>> get(const dmi::ObjectId& device,
                                             const OutletSettings& settings,
                                             const std::string& specification);

 private:
  struct Entry {
    std::shared_ptr<Station> station;
    std::string specification;
    std::chrono::steady_clock::time_point asked;
  };
  void sweep(std::chrono::steady_clock::time_point now);

  const std::function<Outlets::Options()> options_;
  std::mutex mutex_;  // guards all below
  std::unique_ptr<Outlets> outlets_;
  std::map<dmi::ObjectId, Entry> entries_;
};

}  // namespace gige

#include "station.hpp"

#include <utility>

namespace gige {

StreamCounters operator+(StreamCounters left, const StreamCounters& right) {
  left.complete += right.complete;
  left.missing_packets += right.missing_packets;
  left.aborted += right.aborted;
  left.underrun += right.underrun;
  left.malformed += right.malformed;
  left.resent_packets += right.resent_packets;
  left.lost_packets += right.lost_packets;
  left.foreign_packets += right.foreign_packets;
  left.bytes += right.bytes;
  return left;
}

void Station::took(const FrameInfo& info) {
  sequence = info.sequence;
  if (info.status != FrameStatus::complete) return;
  rate.frame(std::chrono::steady_clock::now());
  const std::lock_guard lock(mutex_);
  newest_ = info;
}

FrameInfo Station::newest() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

StreamCounters Station::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

void Station::add(const StreamCounters& last) {
  const std::lock_guard lock(mutex_);
  total_ = total_ + last;
}

void Station::lost(const std::string& why) {
  const std::lock_guard lock(mutex_);
  reason_ = why;
}

std::string Station::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

std::string Station::moved_to(const std::string& ip) {
  const std::lock_guard lock(mutex_);
  return std::exchange(ip_, ip);
}

base::Result<std::shared_ptr<Station>> Stations::get(const dmi::ObjectId& device,
                                                     const OutletSettings& settings,
                                                     const std::string& specification) {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  sweep(now);
  if (!outlets_) {
    base::Result<std::unique_ptr<Outlets>> started = Outlets::start(options_());
    if (!started) return started.status();
    outlets_ = std::move(*started);
  }
  Entry& entry = entries_[device];
  if (!entry.station || entry.specification != specification) {
    // The former feed goes first: two of one name would stand beside each other.
    entry.station.reset();
    entry.station = std::make_shared<Station>();
    entry.station->feed = outlets_->feed(device, settings);
    entry.specification = specification;
  }
  entry.asked = now;
  return entry.station;
}

void Stations::sweep(std::chrono::steady_clock::time_point now) {
  std::erase_if(entries_, [&](const auto& item) {
    const Entry& entry = item.second;
    return entry.station.use_count() == 1 && now - entry.asked > forget_after;
  });
}

}  // namespace gige

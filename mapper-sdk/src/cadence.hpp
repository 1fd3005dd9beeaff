// How well a mapper keeps the cycles it was asked for, over all devices; and the pool of the
// batches they read into. Once a minute, if anything was skipped, one line says how much and of
// whom. One thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "dmi/device.hpp"
#include "mapper/driver.hpp"

namespace mapper {

class Cadence {
 public:
  static constexpr auto window = std::chrono::minutes(1);
  // Devices named in the line; the others are counted.
  static constexpr std::size_t max_named = 5;
  // A read that starts this part of its cycle after its time is late.
  static constexpr int late_part = 10;

  explicit Cadence(base::Loop& loop) : timer_(loop) {}

  // A read of a group begins, due being its place in the grid.
  void started(base::Duration cycle, base::SteadyTime due, base::SteadyTime now) {
    ++reads_;
    if (now - due > cycle / late_part) ++late_;
  }
  // Cycles of a device were left out, because a read took longer than its cycle.
  void skipped(const dmi::ObjectId& device, std::uint64_t cycles);

  // Since the start. A cycle left out is no read.
  std::uint64_t reads() const { return reads_; }
  std::uint64_t late() const { return late_; }
  std::uint64_t skips() const { return skips_; }
  // "12 cycles skipped in the last minute: line2/boiler 9, …"; empties the count. "": none.
  std::string summary();

 private:
  base::Timer timer_;
  std::uint64_t reads_ = 0;
  std::uint64_t late_ = 0;
  std::uint64_t skips_ = 0;
  std::map<dmi::ObjectId, std::uint64_t> of_minute_;
};

// What drivers read into is needed only while a read lasts: a device that waits for its cycle has
// none.
class Batches {
 public:
  // More devices than this seldom are read at the same time; what is beyond is freed.
  static constexpr std::size_t max_spare = 64;

  std::vector<Reading> take();  // empty
  void give(std::vector<Reading> batch);

 private:
  std::vector<std::vector<Reading>> spare_;
};

}  // namespace mapper

// What a stock EdgeCore is told, in texts that it takes: it drops the twin of a value it does not
// like, and a state it does not know, without a word (dmi/encoding.hpp).
//
// Threads: all on the loop.
#pragma once

#include <cstdint>
#include <string>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "dmi/device.hpp"

namespace mapper {

class StockReport {
 public:
  struct Counts {
    std::uint64_t encoded = 0;  // values that had to be escaped, the cut ones among them
    std::uint64_t cut = 0;      // values that were too long
    std::uint64_t dropped = 0;  // twins of properties whose name EdgeCore does not take
  };

  // Both must outlive this.
  StockReport(const base::Loop& loop, base::Repeats& repeats) : loop_(loop), repeats_(repeats) {}

  // Values encoded, cut ones with metadata "truncated" = "true"; without the twins whose name
  // EdgeCore does not take. Twins may be empty then. The log tells of both, and of a namespace that
  // EdgeCore does not hear; what is of it is told all the same, for an EdgeCore that was mended.
  dmi::DeviceReport adapt(dmi::DeviceReport report);
  // As it is when EdgeCore knows it, in any case; else "unknown".
  static std::string state(std::string state);

  const Counts& counts() const { return counts_; }

 private:
  void look_at(const dmi::ObjectId& device);
  bool can_name(const dmi::ObjectId& device, const std::string& property);
  void adapt(const dmi::ObjectId& device, const std::string& property, dmi::TwinValue& value);

  const base::Loop& loop_;
  base::Repeats& repeats_;
  Counts counts_;
};

}  // namespace mapper

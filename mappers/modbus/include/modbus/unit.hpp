// How one unit is asked, and its outcomes in words. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/status.hpp"
#include "modbus/link.hpp"
#include "modbus/pdu.hpp"
#include "modbus/settings.hpp"

namespace modbus {

class Unit {
 public:
  explicit Unit(const Settings& settings);

  std::uint8_t number() const { return number_; }
  std::uint8_t retries() const { return retries_; }
  // For a request and its answer. The slow line behind a converter gets the time of their bytes on
  // top of `timeout`, which is the device's own. A serial line adds it itself.
  std::chrono::milliseconds timeout(std::size_t request_bytes, std::size_t answer_bytes) const;
  void prepare_read(Transaction& transaction, const Range& range) const;

  // What a link said of a request to range, with unit and addresses. A gateway that says it cannot
  // reach the unit makes it unavailable: asking again at once would cost its neighbours the
  // gateway's own time-out.
  base::Status explain(const base::Status& said, Bytes answer, const Range& range) const;

 private:
  std::uint8_t number_;
  std::uint8_t retries_;
  std::chrono::milliseconds timeout_;
  std::chrono::nanoseconds byte_time_;  // 0 where it does not count
};

}  // namespace modbus

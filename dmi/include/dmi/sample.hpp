// What was seen, how far to trust it, when. A device that does not answer yields a sample with a
// reason and no value: never an old number that looks new.
#pragma once

#include <optional>
#include <utility>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "dmi/value.hpp"

namespace dmi {

struct Sample {
  Sample() = default;
  Sample(Value seen, base::Time at) : value(std::move(seen)), time(at) {}
  Sample(base::Status why, base::Time at) : status(std::move(why)), time(at) {}

  // Present when something was read, even if it is out of range (status says so).
  std::optional<Value> value;
  base::Status status;
  base::Time time{};  // source time: when the answer came in

  friend bool operator==(const Sample&, const Sample&) = default;
};

}  // namespace dmi

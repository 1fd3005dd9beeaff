#include "versions.hpp"

#include <algorithm>

#include "devicetwin/core.hpp"

namespace devicetwin {

void Versions::load(std::uint64_t stored, std::uint64_t seen) {
  now_ = began_ = std::max(stored, seen);
  reserve();
}

std::uint64_t Versions::next() {
  ++now_;
  if (now_ + block / 2 > reserved_) reserve();
  return now_;
}

void Versions::reserve() {
  reserved_ = (now_ / block + 2) * block;
  journal_.put_version(reserved_);
}

void Versions::close() {
  if (reserved_ != 0) journal_.put_version(now_);
}

}  // namespace devicetwin

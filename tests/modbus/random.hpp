// Random input that can be repeated: every test prints its seed when it fails.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

namespace modbus_test {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  // In [low, high].
  std::uint32_t number(std::uint32_t low, std::uint32_t high) {
    return std::uniform_int_distribution<std::uint32_t>(low, high)(engine_);
  }
  std::uint64_t bits64() { return engine_(); }
  bool chance(double probability) {
    return std::uniform_real_distribution<double>(0, 1)(engine_) < probability;
  }
  std::vector<std::uint8_t> bytes(std::size_t count) {
    std::vector<std::uint8_t> made(count);
    for (auto& byte : made) byte = static_cast<std::uint8_t>(number(0, 255));
    return made;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace modbus_test

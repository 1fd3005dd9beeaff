// Turns a real loop on the test's own thread, step by step, until what it waits for has happened.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>

#include "base/loop.hpp"

namespace modbus_test {

// false: it has not happened within deadline.
inline bool run_until(base::IoLoop& loop, const std::function<bool()>& condition,
                      std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop.io().restart();
    loop.io().run_one_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace modbus_test

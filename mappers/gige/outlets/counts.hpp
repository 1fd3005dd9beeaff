// A camera's counters, written by the threads of its outlets. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "gige/outlets.hpp"

namespace gige {

struct Counts {
  std::atomic<std::uint64_t> saved{0};
  std::atomic<std::uint64_t> posted{0};
  std::atomic<std::uint64_t> published{0};
  std::atomic<std::uint64_t> left_out{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> encoded{0};  // images made, whoever wanted them

  OutletCounters read() const {
    return {.saved = saved,
            .posted = posted,
            .published = published,
            .left_out = left_out,
            .failed = failed};
  }
};

}  // namespace gige

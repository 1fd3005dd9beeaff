// Runs a task on a loop that another thread runs, and waits for its end.
#pragma once

#include <future>
#include <utility>

#include "base/loop.hpp"

namespace test_support {

template <class Task>
void run_on(base::Loop& loop, Task task) {
  std::promise<void> done;
  loop.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace test_support

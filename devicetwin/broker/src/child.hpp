// A child process that dies with its parent, watched on the loop. Belongs to the loop.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin::broker {

// "ended with status 3", "was killed by signal 9".
std::string describe_exit(int wait_status);

class Child {
 public:
  // arguments[0] is a path. The child gets SIGTERM when the calling thread ends, whatever ends it.
  // line is called on the loop for each line of its output, ended once with waitpid's status; not
  // after the destructor. unavailable: no more processes or descriptors.
  static base::Result<std::unique_ptr<Child>> start(base::IoLoop& loop,
                                                    const std::vector<std::string>& arguments,
                                                    std::function<void(const std::string&)> line,
                                                    std::function<void(int)> ended);
  // SIGTERM; SIGKILL to one that is still there after patience.
  ~Child();

  pid_t pid() const;
  // For who cannot wait for the loop: calls line() for what is there; false when it has ended.
  bool poll();
  int status() const;  // waitpid's, once poll() is false

  static constexpr auto patience = std::chrono::seconds(2);

 private:
  struct Impl;
  explicit Child(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Runs a short program to its end. unavailable: it cannot start, or its status is not 0; with its
// output. Blocks.
base::Status run(const std::vector<std::string>& arguments);

}  // namespace devicetwin::broker

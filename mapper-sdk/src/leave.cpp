#include "leave.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/log.hpp"
#include "base/text.hpp"

namespace mapper {

namespace {

// As systemd's and Kubernetes' patience goes, this is short: drivers that need longer to close
// hang.
constexpr auto shutdown_patience = std::chrono::seconds(5);

}  // namespace

int leave(Buses& buses, int status) {
  const std::vector<std::string> hanging = buses.stop(shutdown_patience);
  if (hanging.empty()) return status;
  for (const std::string& bus : hanging) {
    base::log_error(base::cat("bus ", bus, ": its driver hangs, did not close within ",
                              shutdown_patience.count(), " s; leaving without it"));
  }
  std::fflush(nullptr);
  // The hanging thread uses what a normal exit would destroy.
  std::quick_exit(exit_failed);
}

}  // namespace mapper

// `--local FILE`: the devices of a file, with no edge core; every new sample is printed as a line
// of a table. Threads: all on the loop.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "config.hpp"
#include "fleet.hpp"
#include "print.hpp"

namespace mapper {

class Local {
 public:
  // A device that has not spoken for this long is counted as failed by --once.
  static constexpr auto patience = std::chrono::seconds(30);

  struct Settings {
    std::string protocol;
    bool once = false;   // print every point once, write nothing, then call finished
    Ledger ledger = {};  // of commands sent
    std::chrono::milliseconds longest_retry{60'000};
  };
  // finished(status): 0, or 1 when a point failed. Called at most once, on the loop.
  Local(base::Loop& loop, Opener open, Settings settings, Objects objects, std::FILE* out,
        std::function<void(int)> finished);

 private:
  void news(Session& session);
  void print(const Session& session, const dmi::DeviceReport& report);
  void print_once(Session& session);
  void timed_out();
  void finish_when_done();

  base::Loop& loop_;
  const Settings settings_;
  std::FILE* out_;
  std::function<void(int)> finished_;
  base::Repeats repeats_;
  SessionContext context_;
  SampleTable table_;
  std::vector<const Session*> printed_;  // by --once, whole
  bool failed_ = false;
  base::Timer timer_;
  Fleet fleet_;
};

}  // namespace mapper

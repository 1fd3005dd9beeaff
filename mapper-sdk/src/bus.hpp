// Blocking drivers as asynchronous ones: a thread per bus, on which every driver of that bus is
// opened, read, written and destroyed, one call at a time. What drivers throw ends here as
// internal. A driver that hangs blocks its own bus and nothing else.
//
// Threads: everything here is called on the loop; drivers run on their bus's thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "inbox.hpp"
#include "mapper/driver.hpp"
#include "open.hpp"

namespace mapper {

class Bus;

class Buses {
 public:
  // Each bus is a thread. A mapper that wants more of them wants AsyncDriver.
  static constexpr std::size_t max_buses = 1024;
  // Calls that wait for one bus, one per device: a line with more devices than this is not polled.
  static constexpr std::size_t max_waiting = 4096;

  // protocol must outlive this.
  Buses(base::Loop& loop, const Protocol& protocol);
  // Threads that hang are left behind (detached); they touch nothing of this any more.
  ~Buses();

  // As Opener. unavailable: too many buses, or too many calls wait.
  void open(std::shared_ptr<const Target> target, Sink sink, OpenDone done);
  Opener opener();
  std::size_t size() const { return buses_.size(); }

  // Takes no new calls and waits until every bus has closed its drivers and ended, at most this
  // long. Returns the names of those that hang. Every driver must have been destroyed before.
  std::vector<std::string> stop(std::chrono::milliseconds patience);

 private:
  friend class BusDriver;
  std::string key_of(const Target& target) const;
  void retire(const std::string& key);

  base::Loop& loop_;
  const Protocol& protocol_;
  std::shared_ptr<Inbox> inbox_;
  std::map<std::string, std::shared_ptr<Bus>> buses_;
};

}  // namespace mapper

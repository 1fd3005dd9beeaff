// A mapper without uplink in this process, and the plants it reads in processes of their own, for
// benchmarks of many devices. Every address of 127/8 is this machine, so that each device has a
// connection of its own to one plant. One thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.hpp"
#include "base/text.hpp"
#include "bench/measure.hpp"
#include "fleet.hpp"
#include "modbus/driver.hpp"
#include "open.hpp"
#include "support/plane.hpp"

namespace bench {

// A modbus-plant whose unit 4 is a block of changing floats in holding registers.
class Plant {
 public:
  explicit Plant(int registers, int answer_delay_ms = 0)
      : process_({test_support::built("mappers/modbus/modbus-plant"), "--listen", "0.0.0.0:0",
                  "--block-registers", base::cat(registers), "--answer-delay-ms",
                  base::cat(answer_delay_ms)}) {
    if (!process_.wait_for_output("listening on")) fail("no plant:\n" + process_.output());
    const std::string said = process_.output();
    port_ = std::atoi(said.c_str() + said.rfind(':') + 1);
  }
  int port() const { return port_; }
  test_support::Process& process() { return process_; }

 private:
  test_support::Process process_;
  int port_ = 0;
};

// Devices with points 0 … points - 1, FLOAT in two registers or INT in one, read each second.
struct Kind {
  std::string name;
  int points = 0;
  bool floats = true;
};

inline dmi::DeviceModel model_of(const Kind& kind) {
  dmi::DeviceModel model;
  model.id = {"default", kind.name};
  for (int i = 0; i < kind.points; ++i) {
    model.properties.push_back(
        {base::cat("p", i), "", kind.floats ? "FLOAT" : "INT", "ReadOnly", "", "", "", {}});
  }
  return model;
}

inline dmi::Device device_of(const Kind& kind, int number, int port) {
  dmi::Device device;
  device.id = {"default", base::cat(kind.name, "-", number)};
  device.model = kind.name;
  device.protocol = {"modbus",
                     dmi::Json{{"ip", base::cat("127.1.", 1 + number / 250, ".", 1 + number % 250)},
                               {"port", port},
                               {"slaveID", 4}}};
  for (int i = 0; i < kind.points; ++i) {
    dmi::DeviceProperty property;
    property.name = base::cat("p", i);
    property.collect_cycle_ms = 1000;
    property.visitors = dmi::ProtocolConfig{"modbus", dmi::Json{{"register", "HoldingRegister"},
                                                                {"offset", kind.floats ? 2 * i : i},
                                                                {"limit", kind.floats ? 2 : 1}}};
    device.properties.push_back(std::move(property));
  }
  return device;
}

// The sessions of some devices on a loop, and when each was read. Rigs of one loop are counted
// apart, but share its process.
class Rig {
 public:
  using Clock = std::chrono::steady_clock;

  // What is wrong is counted, not logged.
  explicit Rig(base::IoLoop& loop) : loop_(loop) { base::set_log_level(base::Level::error); }

  void add(const Kind& kind, int first, int count, int port) {
    fleet_.put(model_of(kind));
    for (int i = first; i < first + count; ++i) {
      if (const base::Status failed = fleet_.put(device_of(kind, i, port)); !failed.ok()) {
        fail(failed.to_string());
      }
    }
    points_ += static_cast<std::size_t>(kind.points) * static_cast<std::size_t>(count);
    devices_ += static_cast<std::size_t>(count);
  }

  void begin() {
    seen_.clear();
    counting_ = true;
    reads_ = context_.cadence.reads();
    late_ = context_.cadence.late();
    skips_ = context_.cadence.skips();
    cpu_ = cpu_seconds();
    begun_ = Clock::now();
  }
  void end() {
    counting_ = false;
    seconds_ = std::chrono::duration<double>(Clock::now() - begun_).count();
    cpu_ = cpu_seconds() - cpu_;
    reads_ = context_.cadence.reads() - reads_;
    late_ = context_.cadence.late() - late_;
    skips_ = context_.cadence.skips() - skips_;
  }

  double cores() const { return cpu_ / seconds_; }
  double cpu() const { return cpu_; }
  std::uint64_t skips() const { return skips_; }
  // Reads that were finished, with every point of them good.
  double points_per_s() const {
    std::uint64_t reads = 0;
    for (const auto& [session, seen] : seen_) reads += seen.reads;
    return static_cast<double>(reads) * static_cast<double>(points_) /
           static_cast<double>(devices_) / seconds_;
  }
  // Cycles that began late (above 10 % of the cycle) or were left out.
  double late_pct() const {
    return 100 * static_cast<double>(late_ + skips_) / static_cast<double>(reads_ + skips_);
  }
  // Mean over devices of | achieved mean cycle - asked | / asked.
  double cycle_error_pct() const {
    double sum = 0;
    for (const auto& [session, seen] : seen_) {
      if (seen.reads < 2) fail("a device was not read");
      const double cycle = std::chrono::duration<double>(seen.last - seen.first).count() /
                           static_cast<double>(seen.reads - 1);
      sum += std::fabs(cycle - 1);
    }
    if (seen_.size() != devices_) fail(base::cat(seen_.size(), " of ", devices_, " were read"));
    return 100 * sum / static_cast<double>(devices_);
  }
  // The busiest 10 ms of the second against their share: 1 is even.
  double spread() const {
    std::vector<double> slots(100);
    for (const auto& [session, seen] : seen_) {
      const auto ms =
          std::chrono::duration_cast<std::chrono::milliseconds>(seen.first.time_since_epoch());
      ++slots[static_cast<std::size_t>(ms.count() % 1000 / 10)];
    }
    return *std::max_element(slots.begin(), slots.end()) * 100 / static_cast<double>(devices_);
  }
  // Ends the process when a point of a device has no good value.
  void check() const {
    for (const auto& [id, session] : fleet_.sessions()) {
      for (std::size_t i = 0; i < session->twin().size(); ++i) {
        const auto sample = session->twin().reported(i);
        if (!sample) fail(base::cat(id.to_string(), ": point ", i, " was never read"));
        if (!sample->status.ok()) fail(base::cat(id.to_string(), ": ", sample->status.to_string()));
      }
    }
  }
  mapper::Fleet& fleet() { return fleet_; }

 private:
  struct Seen {
    Clock::time_point first;
    Clock::time_point last;
    std::uint64_t reads = 0;
  };

  // Nothing takes what is told, so there is news of a device whenever it was read.
  void news(const mapper::Session& session) {
    if (!counting_) return;
    Seen& seen = seen_[&session];
    seen.last = Clock::now();
    if (seen.reads++ == 0) seen.first = seen.last;
  }

  base::IoLoop& loop_;
  const mapper::Protocol protocol_ = modbus::protocol();
  base::Repeats repeats_;
  mapper::SessionContext context_{loop_, mapper::async_opener(loop_, protocol_), "modbus", repeats_,
                                  [this](mapper::Session& session) { news(session); }};
  mapper::Fleet fleet_{context_};
  std::size_t points_ = 0;
  std::size_t devices_ = 0;
  bool counting_ = false;
  std::unordered_map<const mapper::Session*, Seen> seen_;
  Clock::time_point begun_;
  double seconds_ = 0;
  double cpu_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t late_ = 0;
  std::uint64_t skips_ = 0;
};

// Runs the loop: warm-up, then what is counted.
inline void run(base::IoLoop& loop, std::vector<Rig*> rigs, std::chrono::seconds warm_up,
                std::chrono::seconds counted) {
  loop.after(warm_up, [&] {
    for (Rig* rig : rigs) rig->begin();
    loop.after(counted, [&] {
      for (Rig* rig : rigs) rig->end();
      loop.stop();
    });
  });
  loop.run();
}

}  // namespace bench

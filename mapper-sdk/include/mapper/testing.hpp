// For tests of mappers: a device in memory with a driver of either kind, and targets from YAML. A
// test of a driver needs no more than target_from_yaml() and the driver's own factory; what uses
// time takes a base::ManualLoop.
//
// Threads: FakeDevice from any; the rest as in driver.hpp.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.hpp"
#include "mapper/driver.hpp"

namespace mapper::testing {

// The target of the first Device of a YAML text with its DeviceModel, as a mapper would make it
// from
// `--local`. invalid: as there.
base::Result<Target> target_from_yaml(const std::string& yaml);

// What a device holds, by point name, and how it fails. Outlives its drivers.
class FakeDevice {
 public:
  void set(const std::string& point, dmi::Value raw);
  dmi::Value get(const std::string& point) const;  // the point must have been set or written
  // What the point's reads and writes say; ok: it works again.
  void fail(const std::string& point, base::Status status);
  // What open, read and write return; ok: the device is reached again.
  void reach(base::Status status);
  // What the device makes of a written value; default: keeps it.
  void on_write(std::function<dmi::Value(const std::string& point, dmi::Value raw)> keep);

  // "open", "settled", "read a b", "write a=1", "close", in order; and how many begin with a word.
  std::vector<std::string> log() const;
  std::size_t count(std::string_view word) const;

  // The driver's side.
  base::Status open();
  base::Status read(std::span<Reading> batch, base::Time now);
  base::Status write(std::span<Command> batch);
  void settled();
  void close();

 private:
  mutable std::mutex mutex_;  // guards all below: a blocking driver is on its bus's thread
  std::map<std::string, dmi::Value> values_;
  std::map<std::string, base::Status> failures_;
  base::Status reach_;
  std::function<dmi::Value(const std::string&, dmi::Value)> keep_;
  std::vector<std::string> log_;
};

// Drivers of a fake device. The asynchronous one answers on the loop after delay, and fails to
// connect in its first call, as drivers of Protocol::open_async do.
base::Result<std::unique_ptr<Driver>> open_fake(FakeDevice& device);
base::Result<std::unique_ptr<AsyncDriver>> open_fake_async(FakeDevice& device, base::Loop& loop,
                                                           base::Duration delay = {});

}  // namespace mapper::testing

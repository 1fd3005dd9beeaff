// The buses of a process: one per line, shared by every device behind it. Everything is on one
// loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/bus.hpp"
#include "modbus/settings.hpp"

namespace modbus {

class Buses {
 public:
  // A session drops its driver when a device does not answer and opens another after 1 … 60 s. The
  // bus waits for it this long: what it knows of dead units and of its back-off stays, and a
  // listening line goes on listening. The connection itself is closed at once.
  static constexpr std::chrono::seconds patience{90};

  // The bus of a device with these settings: one per endpoint, back-up and unit % connections
  // (serial and listening lines have one connection). It keeps the device's delays while the device
  // holds it. unavailable: another device uses the same serial port, or listens on the same port,
  // with different settings; the text names both. Not invalid, because it may pass without a change
  // of this device: files with a new baud rate arrive one device after the other.
  base::Result<std::shared_ptr<Link>> get(base::IoLoop& loop, const Settings& settings);

  // The same with lines of the caller's.
  using MakeLine = std::function<std::unique_ptr<Line>(const Endpoint&, Line::Client&)>;
  base::Result<std::shared_ptr<Link>> get(base::Loop& loop, const Settings& settings,
                                          const MakeLine& make);

  std::string describe() const;  // Bus::describe() of each that has devices, a line each

 private:
  struct Taken {  // a port that only one line can have
    std::weak_ptr<Bus> bus;
    std::string key;
    std::string settings;
  };
  base::Status claim(const Endpoint& endpoint, const std::string& key,
                     const std::string& settings) const;
  void forget_expired();

  std::map<std::string, std::weak_ptr<Bus>> buses_;
  std::map<std::string, Taken> taken_;
  std::size_t forget_at_ = 64;  // entries, before expired ones are looked for
};

}  // namespace modbus

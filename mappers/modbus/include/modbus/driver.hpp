// The Modbus driver of one device: points planned into requests, answers decoded into samples.
#pragma once

#include <map>
#include <memory>

#include "base/loop.hpp"
#include "dmi/device.hpp"
#include "mapper/driver.hpp"
#include "modbus/layout.hpp"
#include "modbus/link.hpp"
#include "modbus/settings.hpp"

namespace modbus {

// What the drivers of a process share. On the loop.
struct Common {
  Layouts layouts;
  // Devices that were opened and never answered: how often. An entry goes with the first answer.
  // Each opening begins with another block, since a silent first one looks like a dead device.
  std::map<dmi::ObjectId, std::uint32_t> vain_opens;
  // More devices than a process serves: devices that were removed while away are forgotten.
  static constexpr std::size_t max_vain_opens = 65536;

  std::uint32_t vain_opens_of(const dmi::ObjectId& id) const;
  void opened_in_vain(const dmi::ObjectId& id);
};

// A driver that speaks over link. A point whose visitor is wrong does not spoil the others: its
// samples carry the error. invalid, unsupported: the protocol settings, or all points, are wrong.
// target must outlive the driver. common: nullptr for a driver that shares nothing.
base::Result<std::unique_ptr<mapper::AsyncDriver>> make_driver(
    const mapper::Target& target, base::Loop& loop, std::shared_ptr<Link> link,
    const Settings& settings, std::shared_ptr<Common> common = nullptr);

// Where the points of target lie, checked against its settings. A wrong one is an error in its
// place.
Layout make_layout(const mapper::Target& target, const Settings& settings);

// The protocol "modbus" for mapper::run(). Devices behind one ip and port share one connection.
mapper::Protocol protocol();

}  // namespace modbus

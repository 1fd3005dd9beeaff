// The Modbus driver of one device: points planned into requests, answers decoded into samples.
#pragma once

#include <memory>

#include "base/loop.hpp"
#include "mapper/driver.hpp"
#include "modbus/link.hpp"
#include "modbus/place.hpp"
#include "modbus/settings.hpp"

namespace modbus {

// A driver that speaks over link. A point whose visitor is wrong does not spoil the others: its
// samples carry the error. invalid, unsupported: the protocol settings, or all points, are wrong.
// target must outlive the driver.
base::Result<std::unique_ptr<mapper::AsyncDriver>> make_driver(const mapper::Target& target,
                                                               base::Loop& loop,
                                                               std::shared_ptr<Link> link,
                                                               const Settings& settings);

// The protocol "modbus" for mapper::run(). Devices behind one ip and port share one connection.
mapper::Protocol protocol();

}  // namespace modbus

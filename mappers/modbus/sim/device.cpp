#include "sim/device.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/text.hpp"
#include "modbus/codec.hpp"

namespace modbus_sim {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Range;
using modbus::Table;

namespace {

bool is_number(dmi::Type type) {
  return type == dmi::Type::integer || type == dmi::Type::float32 || type == dmi::Type::float64;
}

// Addresses that nobody named do not exist, so lists are as long as their table.
void make_room(const Range& range, bool writable, Memory& memory) {
  const std::size_t end = std::max<std::size_t>(range.end(), memory.size(range.table));
  if (is_bits(range.table)) {
    memory.bits(range.table).resize(end);
  } else {
    memory.words(range.table).resize(end);
  }
  Access& access = memory.of(range.table);
  access.exists.resize(end);
  access.writable.resize(end);
  for (std::size_t at = range.first; at < range.end(); ++at) {
    access.exists[at] = true;
    if (writable) access.writable[at] = true;
  }
}

}  // namespace

double Device::pattern(const mapper::Point& point) {
  if (point.type == dmi::Type::boolean) return point.index % 2 == 0 ? 1 : 0;
  const bool fraction = point.type != dmi::Type::integer;
  const double wanted = static_cast<double>(point.index + 1) + (fraction ? 0.5 : 0);
  return std::clamp(wanted, point.minimum.value_or(wanted),
                    std::max(point.minimum.value_or(wanted), point.maximum.value_or(wanted)));
}

Result<Device> Device::make(const mapper::Target& target, const dmi::Device& device,
                            Memory& memory) {
  Device made;
  made.name_ = target.id.to_string();
  for (const mapper::Point& point : target.points) {
    const Result<modbus::Place> place = modbus::parse_place(point);
    if (!place) return place.status();
    Property property{point.name,
                      *place,
                      point.type,
                      point.minimum.value_or(0),
                      point.maximum.value_or(point.minimum.value_or(0) + 100),
                      point.scale,
                      point.value_offset};
    property.high = std::max(property.low, property.high);
    make_room(place->hull, point.writable, memory);

    dmi::Value value = point.name;
    if (is_number(point.type) || point.type == dmi::Type::boolean) value = pattern(point);
    const dmi::DeviceProperty* const given = device.find(point.name);
    if (given != nullptr && given->desired && !given->desired->value.empty()) {
      const Result<dmi::Value> desired = dmi::parse_value(given->desired->value, point.type);
      if (!desired) {
        return Status(Code::invalid, cat(made.name_, ".properties.", point.name,
                                         ".desired: ", desired.status().text()));
      }
      value = *desired;
    }
    if (dmi::to_number(value, property.value) && is_number(point.type)) {
      value = (property.value - point.value_offset) / point.scale;
    }
    if (const Status status = put(property, value, memory); !status.ok()) {
      return Status(Code::invalid,
                    cat(made.name_, ".properties.", point.name, ": ", status.text()));
    }
    made.properties_.push_back(std::move(property));
  }
  return made;
}

Status Device::put(const Property& property, const dmi::Value& raw, Memory& memory) {
  const Range& range = property.place.range;
  // A scale factor register holds 0, unless another property says otherwise.
  const Result<modbus::Written> written = modbus::encode(property.place, raw, 0);
  if (!written) return written.status();
  for (std::size_t i = 0; i < written->words.size(); ++i) {
    const std::uint16_t word = written->words[i];
    if (is_bits(range.table)) {
      memory.bits(range.table)[range.first + i] = word != 0;
      continue;
    }
    std::uint16_t& kept = memory.words(range.table)[range.first + i];
    kept = written->mask == 0xffff ? word : modbus::merge(*written, kept).words[0];
  }
  return Status();
}

double Device::moved(Change how, const Property& property, std::size_t index,
                     std::chrono::duration<double> time, std::mt19937_64& random) {
  const bool boolean = property.type == dmi::Type::boolean;
  const double low = boolean ? 0 : property.low;
  const double high = boolean ? 1 : property.high;
  double value = property.value;
  if (how == Change::count) {
    value = value + 1 > high ? low : value + 1;
  } else if (how == Change::sine) {
    const double turn = time.count() / 60 + static_cast<double>(index) / 100;
    value = low + (high - low) * (0.5 + 0.5 * std::sin(2 * std::numbers::pi * turn));
  } else if (how == Change::random) {
    value = low + (high - low) * static_cast<double>(random() >> 11) * 0x1p-53;
  }
  const bool whole = boolean || property.type == dmi::Type::integer;
  return whole ? std::round(value) : value;
}

void Device::change(Change how, std::chrono::duration<double> time, std::mt19937_64& random,
                    Memory& memory) {
  for (std::size_t i = 0; i < properties_.size(); ++i) {
    Property& property = properties_[i];
    const bool boolean = property.type == dmi::Type::boolean;
    if (property.kept || !(boolean || is_number(property.type))) continue;
    property.value = moved(how, property, i, time, random);
    const double raw =
        boolean ? property.value : (property.value - property.value_offset) / property.scale;
    // What does not fit in its registers is not worth a fault: the value before stays.
    if (!put(property, raw, memory).ok()) property.value = property.low;
  }
}

void Device::written(const Range& range) {
  for (Property& property : properties_) {
    const Range& mine = property.place.range;
    if (mine.table == range.table && mine.first < range.end() && range.first < mine.end()) {
      property.kept = true;
    }
  }
}

void open_whole_tables(Memory& memory) {
  constexpr std::size_t all = modbus::max_address + 1;
  memory.coils.resize(all);
  memory.discrete_inputs.resize(all);
  memory.holding.resize(all);
  memory.input.resize(all);
  memory.access = {};
}

}  // namespace modbus_sim

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

dmi::Value Device::pattern(const mapper::Point& point, const modbus::Place& place) {
  const std::size_t room = place.range.count * 2u;
  if (place.shape == modbus::Shape::array) {
    std::string elements;
    for (int i = 0; i < place.elements; ++i) elements += cat(i == 0 ? "" : ",", i % 2);
    return cat("[", elements, "]");
  }
  if (point.type == dmi::Type::bytes) return dmi::Bytes(room, 0x5a);
  if (point.type == dmi::Type::string) {
    const bool labelled = place.extra != nullptr && !place.extra->labels.empty();
    return labelled ? place.extra->labels.front().text : std::string(base::cut(point.name, room));
  }
  if (point.type == dmi::Type::boolean) return point.index % 2 == 0;
  const bool fraction = point.type != dmi::Type::integer;
  const double wanted = static_cast<double>(point.index + 1) + (fraction ? 0.5 : 0);
  return std::clamp(wanted, point.minimum.value_or(wanted),
                    std::max(point.minimum.value_or(wanted), point.maximum.value_or(wanted)));
}

// The SDK's scale undone; whole numbers stay exact where there is none.
dmi::Value Device::raw(const Property& property, const dmi::Value& refined) {
  double number = 0;
  const bool scaled = property.scale != 1 || property.value_offset != 0;
  if (!is_number(property.type) || !scaled || !dmi::to_number(refined, number)) return refined;
  return (number - property.value_offset) / property.scale;
}

Status Device::start(Property& property, const mapper::Point& point, const dmi::Device& device,
                     Memory& memory) {
  const dmi::DeviceProperty* const given = device.find(point.name);
  const bool desired = given != nullptr && given->desired && !given->desired->value.empty();
  dmi::Value value = pattern(point, property.place);
  if (desired) {
    Result<dmi::Value> parsed = dmi::parse_value(given->desired->value, point.type);
    if (!parsed) return parsed.status();
    value = std::move(*parsed);
  }
  const Status status = put(property, raw(property, value), memory);
  dmi::to_number(value, property.value);
  // A pattern that is too large for a small field is nobody's mistake: the field stays 0.
  const bool too_large = !desired && status.code() == Code::out_of_range;
  if (!status.ok() && !too_large) return status;
  if (too_large) property.value = 0;
  // A field of three bits counts to 7, whatever the model allows.
  while (property.high - property.low > 1 &&
         !encoded(property, raw(property, property.high), memory).ok()) {
    property.high = property.low + std::floor((property.high - property.low) / 2);
  }
  return Status();
}

Result<Device> Device::make(const mapper::Target& target, const dmi::Device& device,
                            Memory& memory) {
  Device made;
  made.name_ = target.id.to_string();
  std::vector<std::size_t> scaled;  // their scale factor may be another property's value
  const auto begin = [&](std::size_t index) {
    const mapper::Point& point = target.points[index];
    const Status status = made.start(made.properties_[index], point, device, memory);
    return status.ok() ? status
                       : Status(Code::invalid,
                                cat(made.name_, ".properties.", point.name, ": ", status.text()));
  };
  for (const mapper::Point& point : target.points) {
    const Result<modbus::Place> place = modbus::parse_place(point);
    if (!place) return place.status();
    const double low = point.minimum.value_or(0);
    made.properties_.push_back({point.name, *place, point.type, low,
                                std::max(low, point.maximum.value_or(low + 100)), point.scale,
                                point.value_offset});
    make_room(place->hull, false, memory);
    make_room(place->range, point.writable, memory);
    if (place->extra != nullptr && place->extra->scale_offset) {
      scaled.push_back(point.index);
    } else if (const Status status = begin(point.index); !status.ok()) {
      return status;
    }
  }
  for (const std::size_t index : scaled) {
    if (const Status status = begin(index); !status.ok()) return status;
  }
  return made;
}

Result<modbus::Written> Device::encoded(const Property& property, const dmi::Value& raw,
                                        Memory& memory) {
  const modbus::Place& place = property.place;
  std::optional<int> exponent;
  if (place.extra != nullptr && place.extra->scale_offset) {
    const auto stated =
        static_cast<std::int16_t>(memory.words(place.range.table)[*place.extra->scale_offset]);
    exponent = std::clamp<int>(stated, -10, 10);
  }
  return modbus::encode(place, raw, exponent);
}

Status Device::put(const Property& property, const dmi::Value& raw, Memory& memory) {
  const Range& range = property.place.range;
  const Result<modbus::Written> written = encoded(property, raw, memory);
  if (!written) return written.status();
  for (std::size_t i = 0; i < written->words.size(); ++i) {
    const std::size_t at = range.first + i;
    if (is_bits(range.table)) {
      memory.bits(range.table)[at] = written->words[i] != 0;
      continue;
    }
    std::uint16_t& word = memory.words(range.table)[at];
    const unsigned mask = i == 0 ? written->mask : 0xffff;
    word = static_cast<std::uint16_t>((word & ~mask) | (written->words[i] & mask));
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
    const bool array = property.place.shape == modbus::Shape::array;
    if (property.kept || array || !(boolean || is_number(property.type))) continue;
    property.value = moved(how, property, i, time, random);
    // What does not fit in its registers is not worth a fault: the value before stays.
    if (!put(property, raw(property, property.value), memory).ok()) property.value = property.low;
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

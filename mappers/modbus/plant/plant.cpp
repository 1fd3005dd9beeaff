#include "plant/plant.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numbers>

namespace modbus_plant {

using modbus::Pdu;
using modbus::Range;
using modbus::Table;
using modbus_sim::get_float;
using modbus_sim::put_float;
using modbus_sim::put_uint32;

namespace {

double wave(double time, double period) { return std::sin(2 * std::numbers::pi * time / period); }

std::uint16_t to_register(double value) {
  return static_cast<std::uint16_t>(std::clamp(std::lround(value), 0L, 65535L));
}

Memory boiler() {
  Memory memory{std::vector<bool>(2), std::vector<bool>(2), std::vector<std::uint16_t>(4),
                std::vector<std::uint16_t>(6)};
  put_float(memory.holding, 0, 60);  // setpoint, °C
  put_float(memory.holding, 2, 6);   // alarm pressure, bar
  memory.coils[0] = true;            // burner enabled
  return memory;
}

Memory meter() { return {{}, {}, std::vector<std::uint16_t>(2), std::vector<std::uint16_t>(16)}; }

Memory conveyor() {
  Memory memory{std::vector<bool>(4), std::vector<bool>(4), std::vector<std::uint16_t>(2),
                std::vector<std::uint16_t>(4)};
  memory.coils[0] = true;   // run
  memory.holding[0] = 125;  // speed setpoint, 0.01 m/s
  return memory;
}

}  // namespace

Block::Block(std::size_t registers) : registers_(registers) {
  assert(registers >= 2 && registers <= 65536 && registers % 2 == 0);
  memory_.coils.resize(registers);
  memory_.discrete_inputs.resize(registers);
}

Pdu Block::answer(modbus::Bytes request, double time) {
  const Range asked = modbus_sim::asked_for(request);
  if (request[0] == 3 || request[0] == 4) {
    const bool shaped =
        request.size() == 5 && asked.count >= 1 && asked.count <= modbus::max_read_registers;
    if (!shaped) return modbus_sim::exception(request[0], modbus::illegal_data_value);
    if (asked.end() > registers_) {
      return modbus_sim::exception(request[0], modbus::illegal_data_address);
    }
    return read(request, time);
  }
  if (asked.table == Table::holding && modbus_sim::is_write(request[0])) {
    memory_.holding.resize(registers_);
    written_.resize(registers_ / 2);
    freeze(asked, time);
    freeze(modbus_sim::written_by(request), time);
  }
  return modbus_sim::answer(memory_, request);
}

Pdu Block::read(modbus::Bytes request, double time) const {
  const Range range = modbus_sim::asked_for(request);
  const bool holding = range.table == Table::holding;
  Pdu pdu;
  pdu.byte(request[0]);
  pdu.byte(static_cast<std::uint8_t>(range.count * 2));
  for (std::size_t at = range.first; at < range.end(); ++at) {
    if (holding && !written_.empty() && written_[at / 2]) {
      pdu.word(memory_.holding[at]);
      continue;
    }
    const auto bits = std::bit_cast<std::uint32_t>(value(time, at & ~std::size_t{1}));
    pdu.word(static_cast<std::uint16_t>(at % 2 == 0 ? bits >> 16 : bits & 0xffff));
  }
  return pdu;
}

// The pairs that a write touches stop moving before it does.
void Block::freeze(const Range& range, double time) {
  if (range.count == 0 || range.end() > registers_) return;
  for (std::size_t pair = range.first / 2; pair <= (range.end() - 1) / 2; ++pair) {
    if (written_[pair]) continue;
    put_float(memory_.holding, pair * 2, value(time, pair * 2));
    written_[pair] = true;
  }
}

Plant::Plant(int units, std::size_t registers) {
  assert(units >= 1 && units <= max_units);
  for (int number = 1; number <= units; ++number) {
    if (number >= first_block) {
      blocks_.emplace_back(registers);
    } else {
      units_.push_back(number == 1 ? boiler() : number == 2 ? meter() : conveyor());
    }
  }
  advance(std::chrono::seconds(0));
}

Pdu Plant::answer(std::uint8_t unit, modbus::Bytes request) {
  if (unit >= 1 && unit <= units_.size()) return modbus_sim::answer(units_[unit - 1u], request);
  const int block = unit - first_block;
  if (block >= 0 && block < static_cast<int>(blocks_.size())) {
    return blocks_[static_cast<std::size_t>(block)].answer(request, time_);
  }
  return modbus_sim::exception(request[0], modbus::gateway_no_answer);
}

void Plant::advance(std::chrono::duration<double> by) {
  time_ += by.count();
  advance_boiler(by.count());
  if (units_.size() > 1) advance_meter(by.count());
  if (units_.size() > 2) advance_conveyor(by.count());
}

void Plant::advance_boiler(double seconds) {
  Memory& boiler = units_[0];
  const bool heating = boiler.coils[0];
  const double setpoint = static_cast<double>(get_float(boiler.holding, 0));
  const double aim = heating && std::isfinite(setpoint) ? setpoint : 20;
  // Time constant 15 s: a change shows at once and settles within a minute.
  temperature_ += (aim - temperature_) * (1 - std::exp(-seconds / 15));
  temperature_ = std::clamp(temperature_, -50.0, 500.0);
  const double seen = temperature_ + 0.3 * wave(time_, 7);
  const double pressure = 1 + 0.05 * (temperature_ - 20) + 0.02 * wave(time_, 3);
  put_float(boiler.input, 0, static_cast<float>(seen));
  put_float(boiler.input, 2, static_cast<float>(pressure));
  put_float(boiler.input, 4, static_cast<float>(80 + 5 * wave(time_, 40)));  // water level, %
  boiler.discrete_inputs[0] = heating && aim > temperature_ - 0.5;           // flame
  boiler.discrete_inputs[1] = pressure > static_cast<double>(get_float(boiler.holding, 2));
}

void Plant::advance_meter(double seconds) {
  Memory& meter = units_[1];
  double power = 0;
  for (std::size_t phase = 0; phase < 3; ++phase) {
    const double shift = static_cast<double>(phase);
    const double current = 12 + shift + 3 * wave(time_ + 5 * shift, 20);
    power += 230 * current;
    put_float(meter.input, 4 + 2 * phase, static_cast<float>(current), true);
  }
  energy_ += power * seconds / 3600;
  volume_ += 0.4 * seconds;
  put_uint32(meter.input, 0, static_cast<std::uint32_t>(energy_));
  put_uint32(meter.input, 2, static_cast<std::uint32_t>(volume_));
  put_uint32(meter.input, 10, static_cast<std::uint32_t>(power));
  meter.input[12] = to_register(10 * (230 + 2 * wave(time_, 11)));     // 0.1 V
  meter.input[13] = to_register(100 * (50 + 0.03 * wave(time_, 13)));  // 0.01 Hz
  // Outside temperature in 0.1 °C, signed: 65523 is -1.3.
  meter.input[14] = static_cast<std::uint16_t>(static_cast<std::int16_t>(60 * wave(time_, 120)));
}

void Plant::advance_conveyor(double seconds) {
  Memory& conveyor = units_[2];
  const double aim = conveyor.coils[0] ? conveyor.holding[0] / 100.0 : 0;
  speed_ += std::clamp(aim - speed_, -0.5 * seconds, 0.5 * seconds);  // 0.5 m/s²
  travelled_ += speed_ * seconds;
  conveyor.input[0] = to_register(100 * speed_);
  put_uint32(conveyor.input, 1,
             static_cast<std::uint32_t>(travelled_ * 2));          // parcels, 0.5 m apart
  conveyor.discrete_inputs[0] = std::fmod(travelled_, 0.5) < 0.2;  // light barrier
  conveyor.discrete_inputs[1] = speed_ > 0.01;                     // moving
}

}  // namespace modbus_plant

// A small simulated plant that moves with time and listens to its setpoints. Pure: time comes in
// through advance(). docs/modbus.md has its register map; examples/plant/plant.yaml reads it.
//
//   unit 1    boiler    floats, high word first (temperature follows setpoint while the burner is
//                       on)
//   unit 2    meter     32-bit counters; currents as floats, low word first
//   unit 3    conveyor  coils and discrete inputs, scaled 16-bit speeds
//   unit 4…N  blocks    1,000 holding and 1,000 input registers of changing floats
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "modbus/pdu.hpp"
#include "sim/memory.hpp"

namespace modbus_plant {

using modbus_sim::Memory;

// Floats that change with time and are worked out when they are read: a thousand clients may read
// a thousand values each, and nothing is rewritten in between. Coils and discrete inputs are there
// and do not move. A holding register that somebody writes keeps what was written, with its pair.
class Block {
 public:
  explicit Block(std::size_t registers);  // 2..65536, even (asserts)
  // time: s since start.
  modbus::Pdu answer(modbus::Bytes request, double time);
  // The float in registers address and address + 1 at that time; never a NaN.
  static float value(double time, std::size_t address) {
    return static_cast<float>(time * 10 + static_cast<double>(address) / 2);
  }

 private:
  modbus::Pdu read(modbus::Bytes request, double time) const;
  void freeze(const modbus::Range& range, double time);

  const std::size_t registers_;
  Memory memory_;              // bits; holding registers once one has been written
  std::vector<bool> written_;  // by pair; empty while nothing is
};

class Plant {
 public:
  static constexpr int max_units = 247;  // Modbus has no more
  static constexpr std::size_t block_registers = 1000;
  static constexpr int first_block = 4;

  // units: 1..max_units. registers: of every table of a block, as for Block.
  explicit Plant(int units, std::size_t registers = block_registers);

  void advance(std::chrono::duration<double> by);
  // Exception 11, as a gateway says it, for a unit that is not there.
  modbus::Pdu answer(std::uint8_t unit, modbus::Bytes request);
  // Of one that is no block.
  Memory& unit(int number) { return units_[static_cast<std::size_t>(number - 1)]; }

 private:
  void advance_boiler(double seconds);
  void advance_meter(double seconds);
  void advance_conveyor(double seconds);

  std::vector<Memory> units_;  // 1 to 3
  std::vector<Block> blocks_;  // 4 and up
  double time_ = 0;            // s since start
  double temperature_ = 20;
  double energy_ = 1'250'000;  // Wh
  double volume_ = 48'000;     // l
  double speed_ = 0;           // m/s
  double travelled_ = 0;       // m
};

}  // namespace modbus_plant

// A small simulated plant that moves with time and listens to its setpoints. Pure: time comes in
// through advance(). docs/modbus.md has its register map; examples/plant/plant.yaml reads it.
//
//   unit 1    boiler    floats, high word first (temperature follows setpoint while the burner is
//   on) unit 2    meter     32-bit counters; currents as floats, low word first unit 3    conveyor
//   coils and discrete inputs, scaled 16-bit speeds unit 4…N  blocks    1,000 holding and 1,000
//   input registers of changing floats
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "modbus/pdu.hpp"
#include "plant/memory.hpp"

namespace modbus_plant {

class Plant {
 public:
  static constexpr int max_units = 247;  // Modbus has no more
  static constexpr std::size_t block_registers = 1000;

  // units: 1..max_units.
  explicit Plant(int units);

  void advance(std::chrono::duration<double> by);
  // Exception 11, as a gateway says it, for a unit that is not there.
  modbus::Pdu answer(std::uint8_t unit, modbus::Bytes request);
  Memory& unit(int number) { return units_[static_cast<std::size_t>(number - 1)]; }
  int units() const { return static_cast<int>(units_.size()); }

 private:
  void advance_boiler(double seconds);
  void advance_meter(double seconds);
  void advance_conveyor(double seconds);
  void advance_block(Memory& block, double before) const;

  std::vector<Memory> units_;
  double time_ = 0;  // s since start
  double temperature_ = 20;
  double energy_ = 1'250'000;  // Wh
  double volume_ = 48'000;     // l
  double speed_ = 0;           // m/s
  double travelled_ = 0;       // m
};

}  // namespace modbus_plant

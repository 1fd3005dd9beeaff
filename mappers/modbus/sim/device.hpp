// A device of a YAML file as memory: exactly the registers that its properties name, with values
// that stay or change. Pure; time and randomness come in.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "dmi/device.hpp"
#include "mapper/driver.hpp"
#include "modbus/codec.hpp"
#include "modbus/place.hpp"
#include "modbus/settings.hpp"
#include "sim/memory.hpp"

namespace modbus_sim {

// How the values of properties move, between the model's minimum and maximum (0 and 100 where it
// has none).
enum class Change : std::uint8_t {
  stay,
  count,   // one more with every step, and from the maximum to the minimum
  sine,    // once around in 60 s, each property a little later than the one before
  random,  // anywhere
};

class Device {
 public:
  // Values are the properties' desired ones; where there is none, numbers are 1, 2, 3 … in the
  // order of the file (FLOAT and DOUBLE: and a half; 0 where it does not fit), booleans true and
  // false in turns, texts the property's name, or its first label. Puts them into memory, which
  // others may share, and makes their addresses exist; addresses of ReadOnly properties cannot be
  // written. A scale factor register is 0 unless it is a property itself. invalid: a visitor is
  // wrong, or a desired value does not fit; names the property.
  static base::Result<Device> make(const mapper::Target& target, const dmi::Device& device,
                                   Memory& memory);

  // Moves all values that no client has written. time: since the start.
  void change(Change how, std::chrono::duration<double> time, std::mt19937_64& random,
              Memory& memory);
  // A client wrote there: what lies there stays as it is.
  void written(const modbus::Range& range);

  const std::string& name() const { return name_; }

 private:
  struct Property {
    std::string name;
    modbus::Place place;
    dmi::Type type = dmi::Type::integer;
    double low = 0;
    double high = 100;
    double scale = 1;
    double value_offset = 0;
    double value = 0;  // refined, of a number
    bool kept = false;
  };

  static dmi::Value pattern(const mapper::Point& point, const modbus::Place& place);
  static dmi::Value raw(const Property& property, const dmi::Value& refined);
  static base::Result<modbus::Written> encoded(const Property& property, const dmi::Value& raw,
                                               Memory& memory);
  base::Status start(Property& property, const mapper::Point& point, const dmi::Device& device,
                     Memory& memory);
  static double moved(Change how, const Property& property, std::size_t index,
                      std::chrono::duration<double> time, std::mt19937_64& random);
  static base::Status put(const Property& property, const dmi::Value& raw, Memory& memory);

  std::string name_;
  std::vector<Property> properties_;
};

// Makes every address of every table exist, and writable where the table is; new ones are 0.
void open_whole_tables(Memory& memory);

}  // namespace modbus_sim

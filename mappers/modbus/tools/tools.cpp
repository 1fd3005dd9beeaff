#include "tools/tools.hpp"

namespace modbus_tools {

std::vector<mapper::Tool> tools() {
  return {{"plan", "tell which requests a device will be read with, and what they cost", plan_verb},
          {"probe", "find units, a serial line's speed, and the order of bytes", probe_verb},
          {"scan", "find SunSpec models and print them as DeviceModel and Device", scan_verb}};
}

}  // namespace modbus_tools

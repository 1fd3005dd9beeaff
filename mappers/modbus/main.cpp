// The Modbus mapper: the protocol with its verbs, and the SDK's program around it.
#include "mapper/driver.hpp"
#include "modbus/driver.hpp"
#include "tools/tools.hpp"

int main(int argc, char** argv) {
  mapper::Protocol protocol = modbus::protocol();
  protocol.tools = modbus_tools::tools();
  return mapper::run(argc, argv, protocol);
}

// The Modbus mapper: the protocol, and the SDK's program around it.
#include "mapper/driver.hpp"
#include "modbus/driver.hpp"

int main(int argc, char** argv) { return mapper::run(argc, argv, modbus::protocol()); }

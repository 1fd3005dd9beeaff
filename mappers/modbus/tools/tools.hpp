// The verbs of modbus-mapper beside those of every mapper: plan, probe and scan.
// Called in main(), before any other loop runs.
#pragma once

#include <vector>

#include "mapper/driver.hpp"

namespace modbus_tools {

// For Protocol::tools.
std::vector<mapper::Tool> tools();

int plan_verb(int argc, char** argv);
int probe_verb(int argc, char** argv);
int scan_verb(int argc, char** argv);

}  // namespace modbus_tools

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

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

}  // namespace modbus_tools

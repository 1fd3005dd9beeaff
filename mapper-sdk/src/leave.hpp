// The end of a program: exit statuses, and the drivers closed or left behind.
#pragma once

#include "bus.hpp"

namespace mapper {

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

// Closes what the buses hold and returns status. Drivers that hang are told in the log and left
// behind: the process then ends here, with exit_failed. Called after the loop has ended.
int leave(Buses& buses, int status);

}  // namespace mapper

// The end of a program: the drivers closed or left behind.
#pragma once

#include "bus.hpp"
#include "mapper/verb.hpp"

namespace mapper {

// Closes what the buses hold and returns status. Drivers that hang are told in the log and left
// behind: the process then ends here, with exit_failed. Called after the loop has ended.
int leave(Buses& buses, int status);

}  // namespace mapper

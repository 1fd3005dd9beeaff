// Who this process is, to those it talks to. Any thread.
#pragma once

#include <string>

namespace base {

// 128 random bits in hex, made once per process. Process numbers come again, and two containers
// are both number 1. Known to whom it was told, so not for everybody's eyes. (A process that forks
// without exec shares it with its child.)
const std::string& instance();

}  // namespace base

// What can be asked of the camera in words: lines on the program's stdin, and its flags. Any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "generator/camera.hpp"

namespace generator {

// One line, like "loss 50" or "power-cycle 2000"; the answer is one line, too. invalid: no such
// command, or not its argument: the text says what it takes.
base::Result<std::string> command(Camera& camera, std::string_view line);
std::string_view command_help();  // a line each

}  // namespace generator

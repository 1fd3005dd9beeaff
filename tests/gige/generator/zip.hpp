// A ZIP file of one member. Pure; any thread.
#pragma once

#include <string_view>

#include "generator/gvcp.hpp"

namespace generator {

// content, followed by this many spaces, which take 13 bits for every 258 of them.
Bytes zip(std::string_view name, const Bytes& content, std::size_t spaces);

}  // namespace generator

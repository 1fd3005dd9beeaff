// What a property of a camera is, with all that is wrong in its visitor. Pure.
#pragma once

#include <vector>

#include "gige/settings.hpp"

namespace gige {

// Every mistake; none: empty.
std::vector<base::Status> read_visitor(const mapper::Point& point, Visitor& visitor);

}  // namespace gige

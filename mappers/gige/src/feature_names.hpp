// What features are called: today's standard names (SFNC), those of before, and likely slips. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gige {

// The names to look for, in this order: the name itself, then what it is called elsewhere.
std::vector<std::string> names_of(std::string_view name);

// "; nearest: Width, WidthMax", or "" when none of all is near.
std::string nearest(std::string_view name, const std::vector<std::string>& all);

// Whether the standard forbids to change it while the camera streams.
bool shapes_frames(std::string_view name);

}  // namespace gige

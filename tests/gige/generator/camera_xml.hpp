// The text of the camera's GenICam description (GenApi 1.1, names of SFNC 2.7). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace generator {

// more: nodes to stand behind ours.
std::string camera_xml(std::string_view more);

}  // namespace generator

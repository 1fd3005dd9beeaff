// The GenICam description that the camera carries, written by us, and what may be wrong with one.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "generator/gvcp.hpp"

namespace generator {

enum class Description {
  sound,
  zipped,      // sound, in a ZIP file, deflated
  huge,        // the URL says 4 GiB - 1
  garbage,     // bytes that are no XML
  many_nodes,  // sound, and 100,000 nodes more
  loops,       // Gain's value is Gain's value, of itself and around a corner
  deep,        // 100,000 elements within each other
  zip_bomb,    // 1.7 MB that unpack to 256 MiB
  absent,      // an empty URL
};
// "sound", "zip-bomb" …; false: not one, out is untouched.
bool parse_description(std::string_view word, Description& out);
std::string_view description_words();  // all of them, for texts

struct Described {
  std::string url;  // as in the first URL register
  Bytes bytes;      // at reg::description
};
Described describe(Description which);

}  // namespace generator

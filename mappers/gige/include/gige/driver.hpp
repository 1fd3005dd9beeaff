// GigE Vision cameras as devices: the protocol for mapper::run. docs/gige.md is the manual.
#pragma once

#include "mapper/driver.hpp"

namespace gige {

// Protocol "GigEVision", as in KubeEdge, with its options --http and --public-url. Once per
// process: HTTP, spool and posts of all cameras are shared, begin with the first camera and end
// with the last copy of the protocol.
mapper::Protocol protocol();

}  // namespace gige

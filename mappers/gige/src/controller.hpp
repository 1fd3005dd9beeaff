// Who controls a camera, read from its registers without controlling it. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/status.hpp"
#include "gige/camera.hpp"
#include "src/gvcp_socket.hpp"

namespace gige {

// How a camera sees its controller. Not every camera tells; then both are 0.
struct Seen {
  std::uint32_t ip = 0;
  std::uint16_t port = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

struct Control {
  bool taken = false;   // by anybody
  bool denied = false;  // somebody keeps even reading to themselves
  Seen by;
};
// timeout: the camera is silent. refused, malformed: its answer is.
base::Result<Control> read_control(GvcpSocket& camera, std::chrono::milliseconds patience);

// us: as the camera saw us when we took control. Where it does not tell, whoever has control is us
// as long as we believe to have it.
Controller controller_of(const Control& control, bool we_control, const Seen& us);

}  // namespace gige

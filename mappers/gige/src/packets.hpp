// How a camera sends: the size of its packets and the pause between them; and whose time it stamps
// frames with. One thread, the device's; not while it streams.
#pragma once

#include "base/status.hpp"
#include "gige/camera.hpp"

namespace gige {

// Sets the packet size that the settings ask for, at most the interface's MTU (0: not known); or,
// when they ask for none, the largest that gets through, found with the camera's test packets. A
// camera without test packets keeps its own size. In bytes with IP header.
base::Result<int> settle_packet_size(ArvDevice* device, const LinkSettings& link, int mtu);

base::Status settle_packet_delay(ArvDevice* device, const LinkSettings& link);

// Whether a network clock (PTP) disciplines the camera's clock, now.
bool follows_world_time(ArvDevice* device);

}  // namespace gige

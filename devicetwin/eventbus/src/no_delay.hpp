// Paho C opens its sockets itself, with Nagle's algorithm on, and offers neither an option for it
// nor the descriptor. With it, a PUBLISH that follows the PUBACK of a request waits until the
// broker's kernel acknowledges that PUBACK: 40 ms on Linux, for every round trip of a client that
// waits for its answer.
#pragma once

#include <cstdint>
#include <string>

namespace devicetwin::bus {

// The port of an MQTT URL; 1883, or 8883 with TLS, where it has none.
std::uint16_t port_of(const std::string& url);

// Sets TCP_NODELAY on every TCP connection of this process to that remote port; how many. Others to
// the same port are not harmed. Any thread.
int send_at_once(std::uint16_t port);

}  // namespace devicetwin::bus

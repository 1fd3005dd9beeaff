// Aravis' sockets, which it shows to nobody: found among those of the process, and kept from what
// is not the camera's. Any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "src/interfaces.hpp"

namespace gige {

struct UdpSocket {
  int fd = -1;
  std::uint64_t inode = 0;
  std::uint16_t port = 0;
};
// UDP sockets of this process that are bound to our address.
std::vector<UdpSocket> udp_sockets(std::uint32_t ip);

// From now on only what comes from that address is received. Aravis takes a stream's packets from
// whoever sends them, when it reads them from the socket. false: the system refused.
bool accept_only(int socket, std::uint32_t from);

// Whoever sends at the socket fails at once from now on, and who waits there within 0.5 s, instead
// of being patient with a camera that is known to be gone: 3 s a call. Its owner must not close it
// meanwhile.
void hang_up(const UdpSocket& socket, std::uint32_t own_ip);

// Whether this process may use packet sockets (CAP_NET_RAW).
bool may_use_packet_sockets();

// Counts the datagrams to a port of ours that do not come from the camera, as the kernel sees them,
// without receiving any. Needs CAP_NET_RAW.
class ForeignCounter {
 public:
  ForeignCounter(const Interface& interface, std::uint16_t port, std::uint32_t camera_ip);
  ~ForeignCounter();
  ForeignCounter(const ForeignCounter&) = delete;
  ForeignCounter& operator=(const ForeignCounter&) = delete;
  // Since the last call; 0 without CAP_NET_RAW.
  std::uint64_t take();

 private:
  int socket_ = -1;
};

}  // namespace gige

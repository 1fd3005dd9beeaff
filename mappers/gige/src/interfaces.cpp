#include "src/interfaces.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "src/gvcp_socket.hpp"

namespace gige {

namespace {

std::uint32_t ip_of(const sockaddr* address) {
  if (address == nullptr || address->sa_family != AF_INET) return 0;
  sockaddr_in in;
  std::memcpy(&in, address, sizeof in);
  return ntohl(in.sin_addr.s_addr);
}

int mtu_of(const std::string& name) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return 0;
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  const bool known = ioctl(socket, SIOCGIFMTU, &request) == 0;
  close(socket);
  return known ? request.ifr_mtu : 0;
}

}  // namespace

std::vector<Interface> interfaces(const std::string& wanted) {
  std::vector<Interface> found;
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0) continue;
    Interface interface;
    interface.name = one->ifa_name;
    interface.name = interface.name.substr(0, interface.name.find(':'));
    interface.ip = ip_of(one->ifa_addr);
    if (!wanted.empty() && wanted != interface.name && wanted != format_ip(interface.ip)) continue;
    interface.mask = ip_of(one->ifa_netmask);
    if ((one->ifa_flags & IFF_BROADCAST) != 0) interface.broadcast = ip_of(one->ifa_broadaddr);
    interface.index = if_nametoindex(interface.name.c_str());
    interface.mtu = mtu_of(interface.name);
    interface.loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    found.push_back(interface);
  }
  freeifaddrs(all);
  return found;
}

}  // namespace gige

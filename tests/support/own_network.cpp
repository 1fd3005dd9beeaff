#include "support/own_network.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace test_support {

namespace {

void need(bool done, const char* what) {
  if (done) return;
  std::fprintf(stderr, "own network: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void enter_namespaces() {
  if (unshare(CLONE_NEWNET) == 0) return;
  const unsigned uid = getuid();
  const unsigned gid = getgid();
  need(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0,
       "not root, and user namespaces are not allowed (kernel.unprivileged_userns_clone)");
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << "0 " << uid << " 1";
  std::ofstream("/proc/self/gid_map") << "0 " << gid << " 1";
}

sockaddr address(const std::string& ip) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  need(inet_pton(AF_INET, ip.c_str(), &in.sin_addr) == 1, ip.c_str());
  sockaddr out{};
  std::memcpy(&out, &in, sizeof out);
  return out;
}

void set(int socket, const std::string& name, const std::string& ip) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_addr = address(ip);
  need(ioctl(socket, SIOCSIFADDR, &request) == 0, "setting an address of lo");
  request.ifr_netmask = address("255.0.0.0");
  need(ioctl(socket, SIOCSIFNETMASK, &request) == 0, "setting the network mask of lo");
  need(ioctl(socket, SIOCGIFFLAGS, &request) == 0, "reading the flags of lo");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
  need(ioctl(socket, SIOCSIFFLAGS, &request) == 0, "setting lo up");
}

}  // namespace

void enter_own_network(int addresses) {
  enter_namespaces();
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  need(socket >= 0, "socket");
  for (int i = 1; i <= addresses; ++i) {
    set(socket, i == 1 ? "lo" : "lo:" + std::to_string(i), "127.0.0." + std::to_string(i));
  }
  close(socket);
}

}  // namespace test_support

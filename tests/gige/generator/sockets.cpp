#include "generator/sockets.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"
#include "generator/gvcp.hpp"

namespace generator {

namespace {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

std::string text(std::uint32_t ip) {
  char out[INET_ADDRSTRLEN] = "";
  const in_addr address{htonl(ip)};
  ::inet_ntop(AF_INET, &address, out, sizeof out);
  return out;
}

Result<int> bound(std::uint32_t ip, std::uint16_t port, bool shared) {
  const int made = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (made < 0) return Status(Code::unavailable, cat("socket: ", std::strerror(errno)));
  const int on = 1;
  if (shared) ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(made, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ip);
  address.sin_port = htons(port);
  if (::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return made;
  const Status why(Code::unavailable, cat(text(ip), ":", port, ": ", std::strerror(errno)));
  ::close(made);
  return why;
}

// The network's broadcast address; 0: this is not an address of an interface.
std::uint32_t broadcast_of(std::uint32_t ip) {
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return 0;
  std::uint32_t found = 0;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in address{};
    sockaddr_in mask{};
    std::memcpy(&address, one->ifa_addr, sizeof address);
    std::memcpy(&mask, one->ifa_netmask, sizeof mask);
    if (ntohl(address.sin_addr.s_addr) == ip) found = ip | ~ntohl(mask.sin_addr.s_addr);
  }
  ::freeifaddrs(all);
  return found;
}

}  // namespace

Result<Sockets> Sockets::open(const std::string& address) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) {
    return Status(Code::invalid, cat("address \"", address, "\": not an IPv4 address"));
  }
  Sockets out;
  out.ip = ntohl(parsed.s_addr);
  const std::uint32_t broadcast = broadcast_of(out.ip);
  if (broadcast == 0) {
    return Status(Code::unavailable, cat("address ", address, ": no interface here has it"));
  }
  Result<int> control = bound(out.ip, gvcp::port, false);
  if (!control) return control.status();
  out.control = *control;
  for (const std::uint32_t ip : {broadcast, 0xFFFFFFFFU}) {
    Result<int> one = bound(ip, gvcp::port, true);
    if (!one) return one.status();
    out.broadcasts.push_back(*one);
  }
  Result<int> stream = bound(out.ip, 0, false);
  if (!stream) return stream.status();
  out.stream = *stream;
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(out.stream, reinterpret_cast<sockaddr*>(&name), &size);
  out.stream_port = ntohs(name.sin_port);
  const bool loopback = out.ip >> 24 == 127;
  Result<int> foreign = bound(loopback ? 0x7F090909 : out.ip, 0, false);  // 127.9.9.9
  if (!foreign) return foreign.status();
  out.foreign = *foreign;
  return out;
}

Sockets& Sockets::operator=(Sockets&& other) noexcept {
  std::swap(ip, other.ip);
  std::swap(control, other.control);
  std::swap(broadcasts, other.broadcasts);
  std::swap(stream, other.stream);
  std::swap(stream_port, other.stream_port);
  std::swap(foreign, other.foreign);
  return *this;
}

Sockets::~Sockets() {
  for (const int one : {control, stream, foreign}) {
    if (one >= 0) ::close(one);
  }
  for (const int one : broadcasts) ::close(one);
}

}  // namespace generator

#include "no_delay.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>

#include "base/text.hpp"

namespace devicetwin::bus {

namespace {

constexpr std::uint16_t plain_port = 1883;
constexpr std::uint16_t tls_port = 8883;

// 0: no TCP connection.
std::uint16_t remote_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  if (address.ss_family != AF_INET6) return 0;
  return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

}  // namespace

std::uint16_t port_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::string_view kind = std::string_view(url).substr(0, scheme);
  const std::uint16_t usual =
      kind == "ssl" || kind == "mqtts" || kind == "tls" ? tls_port : plain_port;
  const std::size_t colon = url.rfind(':');
  std::int64_t port = 0;
  if (colon == url.npos || colon == scheme || url.find(']', colon) != url.npos ||
      !base::parse_int(std::string_view(url).substr(colon + 1), port) || port < 1 || port > 65535) {
    return usual;
  }
  return static_cast<std::uint16_t>(port);
}

int send_at_once(std::uint16_t port) {
  int found = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    std::int64_t descriptor = -1;
    if (!base::parse_int(entry->path().filename().string(), descriptor)) continue;
    if (remote_port(static_cast<int>(descriptor)) != port) continue;
    const int on = 1;
    found +=
        setsockopt(static_cast<int>(descriptor), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
  }
  return found;
}

}  // namespace devicetwin::bus

#include "src/gvcp_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.hpp"

namespace gige {

using base::Code;
using base::Status;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

// A lost datagram costs this much, and not the whole patience.
constexpr milliseconds again{50};
// PENDING says how long the camera wants; more than this is not believed.
constexpr milliseconds max_pending{1000};

sockaddr_in address_of(std::uint32_t ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(ip);
  address.sin_port = htons(port);
  return address;
}

std::string hex(std::uint32_t number) {
  char text[12];
  std::snprintf(text, sizeof text, "0x%x", number);
  return text;
}

}  // namespace

std::uint32_t parse_ip(const std::string& text) {
  in_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ? ntohl(address.s_addr) : 0;
}

std::string format_ip(std::uint32_t ip) {
  return base::cat(ip >> 24, '.', ip >> 16 & 255, '.', ip >> 8 & 255, '.', ip & 255);
}

base::Result<GvcpSocket> GvcpSocket::open(std::uint32_t interface_ip, std::uint32_t camera_ip) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return Status(Code::unavailable, base::cat("UDP socket: ", strerror(errno)));
  GvcpSocket made(socket, camera_ip);
  const sockaddr_in own = address_of(interface_ip, 0);
  if (bind(socket, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    return Status(Code::unavailable, base::cat("our address ", format_ip(interface_ip),
                                               " is not to be had: ", strerror(errno)));
  }
  return made;
}

GvcpSocket::GvcpSocket(GvcpSocket&& other) noexcept { *this = std::move(other); }

GvcpSocket& GvcpSocket::operator=(GvcpSocket&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(buffer_, other.buffer_);
  camera_ip_ = other.camera_ip_;
  id_ = other.id_;
  return *this;
}

GvcpSocket::~GvcpSocket() {
  if (socket_ >= 0) close(socket_);
}

std::uint16_t GvcpSocket::next_id() {
  id_ = id_ == 0xFFFF ? std::uint16_t{1} : static_cast<std::uint16_t>(id_ + 1);
  return id_;
}

base::Result<gvcp::Answer> GvcpSocket::ask(const gvcp::Bytes& command, gvcp::Command which,
                                           const std::string& what, milliseconds patience) {
  const sockaddr_in to = address_of(camera_ip_, gvcp::port);
  auto deadline = Clock::now() + patience;
  auto next_send = Clock::now();
  bool extended = false;
  while (true) {
    const auto now = Clock::now();
    if (now >= deadline) break;
    if (now >= next_send) {
      // An error here (no route, as after a pulled cable) is waited out like a missing answer.
      sendto(socket_, command.data(), command.size(), 0, reinterpret_cast<const sockaddr*>(&to),
             sizeof to);
      next_send = now + again;
    }
    const auto wait = std::chrono::ceil<milliseconds>(std::min(deadline, next_send) - now).count();
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(wait)) <= 0) continue;
    sockaddr_in from{};
    socklen_t from_bytes = sizeof from;
    const ssize_t count = recvfrom(socket_, buffer_.data(), buffer_.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &from_bytes);
    if (count < 0 || from.sin_addr.s_addr != to.sin_addr.s_addr || from.sin_port != to.sin_port) {
      continue;
    }
    const auto answer = gvcp::parse(gvcp::View(buffer_).first(static_cast<std::size_t>(count)));
    if (!answer || answer->id != id_) continue;
    if (answer->pending() && !extended) {
      extended = true;
      deadline = now + max_pending;
      next_send = deadline;
      continue;
    }
    if (!answer->to(which)) continue;
    if (answer->status == gvcp::status_success) return *answer;
    return Status(answer->status == gvcp::status_access_denied ? Code::conflict : Code::refused,
                  base::cat("camera ", format_ip(camera_ip_), ": ", what, ": ",
                            gvcp::status_text(answer->status)));
  }
  return Status(Code::timeout, base::cat("camera ", format_ip(camera_ip_), ": ", what,
                                         ": no answer within ", patience.count(), " ms"));
}

base::Result<std::vector<std::uint32_t>> GvcpSocket::read_registers(
    std::span<const std::uint32_t> addresses, milliseconds patience) {
  const std::string what = base::cat("register ", hex(addresses.front()));
  const auto answer =
      ask(gvcp::read_registers(next_id(), addresses), gvcp::Command::read_register, what, patience);
  if (!answer) return answer.status();
  auto values = gvcp::registers(*answer, addresses.size());
  if (values) return std::move(*values);
  return Status(Code::malformed,
                base::cat("camera ", format_ip(camera_ip_), ": ", what, ": an answer of ",
                          answer->payload.size(), " bytes for ", addresses.size(), " registers"));
}

base::Result<gvcp::Bytes> GvcpSocket::read_memory(std::uint32_t address, std::size_t count,
                                                  milliseconds patience) {
  gvcp::Bytes bytes;
  while (bytes.size() < count) {
    const auto at = static_cast<std::uint32_t>(address + bytes.size());
    const std::size_t wanted = std::min(gvcp::max_memory_bytes, count - bytes.size());
    const auto asked = static_cast<std::uint16_t>((wanted + 3) / 4 * 4);
    const std::string what = base::cat("memory at ", hex(at));
    const auto answer =
        ask(gvcp::read_memory(next_id(), at, asked), gvcp::Command::read_memory, what, patience);
    if (!answer) return answer.status();
    const auto piece = gvcp::memory(*answer, at, asked);
    if (!piece) {
      return Status(Code::malformed,
                    base::cat("camera ", format_ip(camera_ip_), ": ", what, ": an answer of ",
                              answer->payload.size(), " bytes for ", asked));
    }
    bytes.insert(bytes.end(), piece->begin(), piece->begin() + static_cast<std::ptrdiff_t>(wanted));
  }
  return bytes;
}

base::Result<gvcp::Discovered> GvcpSocket::discover(milliseconds patience) {
  const auto answer =
      ask(gvcp::discovery(next_id(), false), gvcp::Command::discovery, "discovery", patience);
  if (!answer) return answer.status();
  auto camera = gvcp::discovered(*answer);
  if (camera) return std::move(*camera);
  return Status(Code::malformed, base::cat("camera ", format_ip(camera_ip_), ": discovery: only ",
                                           answer->payload.size(), " bytes of 248"));
}

}  // namespace gige

#include "src/sockets.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>

namespace gige {

namespace {

bool udp_socket(int fd, std::uint32_t ip, UdpSocket& out) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  int type = 0;
  socklen_t type_bytes = sizeof type;
  sockaddr_in own{};
  socklen_t own_bytes = sizeof own;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) != 0 || type != SOCK_DGRAM ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_bytes) != 0 ||
      own.sin_family != AF_INET || ntohl(own.sin_addr.s_addr) != ip) {
    return false;
  }
  out = {fd, status.st_ino, ntohs(own.sin_port)};
  return true;
}

template <std::size_t n>
bool attach(int socket, sock_filter (&code)[n]) {
  const sock_fprog program{n, code};
  return setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

constexpr auto load_word = static_cast<std::uint16_t>(BPF_LD | BPF_W | BPF_ABS);
constexpr auto load_half = static_cast<std::uint16_t>(BPF_LD | BPF_H | BPF_ABS);
constexpr auto load_byte = static_cast<std::uint16_t>(BPF_LD | BPF_B | BPF_ABS);
constexpr auto load_half_at = static_cast<std::uint16_t>(BPF_LD | BPF_H | BPF_IND);
constexpr auto header_length = static_cast<std::uint16_t>(BPF_LDX | BPF_B | BPF_MSH);
constexpr auto if_equal = static_cast<std::uint16_t>(BPF_JMP | BPF_JEQ | BPF_K);
constexpr auto if_any = static_cast<std::uint16_t>(BPF_JMP | BPF_JSET | BPF_K);
constexpr auto give = static_cast<std::uint16_t>(BPF_RET | BPF_K);

}  // namespace

std::vector<UdpSocket> udp_sockets(std::uint32_t ip) {
  std::vector<UdpSocket> found;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    UdpSocket socket;
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && udp_socket(fd, ip, socket)) found.push_back(socket);
  }
  closedir(folder);
  return found;
}

bool accept_only(int socket, std::uint32_t from) {
  // The source address stands 12 bytes into the IP header.
  sock_filter code[] = {
      {load_word, 0, 0, static_cast<std::uint32_t>(SKF_NET_OFF) + 12},
      {if_equal, 0, 1, from},
      {give, 0, 0, 0xFFFFFFFF},
      {give, 0, 0, 0},
  };
  return attach(socket, code);
}

void hang_up(const UdpSocket& socket, std::uint32_t own_ip) {
  // The number may be another's by now, if Aravis has closed its own.
  UdpSocket now;
  if (socket.fd < 0 || !udp_socket(socket.fd, own_ip, now) || now.inode != socket.inode) return;
  // A stream whose other end is closed takes the socket's place under its number: sending is
  // refused, reading finds the end. (A UDP socket that is connected and shut down is no good: an
  // ICMP error wakes Aravis, and then it waits for a datagram for ever.)
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return;
  close(pair[1]);
  dup3(pair[0], socket.fd, O_CLOEXEC);
  close(pair[0]);
}

bool may_use_packet_sockets() {
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (socket < 0) return false;
  close(socket);
  return true;
}

ForeignCounter::ForeignCounter(const Interface& interface, std::uint16_t port,
                               std::uint32_t camera_ip)
    : socket_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (socket_ < 0) return;
  // Every line that is not fulfilled jumps to the last: not counted.
  sock_filter code[] = {
      {load_byte, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF) + SKF_AD_PKTTYPE},
      {if_equal, 12, 0, PACKET_OUTGOING},
      {load_byte, 0, 0, 9},
      {if_equal, 0, 10, IPPROTO_UDP},
      {load_half, 0, 0, 6},
      {if_any, 8, 0, 0x1FFF},  // not the first fragment: has no port
      {load_word, 0, 0, 16},
      {if_equal, 0, 6, interface.ip},
      {load_word, 0, 0, 12},
      {if_equal, 4, 0, camera_ip},
      {header_length, 0, 0, 0},
      {load_half_at, 0, 0, 2},
      {if_equal, 0, 1, port},
      {give, 0, 0, 1},
      {give, 0, 0, 0},
  };
  // What is counted is kept by nobody: the least of buffers, and the rest counts as well.
  const int least = 1;
  setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_IP);
  where.sll_ifindex = static_cast<int>(interface.index);
  if (attach(socket_, code) &&
      bind(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0) {
    return;
  }
  close(socket_);
  socket_ = -1;
}

ForeignCounter::~ForeignCounter() {
  if (socket_ >= 0) close(socket_);
}

std::uint64_t ForeignCounter::take() {
  tpacket_stats stats{};
  socklen_t bytes = sizeof stats;
  if (socket_ < 0 || getsockopt(socket_, SOL_PACKET, PACKET_STATISTICS, &stats, &bytes) != 0) {
    return 0;
  }
  return stats.tp_packets;
}

}  // namespace gige

// A GVCP and GVSP client as small as it can be: no more than the tests of the generator need.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "generator/gvcp.hpp"
#include "generator/gvsp.hpp"
#include "generator/registers.hpp"

namespace wire {

namespace gvcp = generator::gvcp;
namespace gvsp = generator::gvsp;
namespace reg = generator::reg;
using generator::Bytes;
using generator::View;

class Socket {
 public:
  explicit Socket(std::uint32_t ip) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own = at(ip, 0);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    socklen_t size = sizeof own;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &size);
    port_ = ntohs(own.sin_port);
    const int bytes = 4 << 20;
    // Past rmem_max as root only; one frame of the tests fits without.
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  }
  ~Socket() { ::close(socket_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  std::uint16_t port() const { return port_; }
  void send(std::uint32_t ip, std::uint16_t port, const Bytes& bytes) {
    const sockaddr_in to = at(ip, port);
    (void)::sendto(socket_, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                   sizeof to);
  }
  // nullopt: nothing came in time.
  std::optional<Bytes> receive(int patience_ms, std::uint32_t* from = nullptr) {
    timeval patience{patience_ms / 1000, patience_ms % 1000 * 1000};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    Bytes bytes(65536);
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const ssize_t count = ::recvfrom(socket_, bytes.data(), bytes.size(), 0,
                                     reinterpret_cast<sockaddr*>(&peer), &size);
    if (count < 0) return std::nullopt;
    if (from != nullptr) *from = ntohl(peer.sin_addr.s_addr);
    bytes.resize(static_cast<std::size_t>(count));
    return bytes;
  }

 private:
  static sockaddr_in at(std::uint32_t ip, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(ip);
    out.sin_port = htons(port);
    return out;
  }
  int socket_;
  std::uint16_t port_ = 0;
};

struct Reply {
  gvcp::Answer status = gvcp::Answer::success;
  Bytes payload;
};

// One program that talks to one camera.
class Client {
 public:
  Client(std::uint32_t camera, std::uint32_t own = 0x7F000001)
      : camera_(camera), own_(own), control_(own), stream_(own) {}

  // nullopt: no answer within 10 s, or within what is given.
  std::optional<Reply> ask(gvcp::Type type, Bytes payload, int patience_ms = 10'000) {
    const std::uint16_t id = ++id_;
    control_.send(camera_, gvcp::port, gvcp::serialize({type, 1, id, std::move(payload)}));
    while (auto got = control_.receive(patience_ms)) {
      if (got->size() < 8 || generator::read16(*got, 6) != id) continue;
      return Reply{static_cast<gvcp::Answer>(generator::read16(*got, 0)),
                   Bytes(got->begin() + 8, got->end())};
    }
    return std::nullopt;
  }
  gvcp::Answer write(std::uint32_t address, std::uint32_t value) {
    Bytes payload;
    generator::put32(payload, address);
    generator::put32(payload, value);
    const auto answer = ask(gvcp::Type::write_register, payload);
    EXPECT_TRUE(answer) << "no answer";
    return answer ? answer->status : gvcp::Answer::busy;
  }
  std::optional<std::uint32_t> read(std::uint32_t address) {
    Bytes payload;
    generator::put32(payload, address);
    const auto answer = ask(gvcp::Type::read_register, payload);
    if (!answer || answer->payload.size() != 4) return std::nullopt;
    return generator::read32(answer->payload, 0);
  }
  bool answers(int patience_ms) { return ask(gvcp::Type::discovery, {}, patience_ms).has_value(); }

  void control() { EXPECT_EQ(write(reg::control_privilege, 2), gvcp::Answer::success); }
  void start() {
    EXPECT_EQ(write(reg::stream_destination, own_), gvcp::Answer::success);
    EXPECT_EQ(write(reg::stream_port, stream_.port()), gvcp::Answer::success);
    EXPECT_EQ(write(reg::acquisition_start, 1), gvcp::Answer::success);
  }
  void resend(std::uint64_t block, std::uint32_t first, std::uint32_t last) {
    stream_.send(camera_, gvcp::port, gvcp::serialize(gvcp::make({0, block, first, last}, 1)));
  }
  Socket& stream() { return stream_; }

 private:
  std::uint32_t camera_;
  std::uint32_t own_;
  Socket control_;
  Socket stream_;
  std::uint16_t id_ = 0;
};

// A block as it came, without any mending.
struct Block {
  std::optional<gvsp::Image> leader;
  std::optional<std::uint32_t> trailer;    // its height
  std::map<std::uint32_t, Bytes> payload;  // by packet id
  std::vector<std::uint32_t> order;        // of all packets, as they came
  Bytes pixels() const {
    Bytes out;
    for (const auto& [id, bytes] : payload) out.insert(out.end(), bytes.begin(), bytes.end());
    return out;
  }
};

// Receives until a packet of this block's trailer came, or nothing for as long as patience.
inline std::map<std::uint16_t, Block> receive(Client& client, std::size_t trailers,
                                              int patience_ms = 10'000) {
  std::map<std::uint16_t, Block> blocks;
  std::size_t seen = 0;
  while (seen < trailers) {
    const auto packet = client.stream().receive(patience_ms);
    if (!packet) break;
    const auto header = gvsp::parse(*packet);
    if (!header) continue;
    Block& block = blocks[header->block];
    block.order.push_back(header->packet);
    if (header->format == gvsp::Format::leader) block.leader = gvsp::parse_leader(*packet);
    if (header->format == gvsp::Format::payload) {
      block.payload[header->packet] = Bytes(packet->begin() + 8, packet->end());
    }
    if (header->format == gvsp::Format::trailer) {
      block.trailer = gvsp::parse_trailer(*packet);
      ++seen;
    }
  }
  return blocks;
}

}  // namespace wire

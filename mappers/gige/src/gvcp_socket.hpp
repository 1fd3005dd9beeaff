// A UDP socket of ours that asks one camera, beside Aravis' own: it needs no control, and waits as
// long as we want. One thread.
#pragma once

#include <chrono>
#include <string>

#include "base/status.hpp"
#include "src/gvcp.hpp"

namespace gige {

// "127.0.0.1" to host order and back; 0: not an IPv4 address.
std::uint32_t parse_ip(const std::string& text);
std::string format_ip(std::uint32_t ip);

class GvcpSocket {
 public:
  // Bound to our address interface_ip (host order). unavailable: the system refused.
  static base::Result<GvcpSocket> open(std::uint32_t interface_ip, std::uint32_t camera_ip);
  GvcpSocket(GvcpSocket&& other) noexcept;
  GvcpSocket& operator=(GvcpSocket&& other) noexcept;
  ~GvcpSocket();

  // Asks every 50 ms until an answer has come; each answer is checked for sender, id and length.
  // timeout: none within patience (a camera may ask for more, once, 1 s at most). refused: the
  // camera said no, conflict: it said "access denied"; malformed: another length than was asked.
  base::Result<std::vector<std::uint32_t>> read_registers(std::span<const std::uint32_t> addresses,
                                                          std::chrono::milliseconds patience);
  // count: any; in pieces of 512 bytes, each within patience. The address must be a multiple of 4.
  base::Result<gvcp::Bytes> read_memory(std::uint32_t address, std::size_t count,
                                        std::chrono::milliseconds patience);
  base::Result<gvcp::Discovered> discover(std::chrono::milliseconds patience);

 private:
  GvcpSocket(int socket, std::uint32_t camera_ip) : socket_(socket), camera_ip_(camera_ip) {}
  base::Result<gvcp::Answer> ask(const gvcp::Bytes& command, gvcp::Command which,
                                 const std::string& what, std::chrono::milliseconds patience);
  std::uint16_t next_id();

  int socket_ = -1;
  std::uint32_t camera_ip_ = 0;
  std::uint16_t id_ = 0;
  gvcp::Bytes buffer_ = gvcp::Bytes(2048);
};

}  // namespace gige

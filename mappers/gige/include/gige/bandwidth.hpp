// What cameras take of a link, the delay between packets that lets several share it, and why frames
// are lost. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gige/camera.hpp"

namespace gige {

// Of a packet: GVSP 8, UDP 8, IPv4 20 bytes are inside the packet size; Ethernet's header,
// checksum, preamble and gap (14 + 4 + 8 + 12) stand around it.
inline constexpr double packet_headers = 36;
inline constexpr double ethernet_bytes = 38;

struct Load {
  std::string name;
  std::uint64_t frame_bytes = 0;  // of pixels
  double frames_per_s = 0;        // asked for, or achieved
  int packet_size = 1500;         // bytes with IP header, above packet_headers
};

struct Share {
  double wire_bytes = 0;      // of a frame, with leader and trailer
  double percent = 0;         // of the link
  double longest_rate = 0;    // frames/s that would fit beside the others
  std::int64_t delay_ns = 0;  // between packets, so that a frame takes its share of the time
};
struct Budget {
  std::vector<Share> shares;  // one for each load, in order
  double percent = 0;         // of the link, all together; above 100 frames must be lost
};

// link_mbit > 0. Above 90 % no delay helps: bursts of two cameras meet in the switch.
Budget budget(const std::vector<Load>& loads, double link_mbit);

// What is known when frames were lost, or not.
struct Evidence {
  StreamCounters counters;
  int packet_size = 0;
  int mtu = 0;
  bool packet_socket = false;
  bool may_use_packet_socket = false;
  bool resend = true;
  std::size_t buffers = 0;
  std::uint64_t frame_bytes = 0;
  std::uint64_t receive_buffer_max = 0;  // net.core.rmem_max, bytes
  double link_percent = 0;               // of all cameras on it; 0: unknown
  bool streamed = true;                  // for longer than a frame takes
  bool triggered = false;                // TriggerMode is On
  std::string interface;
};
struct Finding {
  std::string cause;  // with its number
  std::string cure;   // a command or a setting
};
// Most likely first; empty: nothing was lost, and nothing is amiss.
std::vector<Finding> diagnose(const Evidence& evidence);

}  // namespace gige

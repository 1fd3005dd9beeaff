#include "gige/bandwidth.hpp"

#include <algorithm>
#include <cmath>

#include "base/number.hpp"
#include "base/text.hpp"

namespace gige {

using base::cat;

namespace {

// Beyond this share bursts of several cameras meet in the switch's queues.
constexpr double comfortable_percent = 90;

}  // namespace

Budget budget(const std::vector<Load>& loads, double link_mbit) {
  Budget result;
  const double link_bytes = link_mbit * 1e6 / 8;
  for (const Load& load : loads) {
    const double payload = std::max(1.0, load.packet_size - packet_headers);
    const double packets = std::ceil(static_cast<double>(load.frame_bytes) / payload) + 2;
    Share share;
    share.wire_bytes =
        static_cast<double>(load.frame_bytes) + packets * (packet_headers + ethernet_bytes);
    share.percent = 100 * share.wire_bytes * load.frames_per_s / link_bytes;
    if (load.frames_per_s > 0) {
      // The frame may take all of its period but a tenth, which is for resent packets.
      const double span_ns = 0.9e9 / load.frames_per_s;
      const double sending_ns = share.wire_bytes / link_bytes * 1e9;
      share.delay_ns = base::clamped<std::int64_t>(std::max(0.0, (span_ns - sending_ns) / packets));
    }
    result.percent += share.percent;
    result.shares.push_back(share);
  }
  for (Share& share : result.shares) {
    const double room = std::max(0.0, comfortable_percent - (result.percent - share.percent));
    share.longest_rate = share.wire_bytes > 0 ? room / 100 * link_bytes / share.wire_bytes : 0;
  }
  return result;
}

std::vector<Finding> diagnose(const Evidence& e) {
  std::vector<Finding> findings;
  const std::uint64_t bad =
      e.counters.missing_packets + e.counters.aborted + e.counters.underrun + e.counters.malformed;
  const std::uint64_t all = bad + e.counters.complete;
  if (all == 0 && e.streamed) {
    findings.push_back(
        e.triggered ? Finding{"no frame came: TriggerMode is On, and nothing triggered",
                              "set CAMERA TriggerMode=Off, or trigger it"}
                    : Finding{"no frame came at all",
                              "let UDP from the camera through the firewall, and check that it "
                              "acquires (AcquisitionMode=Continuous)"});
  }
  if (e.link_percent > comfortable_percent) {
    findings.push_back(
        {cat("the cameras of ", e.interface, " ask for ",
             base::clamped<std::int64_t>(std::round(e.link_percent)), " % of the link"),
         "lower AcquisitionFrameRate or the region, or give packetDelay as above"});
  }
  if (e.counters.underrun > 0) {
    findings.push_back(
        {cat(e.counters.underrun, " frames came when all ", e.buffers, " buffers were taken"),
         "raise buffers (4..64), or give the mapper more of the processor"});
  }
  if (e.counters.missing_packets > 0 && !e.packet_socket) {
    findings.push_back(
        {cat(e.counters.missing_packets, " of ", all,
             " frames have gaps, and packets come through a plain socket"),
         e.may_use_packet_socket
             ? "packetSocket: on (the kernel's packet ring)"
             : "allow the packet ring: setcap cap_net_raw+ep gige-mapper, or run it as root"});
    if (e.receive_buffer_max < 2 * e.frame_bytes) {
      findings.push_back({cat("net.core.rmem_max is ", e.receive_buffer_max, ", a frame has ",
                              e.frame_bytes, " bytes"),
                          cat("sysctl -w net.core.rmem_max=",
                              std::max<std::uint64_t>(33'554'432, 4 * e.frame_bytes))});
    }
  }
  if (e.counters.missing_packets > 0 && !e.resend) {
    findings.push_back({"lost packets are not asked for again: resend is false", "resend: true"});
  } else if (e.counters.missing_packets > 0 && e.counters.resent_packets == 0) {
    findings.push_back({cat(e.counters.lost_packets,
                            " packets were lost and none came again: the "
                            "camera does not resend, or not in time"),
                        "raise frameRetention (us), and look at the cable and the switch"});
  }
  if (e.mtu > e.packet_size && e.packet_size <= 1500 && e.mtu >= 3000) {
    findings.push_back(
        {cat("packets have ", e.packet_size, " bytes, ", e.interface, " takes ", e.mtu),
         cat("packetSize: ", std::min(e.mtu, 9000), ", if the camera and the switch take it")});
  } else if (bad > 0 && e.mtu <= 1500) {
    findings.push_back(
        {cat(e.interface, " takes packets of at most ", e.mtu, " bytes"),
         cat("jumbo frames: ip link set ", e.interface, " mtu 9000, on the switch too")});
  }
  if (e.counters.foreign_packets > 0) {
    findings.push_back(
        {cat(e.counters.foreign_packets, " packets came from others than the camera"),
         "find who sends to this host's stream port; they never get into a frame"});
  }
  return findings;
}

}  // namespace gige

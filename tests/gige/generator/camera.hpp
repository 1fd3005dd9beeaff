// A GigE Vision camera that is none: a simulator for tests and benchmarks, on real sockets, with
// everything that can go wrong with one. It owns ADDRESS:3956 (UDP) and a port for its stream.
//
// Threads: every function may be called from any thread; two threads of its own work (control and
// stream), and the destructor joins them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.hpp"
#include "generator/description.hpp"

namespace generator {

struct Options {
  std::string address = "127.0.0.1";  // must be an address of an interface
  std::string serial = "GEN001";      // 15 characters
  std::string user_name;              // 15 characters
  std::string model = "Generator";    // 31 characters
  std::uint32_t width = 640;          // pixels
  std::uint32_t height = 480;
  std::uint32_t width_max = 8192;
  std::uint32_t height_max = 8192;
  std::string format = "Mono8";      // PFNC name (pattern.hpp)
  double frame_rate = 25;            // 1/s; 0: as fast as it goes (AcquisitionFrameRateEnable off)
  std::uint32_t packet_size = 1500;  // with IP header, before anybody sets it
  std::uint32_t packet_delay = 0;    // ticks
  std::uint32_t link_mbit = 1000;    // packets no faster than such a link; 0: as fast as it goes
  std::uint64_t tick_hz = 1'000'000'000;
  std::uint32_t heartbeat_ms = 3000;  // before anybody sets it
  bool ptp = false;                   // PtpStatus Slave, timestamps are CLOCK_REALTIME
  Description description = Description::sound;
};

// What goes wrong with packets and frames; parts in 1,000. All can be changed while it streams.
struct Faults {
  enum class Resend { on, off, corrupt };  // corrupt: resent payload has wrong bytes
  enum class BlockIds { normal, jump, repeat };

  std::uint32_t seed = 1;       // of all that is random here
  std::uint32_t loss = 0;       // of packets, resent ones too
  std::uint32_t reorder = 0;    // of packets: sent after the one that follows
  std::uint32_t duplicate = 0;  // of packets: sent twice
  std::uint32_t late = 0;       // of packets: sent late_by later
  std::chrono::milliseconds late_by{50};
  Resend resend = Resend::on;
  std::uint32_t no_leader = 0;   // of frames
  std::uint32_t no_trailer = 0;  // of frames
  int payload_bytes = 0;         // that the image has more (or fewer) than PayloadSize says
  std::uint32_t foreign = 0;     // of packets: one from another socket goes before it
  BlockIds block_ids = BlockIds::normal;  // jump: some are left out; repeat: some come twice
  std::uint32_t max_packet_size = 0;      // larger ones get lost, test packets too; 0: none
  bool absurd_width = false;              // Width reads as 2^31 - 1
  bool absurd_payload = false;            // PayloadSize reads as 2^32 - 1
};

struct Counters {
  std::uint64_t frames = 0;        // begun
  std::uint64_t packets = 0;       // sent, resent ones too
  std::uint64_t lost = 0;          // not sent on purpose
  std::uint64_t resend_asked = 0;  // packets
  std::uint64_t resent = 0;
  std::uint64_t not_held = 0;  // asked for, but of frames that are forgotten
  std::uint64_t foreign = 0;
  std::uint64_t triggers_missed = 0;  // came while the frame before was not out
  std::uint64_t refused = 0;          // commands answered with an error
};

class Camera {
 public:
  // invalid: the text names the option; unavailable: the address or its port is not to be had.
  static base::Result<std::unique_ptr<Camera>> start(const Options& options);
  virtual ~Camera() = default;

  virtual void set(const Faults& faults) = 0;
  virtual Faults faults() const = 0;

  // The cable: without it nothing is answered and nothing sent, but the camera goes on, and who
  // controlled it is forgotten after the heartbeat's time-out.
  virtual void unplug() = 0;
  virtual void plug() = 0;
  // Off for this long: registers are as at first, nobody controls it, block ids begin again. The
  // call returns at once.
  virtual void power_cycle(std::chrono::milliseconds off) = 0;
  // Leaves its address and appears at another, as after a power cycle. unavailable: as start().
  virtual base::Status move(const std::string& address) = 0;
  virtual std::string address() const = 0;

  // Another program, there, takes control away from whoever has it, and keeps it until release().
  virtual void take_over(const std::string& by_ip) = 0;
  virtual void release() = 0;

  virtual void line1() = 0;  // an edge on the input: a frame, with TriggerSource Line1
  virtual void set_temperature(double celsius) = 0;
  virtual void set_ptp_status(std::uint32_t status) = 0;  // camera_xml.cpp has the words

  virtual Counters counters() const = 0;
  virtual bool controlled() const = 0;
  virtual bool acquiring() const = 0;
  // As READMEM would say; 0 where there is no register.
  virtual std::uint32_t reg(std::uint32_t address) const = 0;
};

}  // namespace generator

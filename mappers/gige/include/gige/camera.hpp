// An open camera: control of it, its stream, and what became of every frame. On Aravis.
//
// Threads: one thread at a time calls open, start, stop, the destructor and whoever uses device();
// counters and controls may be called from any. Frames are announced on the stream's own thread,
// loss on the watch's own. Every call may block: up to 3 s when the camera has gone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/status.hpp"
#include "gige/find.hpp"
#include "gige/frame_ring.hpp"

typedef struct _ArvDevice ArvDevice;

namespace gige {

// How the link is used. From protocol.configData (settings.hpp names the keys).
struct LinkSettings {
  int packet_size = 0;                 // bytes on the wire with IP header; 0: the largest that gets
                                       // through (test packets), 576..16384
  std::optional<int> packet_delay_ns;  // between packets; nullopt: as the camera has it
  bool resend = true;                  // ask for lost packets again
  std::chrono::microseconds packet_timeout{20'000};    // a packet is lost when it is so late
  std::chrono::microseconds frame_retention{100'000};  // a frame is given up so late
  enum class PacketSocket {
    automatic,
    on,
    off
  };  // the kernel's packet ring: needs
      // CAP_NET_RAW, +34 MB mapped per stream
  PacketSocket packet_socket = PacketSocket::automatic;
  std::chrono::milliseconds heartbeat{3000};  // the camera frees itself when it hears nothing of us
  std::size_t buffers = 8;                    // slots of the ring, 4..64
  std::size_t max_frame_bytes = std::size_t{256} << 20;  // larger payloads are refused
};

// Since the camera was opened. Frames by what became of them.
struct StreamCounters {
  std::uint64_t complete = 0;
  std::uint64_t missing_packets = 0;  // frames with gaps
  std::uint64_t aborted = 0;
  std::uint64_t underrun = 0;   // frames that came when every slot was taken, by their packets
  std::uint64_t malformed = 0;  // and oversized ones
  std::uint64_t resent_packets = 0;
  std::uint64_t lost_packets = 0;
  std::uint64_t foreign_packets = 0;  // on the stream's port, not from this camera
  std::uint64_t bytes = 0;            // of complete frames
};

// Who controls a camera, read from it.
struct Controller {
  enum class Who { nobody, us, another, unknown };
  Who who = Who::unknown;
  std::string ip;  // of another, where the camera tells
};

class Camera {
 public:
  // Takes control, unless `control` is false: then features can be read (camera permitting) and
  // nothing else. Checks what the camera says of itself before it is believed: the size of its
  // GenICam description (at most 16 MiB, also unpacked), its depth and its reference loops.
  // conflict: another program controls it (the text says from where). unavailable: it does not
  // answer. malformed: its description is absurd (the text says what and where).
  static base::Result<std::unique_ptr<Camera>> open(const CameraInfo& info,
                                                    const LinkSettings& link, bool control = true);
  virtual ~Camera() = default;  // stops, gives control back

  virtual const CameraInfo& info() const = 0;
  virtual ArvDevice* device() = 0;  // for Features

  // Makes the ring /dev/shm/NAME for the payload as it is set now, and streams into it. taken: for
  // every frame, on the stream's thread; must return within microseconds. sequence: of the frame
  // before the first. out_of_range: payload of 0 or above max_frame_bytes (the text gives both).
  using Taken = std::function<void(const std::shared_ptr<FrameRing>&, const FrameInfo&)>;
  virtual base::Status start(const std::string& ring_name, std::uint64_t sequence, Taken taken) = 0;
  virtual base::Status stop() = 0;  // also when nothing streams
  virtual bool streaming() const = 0;

  virtual StreamCounters counters() const = 0;
  virtual Controller controller() = 0;
  virtual int packet_size() const = 0;     // negotiated, bytes; 0 before the first start
  virtual bool packet_socket() const = 0;  // whether the kernel's ring is in use

  // Looks after the camera every 500 ms, from a thread of its own: whether it answers, at the same
  // address, and whether we still control it. lost is called at most once, within about 1.2 s, and
  // must not destroy the camera: unavailable: "does not answer any more (cable or power)", "has
  // another address now: 10.0.0.7", "has forgotten us (restarted, or its heartbeat ran out)";
  // conflict: "10.0.0.9 has taken control of camera …". Once it does not answer, calls fail at
  // once.
  virtual void watch(std::function<void(base::Status)> lost) = 0;
};

}  // namespace gige

// A frame as it came from a camera: what is known of it, and its pixels. Nothing of Aravis here.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace gige {

// How whole a frame is. Only complete ones are ever taken for an image; the others are published
// too, because a consumer that counts must see them.
enum class FrameStatus : std::uint8_t {
  complete = 0,
  missing_packets = 1,  // lost on the way and not resent in time; the gaps hold old bytes
  aborted = 2,          // the stream was stopped, or the camera began another frame
  oversized = 3,        // more payload than was announced: cut off
  malformed = 4,        // leader, payload or ids contradict each other
};

// What stands before the pixels, also in shared memory (frame_ring.hpp): fixed sizes, no pointers.
struct FrameInfo {
  std::uint64_t sequence = 0;   // of the mapper: 1, 2, 3 … for a device, over reconnects too
  std::uint64_t id = 0;         // of the camera: block id; starts again and has gaps as it pleases
  std::int64_t camera_ns = 0;   // the camera's clock when it exposed; its own epoch
  std::int64_t arrived_ns = 0;  // host CLOCK_REALTIME when the frame's first packet arrived
  // camera_ns mapped to host CLOCK_REALTIME (clock.hpp); 0: not known yet. With PTP it is the
  // camera's own time.
  std::int64_t exposed_ns = 0;
  std::uint32_t width = 0;  // pixels
  std::uint32_t height = 0;
  std::uint32_t x = 0;  // offset of the region
  std::uint32_t y = 0;
  std::uint32_t format = 0;   // PFNC code of the pixel format (pixel.hpp)
  std::uint32_t padding = 0;  // bytes after each row
  std::uint64_t size = 0;     // bytes of pixels
  std::uint32_t missing = 0;  // packets that never came
  FrameStatus status = FrameStatus::complete;
  std::uint8_t reserved[3] = {};
};

// Holds its pixels: the memory is not used again before the last copy of this pointer is gone.
// Few of them are given out at a time (FrameRing), so keep one for milliseconds, not for minutes.
struct Frame {
  FrameInfo info;
  std::span<const std::uint8_t> pixels;
};
using FramePtr = std::shared_ptr<const Frame>;

}  // namespace gige

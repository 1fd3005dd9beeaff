// The bytes of a frame ring in shared memory, version 1. Fixed offsets, little endian, no pointers:
// docs/gige.md has the table for other languages, frame_reader.hpp the same numbers once more
// because it includes nothing of this project (a test compares the two).
//
//   0            RingHeader
//   headers_at   SlotHeader × slots
//   pixels_at    pixels × slots, each from the start of a page
//
// What readers may look at while it is written is atomic: state, wake, newest, and each slot's turn
// and info. Pixels are not: a reader that has read them looks at the turn again. So a seqlock,
// whose writer (reclaim, publish) never waits; Boehm, "Can seqlocks get along with programming
// language memory models?", MSPC 2012, has the fences.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "gige/frame.hpp"

namespace gige::layout {

static_assert(std::endian::native == std::endian::little, "the layout is little endian");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "atomics in shared memory must not have locks beside them");

inline constexpr std::uint64_t magic = 0x474E'4952'4547'4947;  // the bytes "GIGERING"
inline constexpr std::uint32_t version = 1;

// magic, state and wake stay where they are in every version, so that a ring of another version can
// be marked as replaced.
enum State : std::uint32_t { live = 1, replaced = 2, ended = 3 };

struct RingHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slots;
  std::uint64_t slot_bytes;   // pixels of one frame, at most
  std::uint64_t slot_stride;  // from one slot's pixels to the next's: slot_bytes in whole pages
  std::uint64_t headers_at;
  std::uint32_t header_stride;
  std::uint32_t writer_pid;
  std::uint64_t pixels_at;
  std::int64_t created_ns;  // CLOCK_REALTIME
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint32_t> wake;    // futex: counts up with every frame and change of state
  std::atomic<std::uint64_t> newest;  // sequence of the newest frame; 0: none yet
  // The writer's base::instance(): its pid says nothing in another pid namespace. Zeros of a writer
  // that had none.
  std::array<char, 32> writer;
};
inline constexpr std::size_t headers_at = 256;
static_assert(offsetof(RingHeader, state) == 64 && offsetof(RingHeader, newest) == 72 &&
              offsetof(RingHeader, writer) == 80 && sizeof(RingHeader) == 112);

inline constexpr std::size_t info_words = sizeof(FrameInfo) / sizeof(std::uint64_t);

// Two cache lines, because neighbouring lines are fetched in pairs.
struct alignas(128) SlotHeader {
  std::atomic<std::uint64_t> turn;  // sequence of the frame; 0: being written
  std::array<std::atomic<std::uint64_t>, info_words> info;
};
static_assert(sizeof(FrameInfo) == 80 && offsetof(FrameInfo, sequence) == 0 &&
              offsetof(FrameInfo, id) == 8 && offsetof(FrameInfo, camera_ns) == 16 &&
              offsetof(FrameInfo, arrived_ns) == 24 && offsetof(FrameInfo, exposed_ns) == 32 &&
              offsetof(FrameInfo, width) == 40 && offsetof(FrameInfo, height) == 44 &&
              offsetof(FrameInfo, x) == 48 && offsetof(FrameInfo, y) == 52 &&
              offsetof(FrameInfo, format) == 56 && offsetof(FrameInfo, padding) == 60 &&
              offsetof(FrameInfo, size) == 64 && offsetof(FrameInfo, missing) == 72 &&
              offsetof(FrameInfo, status) == 76);
static_assert(sizeof(SlotHeader) == 128 && offsetof(SlotHeader, info) == 8);

}  // namespace gige::layout

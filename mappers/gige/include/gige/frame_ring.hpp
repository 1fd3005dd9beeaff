// Frames in shared memory: a ring of slots that the camera's packets are written into, once, and
// that any number of processes map to read. A reader never slows the writer: a slot that is used
// again under its eyes is noticed by the reader (its turn has changed) and nothing else happens.
//
// The layout, for readers in other languages, is documented in docs/gige.md and frame_reader.hpp,
// which includes nothing of this project and may be copied.
//
// Threads: publish, reclaim: the stream's thread. newest: any. The object lives until the last
// FramePtr of it is gone.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/status.hpp"
#include "gige/frame.hpp"

namespace gige {

class FrameRing {
 public:
  static constexpr std::size_t max_bytes = std::size_t{4} << 30;  // of all slots

  // /dev/shm/NAME, mode 0640 whatever the umask is; one that is there already (of a former stream,
  // or of a mapper that was killed) is marked as replaced, for its readers, and taken out of the
  // way. All memory is taken here: writing to a slot never fails later.
  // name: 1..200 of a-z A-Z 0-9 . _ -, not beginning with a dot; slots: 4..64; slot_bytes: as large
  // as the largest frame, >= 1.
  // invalid: the name. out_of_range: above max_bytes or more than /dev/shm has free (the text says
  // both and the cure). conflict: another living process writes a ring of that name, or what has
  // the name is no ring. refused: it is another user's. unavailable: the system refused.
  static base::Result<std::shared_ptr<FrameRing>> create(const std::string& name, std::size_t slots,
                                                         std::size_t slot_bytes);
  virtual ~FrameRing() = default;  // marks the ring as ended and removes its name

  virtual std::size_t slots() const = 0;
  virtual std::size_t slot_bytes() const = 0;
  virtual std::uint8_t* slot(std::size_t index) = 0;  // where the next frame is written

  // What was written into the slot is a frame from now on, the newest. Wakes readers. The slot is
  // the caller's (never published, or reclaimed), info.size at most slot_bytes, and info.sequence
  // above every one before.
  virtual void publish(std::size_t index, const FrameInfo& info) = 0;
  // The oldest published slot that nobody in this process holds, as long as more than `keep` are
  // published: taken from the readers' sight, to be written again. Never the newest complete frame:
  // newest() always has one once there was one. nullopt: none.
  virtual std::optional<std::size_t> reclaim(std::size_t keep) = 0;
  // The newest complete frame; null: none yet.
  virtual FramePtr newest() const = 0;
};

}  // namespace gige

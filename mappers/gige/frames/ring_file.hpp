// The file of a frame ring in /dev/shm: made whole or not at all, taken away at the end. Any one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.hpp"
#include "ring_layout.hpp"

namespace gige {

class RingFile {
 public:
  // As FrameRing::create. The file appears under its name only when it is complete, and holds an
  // open-file-description lock (fcntl(2)) as long as its writer lives.
  static base::Result<std::unique_ptr<RingFile>> create(const std::string& name, std::size_t slots,
                                                        std::size_t slot_bytes);
  ~RingFile();  // state ended, unless it has been replaced; the name is removed if it is still ours
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;

  layout::RingHeader& header() const { return *reinterpret_cast<layout::RingHeader*>(memory_); }
  layout::SlotHeader& slot(std::size_t index) const;
  std::uint8_t* pixels(std::size_t index) const;

 private:
  RingFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  base::Status fill(std::size_t slots, std::size_t slot_bytes);
  base::Status show();

  std::string path_;
  int fd_;
  std::uint8_t* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

// Counts the wake word up and wakes every reader that sleeps on it.
void wake_readers(layout::RingHeader& header);

}  // namespace gige

// Reads a camera's frames from shared memory. This one file is all a program needs: it includes
// nothing of the mapper and may be copied. C++17, g++ or clang, Linux on a little-endian processor.
//
//   gige_frames::Reader reader("gige-default-camera1");
//   while (running) {
//     auto frame = reader.wait(std::chrono::seconds(1));
//     if (!frame) { std::cerr << reader.problem() << '\n'; continue; }
//     if (frame->info.status != gige_frames::Status::complete) continue;
//     inspect(frame->pixels, frame->info.width, frame->info.height);  // in place: no copy
//     if (!frame->still_valid()) discard_result();
//   }
//
// The mapper never waits for readers. A reader that takes long may see its frame overwritten while
// it looks at it; so what was computed from pixels counts only if still_valid() says so afterwards.
// Until then treat pixels as data that may change under your eyes: no index or size taken from them
// without a check. Who needs a frame for long copies it, and asks still_valid() after the copy.
//
// Rings come and go (a camera is unplugged, its settings change, the mapper restarts): wait()
// follows by itself. Views of the former ring stay usable as long as they are kept.
//
// Threads: a Reader is used by one thread at a time; Views by any. Nothing here throws but
// std::bad_alloc.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace gige_frames {

enum class Status : std::uint8_t {
  complete = 0,
  missing_packets = 1,  // gaps, which hold old bytes
  aborted = 2,
  oversized = 3,
  malformed = 4,
};

// What is known of a frame. Exactly as it stands in the ring.
struct Info {
  std::uint64_t sequence = 0;   // of the mapper: 1, 2, 3 … per camera, over reconnects too
  std::uint64_t id = 0;         // of the camera: block id
  std::int64_t camera_ns = 0;   // the camera's clock when it exposed; its own epoch
  std::int64_t arrived_ns = 0;  // CLOCK_REALTIME when the first packet arrived
  std::int64_t exposed_ns = 0;  // camera_ns mapped to CLOCK_REALTIME; 0: not known
  std::uint32_t width = 0;      // pixels
  std::uint32_t height = 0;
  std::uint32_t x = 0;  // offset of the region
  std::uint32_t y = 0;
  std::uint32_t format = 0;   // PFNC code: 0x01080001 is Mono8
  std::uint32_t padding = 0;  // bytes after each row
  std::uint64_t size = 0;     // bytes of pixels
  std::uint32_t missing = 0;  // packets that never came
  Status status = Status::complete;
  std::uint8_t reserved[3] = {};
};
static_assert(sizeof(Info) == 80, "the layout is fixed");

namespace detail {

// The layout of a ring, version 1: docs/gige.md. Byte offsets from the start of the file.
constexpr std::uint64_t magic = 0x474E495245474947;  // "GIGERING"
constexpr std::uint32_t version = 1;
constexpr std::size_t header_bytes = 256;
constexpr std::size_t at_version = 8;
constexpr std::size_t at_slots = 12;
constexpr std::size_t at_slot_bytes = 16;
constexpr std::size_t at_slot_stride = 24;
constexpr std::size_t at_headers_at = 32;
constexpr std::size_t at_header_stride = 40;
constexpr std::size_t at_writer_pid = 44;
constexpr std::size_t at_pixels_at = 48;
constexpr std::size_t at_state = 64;  // 1 live, 2 replaced, 3 ended
constexpr std::size_t at_wake = 68;   // futex: counts up with every frame and change of state
constexpr std::size_t at_newest = 72;
constexpr std::size_t at_writer = 80;  // what its process alone has; zeros of older writers
constexpr std::size_t writer_bytes = 32;
constexpr std::uint32_t state_live = 1;
constexpr std::size_t slot_header_bytes = 128;  // turn, then Info
constexpr std::uint32_t max_slots = 64;

using Clock = std::chrono::steady_clock;

// A mapped ring. The sizes in it are read once, checked against the file's real size, and never
// looked at again: nothing that a writer does to the header later can lead a reader astray.
class Ring {
 public:
  // nullptr: problem says why.
  static std::shared_ptr<const Ring> open(const std::string& path, std::string& problem) {
    std::shared_ptr<Ring> ring(new Ring(path));
    problem = ring->map();
    if (problem.empty()) problem = ring->check();
    return problem.empty() ? ring : nullptr;
  }
  ~Ring() {
    if (memory_ != nullptr) ::munmap(const_cast<std::uint8_t*>(memory_), bytes_);
    if (fd_ >= 0) ::close(fd_);
  }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  std::uint32_t slots() const { return slots_; }
  std::uint64_t slot_bytes() const { return slot_bytes_; }
  // Equal: the same process. Its pid alone may be another's, of another container or time.
  const std::string& writer() const { return writer_; }
  std::uint32_t state() const { return load<std::uint32_t>(at_state); }
  std::uint32_t wake() const { return load<std::uint32_t>(at_wake); }
  std::uint64_t newest() const { return load<std::uint64_t>(at_newest); }
  std::uint64_t turn(std::uint32_t slot) const { return load<std::uint64_t>(header(slot)); }
  const std::uint8_t* pixels(std::uint32_t slot) const {
    return memory_ + pixels_at_ + slot * slot_stride_;
  }

  // Whether the slot still has that frame, after everything that was read of it before.
  bool unchanged(std::uint32_t slot, std::uint64_t sequence) const {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return turn(slot) == sequence;
  }

  // false: overwritten while it was copied.
  bool info(std::uint32_t slot, std::uint64_t sequence, Info& out) const {
    std::uint64_t words[sizeof(Info) / 8];
    const std::size_t first = header(slot) + 8;
    for (std::size_t i = 0; i < sizeof(Info) / 8; ++i) {
      words[i] = __atomic_load_n(word<std::uint64_t>(first + 8 * i), __ATOMIC_RELAXED);
    }
    std::memcpy(&out, words, sizeof out);
    return unchanged(slot, sequence);
  }

  // Sleeps until the wake word is not `seen` any more. false: time is up.
  bool sleep(std::uint32_t seen, Clock::duration patience) const {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(patience).count();
    if (ns <= 0) return false;
    const timespec time{static_cast<time_t>(ns / 1'000'000'000),
                        static_cast<long>(ns % 1'000'000'000)};
    // Not FUTEX_PRIVATE: the mapper is another process. A read-only mapping is enough to wait.
    return ::syscall(SYS_futex, memory_ + at_wake, FUTEX_WAIT, seen, &time, nullptr, 0) == 0 ||
           errno != ETIMEDOUT;
  }

  // Whether its mapper lives: it holds a lock on the file that the kernel takes back when it dies.
  bool written() const {
    struct flock lock {};
    lock.l_type = F_RDLCK;
    lock.l_whence = SEEK_SET;
    return ::fcntl(fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  }

  // Whether another file has its name by now, though nobody has marked this one as replaced.
  bool superseded() const {
    struct stat ours {
    }, named{};
    return ::fstat(fd_, &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
           (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev);
  }

 private:
  explicit Ring(std::string path) : path_(std::move(path)) {}

  template <class T>
  const T* word(std::size_t offset) const {
    return reinterpret_cast<const T*>(memory_ + offset);
  }
  template <class T>
  T load(std::size_t offset) const {
    return __atomic_load_n(word<T>(offset), __ATOMIC_ACQUIRE);
  }
  std::size_t header(std::uint32_t slot) const { return headers_at_ + slot * header_stride_; }

  std::string map() {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) return path_ + ": " + std::strerror(errno);
    struct stat file {};
    if (::fstat(fd_, &file) != 0) return path_ + ": " + std::strerror(errno);
    if (!S_ISREG(file.st_mode) || file.st_size < static_cast<off_t>(header_bytes)) {
      return path_ + ": " + std::to_string(file.st_size) + " bytes are no frame ring";
    }
    bytes_ = static_cast<std::size_t>(file.st_size);
    void* const memory = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) return path_ + ": " + std::strerror(errno);
    memory_ = static_cast<const std::uint8_t*>(memory);
    return {};
  }

  std::string check() {
    if (load<std::uint64_t>(0) != magic) return path_ + ": no frame ring";
    if (const auto found = load<std::uint32_t>(at_version); found != version) {
      return path_ + ": its layout is version " + std::to_string(found) + ", this reader knows " +
             std::to_string(version);
    }
    slots_ = load<std::uint32_t>(at_slots);
    slot_bytes_ = load<std::uint64_t>(at_slot_bytes);
    slot_stride_ = load<std::uint64_t>(at_slot_stride);
    headers_at_ = load<std::uint64_t>(at_headers_at);
    header_stride_ = load<std::uint32_t>(at_header_stride);
    pixels_at_ = load<std::uint64_t>(at_pixels_at);
    writer_ = std::to_string(load<std::uint32_t>(at_writer_pid)) + ' ' +
              std::string(reinterpret_cast<const char*>(memory_ + at_writer), writer_bytes);
    // Divisions instead of products, which could overflow.
    const bool sound = slots_ >= 1 && slots_ <= max_slots && header_stride_ % 8 == 0 &&
                       header_stride_ >= slot_header_bytes && headers_at_ % 8 == 0 &&
                       headers_at_ >= header_bytes && headers_at_ <= bytes_ &&
                       header_stride_ <= (bytes_ - headers_at_) / slots_ && slot_bytes_ >= 1 &&
                       slot_bytes_ <= slot_stride_ && pixels_at_ <= bytes_ &&
                       slot_stride_ <= (bytes_ - pixels_at_) / slots_;
    if (!sound) {
      return path_ + ": " + std::to_string(slots_) + " slots of " + std::to_string(slot_bytes_) +
             " bytes do not fit its " + std::to_string(bytes_) + " bytes";
    }
    return state() == state_live ? "" : path_ + ": its stream has ended";
  }

  std::string path_;
  int fd_ = -1;
  const std::uint8_t* memory_ = nullptr;
  std::size_t bytes_ = 0;
  std::uint32_t slots_ = 0;
  std::string writer_;
  std::uint64_t slot_bytes_ = 0;
  std::uint64_t slot_stride_ = 0;
  std::uint64_t headers_at_ = 0;
  std::uint64_t header_stride_ = 0;
  std::uint64_t pixels_at_ = 0;
};

}  // namespace detail

// One frame, in the ring's own memory.
struct View {
  Info info;
  const std::uint8_t* pixels = nullptr;  // info.size bytes

  // Whether all that was read of pixels until now was this frame and nothing else.
  bool still_valid() const { return ring->unchanged(slot, info.sequence); }

  std::shared_ptr<const detail::Ring> ring;  // keeps the memory mapped
  std::uint32_t slot = 0;
};

// What wait() gives next. Frames that are not whole are given too: look at info.status.
enum class Order {
  newest,  // the newest frame; what came in between is skipped
  next,    // the one after the last, as long as the ring still has it; first the oldest it has
};

class Reader {
 public:
  // name: of the ring, as in /dev/shm; the mapper's default is gige-NAMESPACE-DEVICE.
  explicit Reader(const std::string& name, Order order = Order::newest)
      : path_("/dev/shm/" + name), order_(order) {}

  // wait() does it by itself; call it to know at once. false: problem() says why.
  bool open() {
    ring_ = detail::Ring::open(path_, problem_);
    last_ = 0;
    return ring_ != nullptr;
  }

  // A frame that was not given before; nullopt: none within timeout, problem() says what is amiss,
  // if anything. 0: whether there is one now. A ring that is not there yet, or not any more, is
  // looked for every 20 ms.
  std::optional<View> wait(std::chrono::milliseconds timeout) {
    const auto end = Clock::now() + timeout;
    for (;;) {
      if (ring_ != nullptr || open()) {
        // Both before looking: a frame that comes after the look changes the wake word, and one
        // that came before the end is not missed.
        const std::uint32_t seen = ring_->wake();
        const bool live = ring_->state() == detail::state_live;
        if (auto frame = look()) return frame;
        const auto left = end - Clock::now();
        if (!live) {
          ring_ = nullptr;
          problem_ = path_ + ": its stream has ended";
        } else if (left <= Clock::duration::zero()) {
          return std::nullopt;
        } else if (!ring_->sleep(seen, std::min<Clock::duration>(left, slice)) &&
                   ring_->superseded()) {
          ring_ = nullptr;
        }
      } else {
        const auto left = end - Clock::now();
        if (left <= Clock::duration::zero()) return std::nullopt;
        pause(std::min<Clock::duration>(left, retry));
      }
    }
  }

  // Frames that this reader never got, because it was too slow or wanted the newest only. Counted
  // from its first frame on, over rings too as long as it is the same mapper.
  std::uint64_t skipped() const { return skipped_; }
  // Why there is no ring, or the last frame was refused. "": nothing is wrong.
  const std::string& problem() const { return problem_; }
  // Whether a mapper writes the ring right now: false when there is none, or it was killed.
  bool live() const {
    return ring_ != nullptr && ring_->state() == detail::state_live && ring_->written();
  }

 private:
  using Clock = detail::Clock;
  static constexpr std::chrono::milliseconds retry{20};
  // How late a reader notices that somebody removed the file by hand and a new one was made.
  static constexpr std::chrono::milliseconds slice{500};

  static void pause(Clock::duration time) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
    const timespec span{static_cast<time_t>(ns / 1'000'000'000),
                        static_cast<long>(ns % 1'000'000'000)};
    ::nanosleep(&span, nullptr);
  }

  std::optional<View> look() {
    // A writer that overtakes us again and again is waited for: the wake word has changed.
    for (int attempt = 0; attempt < 8; ++attempt) {
      // Nothing above it, though there may be: then everything below is to be seen, and a frame
      // that came while we looked does not seem to be the next.
      const std::uint64_t newest = ring_->newest();
      std::uint32_t slot = 0;
      std::uint64_t sequence = 0;
      for (std::uint32_t i = 0; i < ring_->slots(); ++i) {
        const std::uint64_t turn = ring_->turn(i);
        if (turn <= last_ || turn > newest) continue;
        if (sequence != 0 && (order_ == Order::newest ? turn < sequence : turn > sequence))
          continue;
        slot = i;
        sequence = turn;
      }
      if (sequence == 0) return std::nullopt;
      View view;
      if (!ring_->info(slot, sequence, view.info)) continue;
      last_ = sequence;
      if (view.info.sequence != sequence || view.info.size > ring_->slot_bytes()) {
        problem_ = path_ + ": frame " + std::to_string(sequence) + " of " +
                   std::to_string(view.info.size) + " bytes is not one of this ring";
        continue;
      }
      take(sequence);
      view.pixels = ring_->pixels(slot);
      view.slot = slot;
      view.ring = ring_;
      return view;
    }
    return std::nullopt;
  }

  void take(std::uint64_t sequence) {
    if (taken_ != 0 && taken_from_ == ring_->writer() && sequence > taken_) {
      skipped_ += sequence - taken_ - 1;
    }
    taken_ = sequence;
    taken_from_ = ring_->writer();
    problem_.clear();
  }

  std::string path_;
  Order order_;
  std::string problem_;
  std::shared_ptr<const detail::Ring> ring_;
  std::uint64_t last_ = 0;   // looked at, in this ring
  std::uint64_t taken_ = 0;  // given, in any ring
  std::string taken_from_;
  std::uint64_t skipped_ = 0;
};

}  // namespace gige_frames

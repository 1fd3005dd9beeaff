// For tests of frame rings: names that nobody else has, frames whose every byte follows from their
// sequence, and forked children that run a piece of the test.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/text.hpp"
#include "gige/frame_ring.hpp"

namespace ring_test {

// A ring's name; whatever has it at the end is removed.
class Name {
 public:
  Name() : name_(base::cat("gige-test-", ::getpid(), "-", base::random_hex(4))) {}
  ~Name() {
    std::error_code ignored;  // usually it is gone already
    std::filesystem::remove(path(), ignored);
  }
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;
  const std::string& text() const { return name_; }
  std::filesystem::path path() const { return "/dev/shm/" + name_; }

 private:
  std::string name_;
};

// What byte number `at` / 8 × 8 … + 7 of a frame are: splitmix64's finalizer.
inline std::uint64_t word(std::uint64_t sequence, std::uint64_t at) {
  std::uint64_t z = sequence * 0x9E3779B97F4A7C15 + at;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  return z ^ (z >> 27);
}
inline void fill(std::uint8_t* pixels, std::size_t size, std::uint64_t sequence) {
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    const std::uint64_t value = word(sequence, at);
    __builtin_memcpy(pixels + at, &value, 8);
  }
}
inline bool is(const std::uint8_t* pixels, std::size_t size, std::uint64_t sequence) {
  for (std::size_t at = 0; at + 8 <= size; at += 8) {
    std::uint64_t value = 0;
    __builtin_memcpy(&value, pixels + at, 8);
    if (value != word(sequence, at)) return false;
  }
  return true;
}

// Whole frames of `size` bytes, one byte a pixel.
inline gige::FrameInfo info(std::uint64_t sequence, std::size_t size) {
  gige::FrameInfo made;
  made.sequence = sequence;
  made.id = sequence % 65536;
  made.camera_ns = static_cast<std::int64_t>(sequence * 1000);
  made.arrived_ns = static_cast<std::int64_t>(sequence * 1000 + 1);
  made.exposed_ns = static_cast<std::int64_t>(sequence * 1000 + 2);
  made.width = static_cast<std::uint32_t>(size);
  made.height = 1;
  made.x = 3;
  made.y = 4;
  made.format = 0x01080001;
  made.padding = 5;
  made.size = size;
  return made;
}

// Writes one frame after the other, as a stream does: into slots that are free, else reclaimed.
class Writer {
 public:
  Writer(const std::string& name, std::size_t slots, std::size_t size, std::uint64_t sequence = 0)
      : ring_(gige::FrameRing::create(name, slots, size).value()),
        size_(size),
        sequence_(sequence) {}

  // false: every slot is held.
  bool write(gige::FrameStatus status = gige::FrameStatus::complete) {
    std::optional<std::size_t> slot;
    if (used_ < ring_->slots()) {
      slot = used_++;
    } else {
      slot = ring_->reclaim(1);
    }
    if (!slot) return false;
    ++sequence_;
    fill(ring_->slot(*slot), size_, sequence_);
    gige::FrameInfo made = info(sequence_, size_);
    made.status = status;
    ring_->publish(*slot, made);
    return true;
  }
  void write(int frames) {
    for (int i = 0; i < frames; ++i) {
      if (!write()) std::abort();
    }
  }
  std::uint64_t sequence() const { return sequence_; }
  gige::FrameRing& ring() { return *ring_; }

 private:
  std::shared_ptr<gige::FrameRing> ring_;
  std::size_t size_;
  std::uint64_t sequence_;
  std::size_t used_ = 0;
};

// A forked process that runs the body and exits with what it returns. Fork before threads begin.
class Child {
 public:
  explicit Child(const std::function<int()>& body) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::_exit(body());
  }
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  // The exit status; -1: a signal.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  bool ended() {
    siginfo_t what{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &what, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           what.si_pid == pid_;
  }

 private:
  pid_t pid_ = -1;
};

}  // namespace ring_test

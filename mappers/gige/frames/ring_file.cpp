#include "ring_file.hpp"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <new>

#include "base/instance.hpp"
#include "base/text.hpp"
#include "base/trust.hpp"
#include "gige/frame_ring.hpp"

namespace gige {

namespace {

using base::cat;
using base::Code;
using base::Status;

// Where shm_open(3) has its files. Opened by path, because shm_open has no O_TMPFILE.
constexpr std::string_view folder = "/dev/shm";
constexpr std::size_t min_slots = 4;
constexpr std::size_t max_slots = 64;
// NAME_MAX is 255; a margin for what people append to a name.
constexpr std::size_t max_name = 200;

Status system_error(const std::string& path, std::string_view what) {
  return Status(Code::unavailable, cat(path, ": ", what, ": ", std::strerror(errno)));
}

Status check_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!name.empty() && name.size() <= max_name && name.front() != '.' &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return {};
  }
  return Status(Code::invalid, cat("frame ring \"", base::cut(name, max_name), "\": the name has ",
                                   name.size(), " characters; 1 to ", max_name,
                                   " of a-z A-Z 0-9 . _ - are allowed, the first not a dot"));
}

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}
std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

std::size_t mib(std::uint64_t bytes) {
  return static_cast<std::size_t>((bytes + (1u << 20) - 1) >> 20);
}

Status check_size(const std::string& path, std::size_t slots, std::size_t slot_bytes) {
  if (slots < min_slots || slots > max_slots) {
    return Status(Code::out_of_range,
                  cat(path, ": ", slots, " slots are not within ", min_slots, "..", max_slots));
  }
  if (slot_bytes >= 1 && slot_bytes <= FrameRing::max_bytes / slots) return {};
  return Status(Code::out_of_range,
                cat(path, ": ", slots, " slots of ", slot_bytes, " bytes are not within 1..",
                    FrameRing::max_bytes, " bytes in all"));
}

// What is asked for, what is free, and the cure.
Status too_large(const std::string& path, std::size_t bytes) {
  struct statvfs space {};
  if (::statvfs(folder.data(), &space) != 0) return system_error(std::string(folder), "statvfs");
  const std::uint64_t all = std::uint64_t{space.f_blocks} * space.f_frsize;
  const std::uint64_t free = std::uint64_t{space.f_bavail} * space.f_frsize;
  return Status(
      Code::out_of_range,
      cat(path, ": needs ", mib(bytes), " MiB, ", folder, " has ", free >> 20, " MiB free of ",
          all >> 20, ": fewer buffers, smaller frames, or a larger one (mount -o remount,size=…G ",
          folder, "; in a container --shm-size)"));
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool locked_by_another(int fd) {
  struct flock lock = whole_file();
  return ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool same_file(int fd, const std::string& path) {
  struct stat ours {
  }, named{};
  return ::fstat(fd, &ours) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

void leave_live(layout::RingHeader& header, layout::State state) {
  std::uint32_t expected = layout::live;
  header.state.compare_exchange_strong(expected, state);
  wake_readers(header);
}

std::array<char, 32> this_process() {
  std::array<char, 32> name{};
  std::ranges::copy_n(base::instance().begin(), std::ssize(name), name.begin());
  return name;
}

// Marks the ring of an open file as replaced. conflict: not a ring, or a living process writes it.
Status mark_replaced(const std::string& path, int fd) {
  struct stat file {};
  std::uint64_t magic = 0;
  if (::fstat(fd, &file) != 0) return system_error(path, "fstat");
  if (!S_ISREG(file.st_mode) || file.st_size < static_cast<off_t>(layout::headers_at) ||
      ::pread(fd, &magic, sizeof magic, 0) != sizeof magic || magic != layout::magic) {
    return Status(Code::conflict, cat(path,
                                      ": exists and is no frame ring: remove it, or choose "
                                      "another ring name"));
  }
  void* const memory =
      ::mmap(nullptr, layout::headers_at, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return system_error(path, "mmap");
  auto& header = *static_cast<layout::RingHeader*>(memory);
  Status status;
  // Our own is the former stream's, which somebody still holds a frame of.
  const bool ours = header.writer == this_process() &&
                    header.writer_pid == static_cast<std::uint32_t>(::getpid());
  if (locked_by_another(fd) && !ours) {
    status = Status(Code::conflict, cat(path, ": process ", header.writer_pid,
                                        " (as its own container counts, if it is in one) writes "
                                        "it: stop that mapper, or choose another ring name"));
  } else {
    leave_live(header, layout::replaced);
  }
  ::munmap(memory, layout::headers_at);
  return status;
}

Status take_away_former(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return errno == ENOENT ? Status() : system_error(path, "a former ring cannot be opened");
  // A stranger's could be cut short while it is looked at, which is a SIGBUS.
  Status status = base::trusted(fd, path, base::Trust::file);
  if (status.ok()) status = mark_replaced(path, fd);
  ::close(fd);
  if (status.ok() && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
    status = system_error(path, "a former ring cannot be removed");
  }
  return status;
}

// All of the file's memory, now: a write to a page that /dev/shm has no memory for is a SIGBUS.
Status allocate(const std::string& path, int fd, std::size_t bytes) {
  int error = 0;
  do {
    error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  if (error == 0) return {};
  if (error == ENOSPC) return too_large(path, bytes);
  errno = error;
  return system_error(path, cat(mib(bytes), " MiB cannot be allocated"));
}

}  // namespace

void wake_readers(layout::RingHeader& header) {
  header.wake.fetch_add(1);
  // Not FUTEX_PRIVATE: the sleepers are other processes. It cannot fail but for a bad address.
  ::syscall(SYS_futex, &header.wake, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

base::Result<std::unique_ptr<RingFile>> RingFile::create(const std::string& name, std::size_t slots,
                                                         std::size_t slot_bytes) {
  if (Status status = check_name(name); !status.ok()) return status;
  const std::string path = cat(folder, "/", name);
  if (Status status = check_size(path, slots, slot_bytes); !status.ok()) return status;
  // First of all, because its memory may be what the new one needs.
  if (Status status = take_away_former(path); !status.ok()) return status;
  // Without a name until it is complete: nobody sees half a ring, and a mapper that is killed here
  // leaves nothing.
  const int fd = ::open(folder.data(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return system_error(path, "a file without name in its folder");
  std::unique_ptr<RingFile> file(new RingFile(path, fd));
  if (Status status = file->fill(slots, slot_bytes); !status.ok()) return status;
  if (Status status = file->show(); !status.ok()) return status;
  return file;
}

base::Status RingFile::fill(std::size_t slots, std::size_t slot_bytes) {
  const std::size_t pixels_at =
      round_up(layout::headers_at + slots * sizeof(layout::SlotHeader), page());
  const std::size_t stride = round_up(slot_bytes, page());
  const std::size_t bytes = pixels_at + slots * stride;
  if (Status status = allocate(path_, fd_, bytes); !status.ok()) return status;
  // Populated: page faults of the first frames would come while packets do.
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, 0);
  if (memory == MAP_FAILED) return system_error(path_, "mmap");
  memory_ = static_cast<std::uint8_t*>(memory);
  bytes_ = bytes;

  auto* const header = new (memory) layout::RingHeader{};
  header->magic = layout::magic;
  header->version = layout::version;
  header->slots = static_cast<std::uint32_t>(slots);
  header->slot_bytes = slot_bytes;
  header->slot_stride = stride;
  header->headers_at = layout::headers_at;
  header->header_stride = sizeof(layout::SlotHeader);
  header->writer_pid = static_cast<std::uint32_t>(::getpid());
  header->writer = this_process();
  header->pixels_at = pixels_at;
  header->created_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  header->state = layout::live;
  for (std::size_t i = 0; i < slots; ++i) {
    new (memory_ + layout::headers_at + i * sizeof(layout::SlotHeader)) layout::SlotHeader{};
  }
  return {};
}

base::Status RingFile::show() {
  struct flock lock = whole_file();
  if (::fcntl(fd_, F_OFD_SETLK, &lock) != 0) return system_error(path_, "lock");
  // Whatever the umask is: the group may read, others may not.
  if (::fchmod(fd_, 0640) != 0) return system_error(path_, "chmod");
  // linkat(AT_EMPTY_PATH) would need CAP_DAC_READ_SEARCH.
  if (::linkat(AT_FDCWD, cat("/proc/self/fd/", fd_).c_str(), AT_FDCWD, path_.c_str(),
               AT_SYMLINK_FOLLOW) == 0) {
    return {};
  }
  if (errno != EEXIST) return system_error(path_, "link");
  return Status(Code::conflict, cat(path_, ": another process has made it at the same moment"));
}

RingFile::~RingFile() {
  if (memory_ != nullptr) {
    leave_live(header(), layout::ended);
    if (same_file(fd_, path_)) ::unlink(path_.c_str());
    ::munmap(memory_, bytes_);
  }
  ::close(fd_);
}

layout::SlotHeader& RingFile::slot(std::size_t index) const {
  assert(index < header().slots);
  return *reinterpret_cast<layout::SlotHeader*>(memory_ + layout::headers_at +
                                                index * sizeof(layout::SlotHeader));
}

std::uint8_t* RingFile::pixels(std::size_t index) const {
  assert(index < header().slots);
  return memory_ + header().pixels_at + index * header().slot_stride;
}

}  // namespace gige

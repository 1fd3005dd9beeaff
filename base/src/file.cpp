#include "base/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/text.hpp"

namespace base {

namespace {

Status os_error(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : Code::unavailable;
  return Status(code, cat(path.string(), ": ", what, ": ", std::strerror(error)));
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

Result<std::string> read_all(int fd, const std::filesystem::path& path, std::size_t max_bytes) {
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_error(path, "cannot read");
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > max_bytes) {
      return Status(Code::invalid, cat(path.string(), ": longer than ", max_bytes, " bytes"));
    }
  }
}

// Whether path is a file of ours with that content and mode.
bool is_there(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if ((info.st_mode & 07777) != mode || info.st_uid != ::geteuid()) return false;
  if (static_cast<std::uint64_t>(info.st_size) != content.size()) return false;
  const auto there = read_file(path, content.size());
  return there.ok() && *there == content;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error(path, "cannot open");
  auto content = read_all(fd, path, max_bytes);
  ::close(fd);
  return content;
}

Result<std::string> read_trusted(const std::filesystem::path& path, Trust how,
                                 std::size_t max_bytes) {
  // Not blocking: what waits there may be somebody's pipe.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return os_error(path, "cannot open");
  const Status trust = trusted(fd, path, how);
  auto content = trust.ok() ? read_all(fd, path, max_bytes) : Result<std::string>(trust);
  ::close(fd);
  return content;
}

Status write_file(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  if (is_there(path, content, mode)) return Status();
  const std::filesystem::path temporary = cat(path.string(), ".", random_hex(8), ".tmp");
  // Never into a file that somebody else made.
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return os_error(temporary, "cannot create");
  const bool written = write_all(fd, content) && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
  Status failed = written ? Status() : os_error(temporary, "cannot write");
  ::close(fd);
  if (written && ::rename(temporary.c_str(), path.c_str()) == 0) {
    return sync_folder(path.parent_path());
  }
  if (written) failed = os_error(path, "cannot replace");
  ::unlink(temporary.c_str());
  return failed;
}

Status sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder.empty() ? "." : folder;
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return os_error(path, "cannot open");
  // Some file systems have nothing to flush a folder to.
  const bool synced = ::fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP;
  Status failed = synced ? Status() : os_error(path, "cannot flush");
  ::close(fd);
  return failed;
}

Result<FileLock> FileLock::take(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0 && errno == ELOOP) {
    return Status(Code::refused,
                  cat(path.string(), ": not trusted: a lock file is no link; rm ", path.string()));
  }
  if (fd < 0) return os_error(path, "cannot open the lock file");
  if (Status stranger = trusted(fd, path, Trust::file); !stranger.ok()) {
    ::close(fd);
    return stranger;
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = "";
    const ssize_t got = ::pread(fd, holder, sizeof holder - 1, 0);
    ::close(fd);
    const std::string_view pid(holder, got > 0 ? static_cast<std::size_t>(got) : 0);
    return Status(Code::conflict, cat(path.string(), ": held by another process (pid ",
                                      pid.substr(0, pid.find('\n')), ")"));
  }
  // For people. A full disk has no room for it, and is no reason not to hold the lock.
  const std::string pid = cat(::getpid(), '\n');
  if (write_all(fd, pid)) (void)!::ftruncate(fd, static_cast<off_t>(pid.size()));
  return FileLock(fd);
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace base

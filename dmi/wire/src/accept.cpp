#include "accept.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "base/text.hpp"

namespace dmi::wire {

using base::cat;
using base::Code;
using base::Status;

namespace {

// Out of descriptors: waiting is all that helps, and a loop that does not wait burns a core.
constexpr int rest_ms = 100;

Status failed(const std::string& path, const char* what) {
  return Status(Code::unavailable, cat("socket ", path, ": ", what, ": ", std::strerror(errno)));
}

std::vector<std::uint32_t> groups_of(int fd, std::uint32_t primary) {
  std::vector<gid_t> groups(64);
  for (int tries = 0; tries < 2; ++tries) {
    socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
      groups.resize(bytes / sizeof(gid_t));
      groups.push_back(primary);
      return groups;
    }
    groups.resize(bytes / sizeof(gid_t) + 1);  // ERANGE told how many
  }
  return {primary};
}

}  // namespace

base::Result<std::unique_ptr<Acceptor>> Acceptor::listen(const std::string& path, Allow allow) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return failed(path, "cannot make a socket");
  const int stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Acceptor> acceptor(new Acceptor(path, std::move(allow), socket, stop));
  if (stop < 0) return failed(path, "cannot make an eventfd");
  const mode_t mode = acceptor->allow_.empty() ? 0660 : 0666;
  ::unlink(path.c_str());
  // On Linux the file that bind makes has the socket's mode, less the umask: never more than mode.
  ::fchmod(socket, mode);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed(path, "cannot bind");
  }
  if (::chmod(path.c_str(), mode) != 0) return failed(path, "cannot chmod");
  if (::listen(socket, backlog) != 0) return failed(path, "cannot listen");
  return acceptor;
}

Acceptor::Acceptor(std::string path, Allow allow, int socket, int stop)
    : path_(std::move(path)), allow_(std::move(allow)), socket_(socket), stop_(stop) {}

Acceptor::~Acceptor() {
  stop();
  ::unlink(path_.c_str());
  ::close(socket_);
  if (stop_ >= 0) ::close(stop_);
}

void Acceptor::start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { run(); });
}

void Acceptor::stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(stop_, 1);
  thread_.join();
}

void Acceptor::run() {
  pollfd wait[] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (true) {
    if (::poll(wait, 2, -1) < 0 && errno != EINTR) return;
    if (wait[1].revents != 0) return;
    if ((wait[0].revents & POLLIN) != 0) accept_one();
  }
}

void Acceptor::accept_one() {
  const int fd = ::accept4(socket_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pollfd stopped{stop_, POLLIN, 0};
      ::poll(&stopped, 1, rest_ms);
    }
    return;
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      !allow_.permits(peer.uid, groups_of(fd, peer.gid))) {
    // Once and then seldom: who is refused tries again.
    const std::uint64_t count = ++refused_;
    if ((count & (count - 1)) == 0) {
      base::log_warning(cat("socket ", path_, ": process ", peer.pid, " of user ", peer.uid,
                            " is not on the allow list: refused (", count, " so far)"));
    }
    ::close(fd);
    return;
  }
  ++accepted_;
  {
    // Before gRPC has it: no call comes from a connection that is not known here.
    const std::lock_guard lock(mutex_);
    callers_[fd] = {peer.pid, peer.uid, peer.gid};
  }
  take_(fd);
}

Caller Acceptor::caller_of(const std::string& peer) const {
  std::int64_t fd = -1;
  if (!peer.starts_with("fd:") || !base::parse_int(peer.substr(3), fd)) return {};
  const std::lock_guard lock(mutex_);
  const auto found = callers_.find(static_cast<int>(fd));
  return found == callers_.end() ? Caller() : found->second;
}

}  // namespace dmi::wire

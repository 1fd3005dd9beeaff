#include "accept.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

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
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return failed(path, "cannot make a socket");
  const int stop = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<Acceptor> acceptor(new Acceptor(path, std::move(allow), socket, stop));
  if (stop < 0) return failed(path, "cannot make an eventfd");
  if (Status wrong = acceptor->place(); !wrong.ok()) return wrong;
  return acceptor;
}

Status Acceptor::place() {
  // Under another name until it has its mode and is listened to: whoever sees path can connect to
  // it, and a file that was left there is replaced without a moment in which there is none. One
  // character more, because a path may take 107 of the 108, and Linux needs no NUL at the end.
  const std::string fresh = path_ + '~';
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, fresh.data(), fresh.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + fresh.size());
  ::unlink(fresh.c_str());  // of one that was killed here; the lock is ours
  if (::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return failed(path_, "cannot bind");
  }
  const char* what = nullptr;
  if (::chmod(fresh.c_str(), allow_.empty() ? 0660 : 0666) != 0) {
    what = "cannot chmod";
  } else if (::listen(socket_, backlog) != 0) {
    what = "cannot listen";
  } else if (::rename(fresh.c_str(), path_.c_str()) != 0) {
    what = "cannot rename";
  }
  placed_ = what == nullptr;
  if (placed_) return Status();
  Status wrong = failed(path_, what);
  ::unlink(fresh.c_str());
  return wrong;
}

Acceptor::Acceptor(std::string path, Allow allow, int socket, int stop)
    : path_(std::move(path)), allow_(std::move(allow)), socket_(socket), stop_(stop) {}

Acceptor::~Acceptor() {
  stop();
  if (placed_) ::unlink(path_.c_str());
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
    ++refused_;
    // Once and then seldom: who is refused tries again.
    refusals_.warn(
        std::chrono::steady_clock::now(), cat(path_, ' ', peer.uid),
        cat("socket ", path_, ": process ", peer.pid, " of user ", peer.uid,
            " is not on the allow list: refused; --dmi-allow ", peer.uid, " lets this user in"));
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

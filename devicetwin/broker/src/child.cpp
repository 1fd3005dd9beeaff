#include "child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/text.hpp"

namespace devicetwin::broker {

using base::cat;
using base::Code;
using base::Status;
using boost::asio::posix::stream_descriptor;

namespace {

// A line longer than this is cut: Mosquitto's are below 1 KiB.
constexpr std::size_t max_line = 4096;

struct Started {
  pid_t pid = -1;
  int output = -1;  // the read end of its stdout and stderr
};

// Between fork and exec only what is async-signal-safe (signal-safety(7)): other threads may hold
// the heap's lock.
[[noreturn]] void become(char* const* argv, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  // Asio's sockets are inherited otherwise, and a port would stay taken after devicetwin's death.
  ::close_range(3, ~0u, 0);
  ::execv(argv[0], argv);
  ::_exit(127);
}

base::Result<Started> spawn(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return Status(Code::unavailable, cat("no pipe for ", arguments[0], ": ", std::strerror(errno)));
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(argv.data(), ends[1], parent);
  const int error = errno;
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return Status(Code::unavailable,
                  cat("cannot start ", arguments[0], ": ", std::strerror(error)));
  }
  return Started{pid, ends[0]};
}

}  // namespace

std::string describe_exit(int status) {
  if (WIFSIGNALED(status)) return cat("was killed by signal ", WTERMSIG(status));
  return cat("ended with status ", WEXITSTATUS(status));
}

struct Child::Impl {
  pid_t pid = -1;
  bool reaped = false;
  int status = 0;
  stream_descriptor output;
  stream_descriptor death;  // a pidfd, readable when the child has ended
  std::string rest;         // of a line that is not complete
  std::array<char, 4096> buffer{};
  std::function<void(const std::string&)> line;
  std::function<void(int)> ended;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  Impl(base::IoLoop& loop, const Started& started, int pidfd)
      : pid(started.pid), output(loop.io(), started.output), death(loop.io(), pidfd) {
    output.non_blocking(true);
  }

  bool reap() {
    if (!reaped && ::waitpid(pid, &status, WNOHANG) == pid) reaped = true;
    return reaped;
  }
  void read();
  void read_now();
  void take(std::string_view text);
  void watch();
};

void Child::Impl::take(std::string_view text) {
  rest += text;
  for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
    const std::string whole = rest.substr(0, end);
    rest.erase(0, end + 1);
    line(whole);
  }
  if (rest.size() > max_line) line(std::exchange(rest, {}));
}

void Child::Impl::read() {
  output.async_read_some(boost::asio::buffer(buffer),
                         [this, life = std::weak_ptr(alive)](const auto& error, std::size_t size) {
                           if (life.expired() || error) return;
                           take({buffer.data(), size});
                           read();
                         });
}

void Child::Impl::read_now() {
  for (;;) {
    boost::system::error_code none;
    const std::size_t size = output.read_some(boost::asio::buffer(buffer), none);
    if (none || size == 0) return;
    take({buffer.data(), size});
  }
}

void Child::Impl::watch() {
  death.async_wait(stream_descriptor::wait_read,
                   [this, life = std::weak_ptr(alive)](const auto& error) {
                     if (life.expired() || error) return;
                     if (!reap()) return watch();
                     read_now();     // its last words may come after the news of its death
                     ended(status);  // may destroy this
                   });
}

Child::Child(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

base::Result<std::unique_ptr<Child>> Child::start(base::IoLoop& loop,
                                                  const std::vector<std::string>& arguments,
                                                  std::function<void(const std::string&)> line,
                                                  std::function<void(int)> ended) {
  const auto started = spawn(arguments);
  if (!started) return started.status();
  // glibc 2.36 declares pidfd_open(2) without C linkage: it cannot be called from C++.
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, started->pid, 0));
  if (pidfd < 0) {
    const int error = errno;
    ::kill(started->pid, SIGKILL);
    ::waitpid(started->pid, nullptr, 0);
    ::close(started->output);
    return Status(Code::unavailable, cat("pidfd_open: ", std::strerror(error)));
  }
  auto impl = std::make_unique<Impl>(loop, *started, pidfd);
  impl->line = std::move(line);
  impl->ended = std::move(ended);
  impl->read();
  impl->watch();
  return std::unique_ptr<Child>(new Child(std::move(impl)));
}

Child::~Child() {
  impl_->alive.reset();
  const auto end = std::chrono::steady_clock::now() + patience;
  if (!impl_->reap()) ::kill(impl_->pid, SIGTERM);
  while (!impl_->reap()) {
    if (std::chrono::steady_clock::now() > end) ::kill(impl_->pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

pid_t Child::pid() const { return impl_->pid; }

bool Child::poll() {
  const bool over = impl_->reap();  // first, so that its last words are read below
  impl_->read_now();
  return !over;
}

int Child::status() const { return impl_->status; }

Status run(const std::vector<std::string>& arguments) {
  const auto started = spawn(arguments);
  if (!started) return started.status();
  std::string said;
  char buffer[1024];
  for (;;) {
    const ssize_t size = ::read(started->output, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    if (said.size() < max_line) said.append(buffer, static_cast<std::size_t>(size));
  }
  ::close(started->output);
  int status = 0;
  while (::waitpid(started->pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status();
  return Status(Code::unavailable, cat(arguments[0], " ", describe_exit(status), ": ", said));
}

}  // namespace devicetwin::broker

#include "support/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"

namespace test_support {

namespace fs = std::filesystem;
using base::cat;
using Clock = std::chrono::steady_clock;

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  while (!condition()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

TempFolder::TempFolder() : path_(cat("/tmp/mf.", ::getpid(), ".", base::random_hex(4))) {
  fs::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;  // a file that a dying child still writes must not fail the test
  fs::remove_all(path_, ignored);
}

namespace {
sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}
}  // namespace

bool listens(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  const bool connected =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return connected;
}

std::uint16_t free_port() {
  static std::set<std::uint16_t> given;
  for (;;) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    if (!bound) throw std::runtime_error("no free port on 127.0.0.1");
    if (given.insert(ntohs(address.sin_port)).second) return ntohs(address.sin_port);
  }
}

std::string find_program(std::string_view name) {
  const char* const path = std::getenv("PATH");
  for (const std::string_view folder : base::split(path == nullptr ? "/usr/bin" : path, ':')) {
    const std::string candidate = cat(folder, '/', name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  // Mosquitto lives in sbin, which is not in an ordinary user's PATH.
  const std::string sbin = cat("/usr/sbin/", name);
  return ::access(sbin.c_str(), X_OK) == 0 ? sbin : "";
}

Process::Process(std::vector<std::string> arguments, Environment environment)
    : output_(cat("/tmp/mf.", ::getpid(), ".", base::random_hex(6), ".log")) {
  // All memory is made before fork: the child may only call async-signal-safe functions.
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view name = base::split(*entry, '=').front();
    if (!environment.contains(std::string(name))) variables.emplace_back(*entry);
  }
  for (const auto& [name, value] : environment) variables.push_back(cat(name, '=', value));
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  const int fd = ::open(output_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0600);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    ::execvpe(argv[0], argv.data(), envp.data());
    ::_exit(127);
  }
  ::close(fd);
}

Process::~Process() {
  kill();
  std::error_code ignored;
  fs::remove(output_, ignored);
}

bool Process::running() { return wait(std::chrono::milliseconds(0)) == -1; }

void Process::signal(int number) {
  if (exit_ == -1) ::kill(pid_, number);
}

void Process::kill() {
  signal(SIGKILL);
  wait();
}

int Process::wait(std::chrono::milliseconds deadline) {
  const auto end = Clock::now() + deadline;
  while (exit_ == -1) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (Clock::now() >= end) {
      break;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return exit_;
}

int Process::stop(std::chrono::milliseconds deadline) {
  signal(SIGTERM);
  return wait(deadline);
}

std::string Process::output() const { return base::read_file(output_, 256u << 20).value(); }

bool Process::wait_for_output(std::string_view text, std::chrono::milliseconds deadline) {
  return wait_until([&] { return output().find(text) != std::string::npos || !running(); },
                    deadline) &&
         output().find(text) != std::string::npos;
}

double Process::resident_mib() const {
  std::ifstream status(cat("/proc/", pid_, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

std::chrono::microseconds Process::cpu_time() const {
  std::ifstream stat(cat("/proc/", pid_, "/stat"));
  std::string line;
  std::getline(stat, line);
  // proc(5): fields 14 and 15 are utime and stime in clock ticks; field 2 may hold spaces.
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  std::int64_t user = 0, system = 0;
  fields >> user >> system;
  return std::chrono::microseconds((user + system) * 1'000'000 / ::sysconf(_SC_CLK_TCK));
}

Outcome run(std::vector<std::string> arguments, Process::Environment environment,
            std::chrono::milliseconds deadline) {
  Process process(std::move(arguments), std::move(environment));
  const int exit = process.wait(deadline);
  return {exit, process.output()};
}

}  // namespace test_support

// Real programs for tests: folders that vanish, ports that are free, child processes that die with
// the test. One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

// Waits for a condition, looking every few milliseconds. false: deadline passed.
bool wait_until(const std::function<bool()>& condition,
                std::chrono::milliseconds deadline = std::chrono::seconds(20));

// A fresh folder below /tmp (short, because socket paths end at 107 characters), removed at the
// end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// A TCP port of 127.0.0.1 that was free a moment ago, and is not handed out twice by one process.
std::uint16_t free_port();

// Whether somebody accepts connections at that port of 127.0.0.1.
bool listens(std::uint16_t port);

// The first executable of that name in PATH; "" when there is none.
std::string find_program(std::string_view name);

// A child process. Its output goes to a file, so that it never blocks; it is killed with its
// parent and by the destructor.
class Process {
 public:
  using Environment = std::map<std::string, std::string>;  // added to the parent's

  explicit Process(std::vector<std::string> arguments, Environment environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  void kill();  // SIGKILL, and waits
  // The exit status, 128 + signal when it was killed, -1 when it still runs after the deadline.
  int wait(std::chrono::milliseconds deadline = std::chrono::seconds(20));
  // SIGTERM, then wait().
  int stop(std::chrono::milliseconds deadline = std::chrono::seconds(10));
  // stdout and stderr so far.
  std::string output() const;
  bool wait_for_output(std::string_view text,
                       std::chrono::milliseconds deadline = std::chrono::seconds(20));
  // Resident memory in MiB, 0 when it is gone.
  double resident_mib() const;
  // User and system time of the process so far.
  std::chrono::microseconds cpu_time() const;

 private:
  pid_t pid_ = -1;
  int exit_ = -1;
  std::filesystem::path output_;
};

struct Outcome {
  int exit = -1;
  std::string output;  // stdout and stderr
};
// Runs a program to its end.
Outcome run(std::vector<std::string> arguments, Process::Environment environment = {},
            std::chrono::milliseconds deadline = std::chrono::seconds(30));

}  // namespace test_support

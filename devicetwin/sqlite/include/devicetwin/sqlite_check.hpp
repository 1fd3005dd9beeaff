// Looks for damage in a SQLite file that serves: on a thread and a read-only connection of its own,
// in pieces of some milliseconds with three times as long between them, giving way to everybody who
// wants the processor or the disk. A writer waits for none of it, and its log is held back by no
// more than a piece.
//
// Every page of every table and index is read in the order of its keys: what SQLite finds wrong
// with a page, and keys that do not rise, are damage. What is wrong inside of a value is not seen,
// nor what is wrong with the list of free pages; whoever takes one finds it.
//
// Not PRAGMA quick_check: SQLite 3.40 cannot be stopped in the middle of it, and it holds one
// snapshot for as long as it takes, a minute for 256 MiB, in which the log grows.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace devicetwin {

class SqliteCheck {
 public:
  // Starts have more important things to read.
  static constexpr auto usual_delay = std::chrono::milliseconds(10'000);

  // Begins after the delay, and ends when all was seen. damaged: once at most, on the check's
  // thread, which has closed the file; why names it, in one line. Trouble that is no damage is
  // logged.
  SqliteCheck(std::filesystem::path file, std::chrono::milliseconds delay,
              std::function<void(const std::string& why)> damaged);
  // Breaks off; damaged is not called any more.
  ~SqliteCheck();
  SqliteCheck(const SqliteCheck&) = delete;

 private:
  struct Walk;
  void run(std::chrono::milliseconds delay);
  void look();
  bool follow(const Walk& walk);
  bool pause(std::chrono::nanoseconds time);  // false: broken off

  const std::filesystem::path file_;
  const std::function<void(const std::string& why)> damaged_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace devicetwin

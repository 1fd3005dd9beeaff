// The thread behind a file that a loop writes to. What the loop puts within a window is written
// together, and whoever waits for that is told on the loop; what fails is tried again; a file that
// turns out to be damaged is replaced. Under the store, the outbox and the history.
//
// The mailbox is the owner's, because each bounds and joins what waits in its own way, which a
// queue of tasks cannot do. It is guarded by mutex(), which is held for moves only.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "base/loop.hpp"
#include "base/status.hpp"

namespace devicetwin {

class SqliteCheck;

class DurableWriter {
 public:
  using Clock = std::chrono::steady_clock;
  using Done = std::function<void(base::Status)>;
  // One fsync per window keeps flash alive.
  static constexpr auto window = std::chrono::milliseconds(100);
  // After a failure without anybody waiting, the next try.
  static constexpr auto retry = std::chrono::seconds(1);

  // What the owner does, all of it on the thread and without the mutex.
  struct Work {
    std::string what;  // "database": for the log
    // Writes what waits in the mailbox, or puts back what is to be tried again. malformed: the file
    // is damaged; what was to be written is written anew after replace().
    std::function<base::Status()> write;
    // Puts another file in the place of a damaged one. why: for the log.
    std::function<base::Status(const base::Status& why)> replace;
    // In every turn but the last, after what is to be written: what else waits.
    std::function<void()> serve = {};
    // With the mutex held, as a turn begins: sets aside what serve() will serve. What is asked for
    // later waits for the next turn, because this one does not write what was put meanwhile.
    std::function<void()> begin = {};
  };

  // The owner's members are complete before start(), and live until stop().
  DurableWriter(base::Loop& loop, Work work);
  ~DurableWriter();
  // The first turn comes at once, and writes if `write`.
  void start(bool write);
  // A last turn, which writes, and the thread's end. Nobody is told anything any more.
  void stop();

  // ---- the loop's ----
  std::mutex& mutex() const { return mutex_; }
  // With the mutex held: something waits, and is written within the window.
  void put();
  // With the mutex held: a turn now. written: what waits is written before, unless the disk fails.
  void ask(bool written);
  // done on the loop: what was put before is on disk, or why not. With the mutex held.
  void flush(Done done);

  // ---- the thread's ----
  // Runs task on the loop, though it may be full now. false: this is the end.
  bool tell(const base::Loop::Task& task);
  // Waits until ready(), which is called with the mutex held. false: this is the end.
  bool wait(const std::function<bool()>& ready);
  // Nobody but ask() would cause a turn before this time.
  void turn_at(Clock::time_point time) { next_turn_ = time; }
  // Whether the last try to write failed.
  bool failing() const { return failing_; }
  // Looks for damage in a file that was there, from the delay on.
  void check(const std::filesystem::path& file, std::chrono::milliseconds delay);

  // Any thread: the file is to be replaced.
  void damaged(const std::string& why);

 private:
  void run();
  void write_now(std::vector<Done> flushes);
  base::Status attempt();

  base::Loop& loop_;
  const Work work_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Done> flushes_;  // guarded by mutex_, as the next six
  bool filled_ = false;        // something waits to be written, at due_
  bool asked_ = false;
  bool asked_written_ = false;
  base::Status damage_;
  Clock::time_point due_{};
  bool stopping_ = false;

  // The thread's.
  bool failing_ = false;
  std::optional<Clock::time_point> next_turn_;
  base::Repeats repeats_;
  std::unique_ptr<SqliteCheck> check_;
  std::thread thread_;
};

}  // namespace devicetwin

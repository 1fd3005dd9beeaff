#include "devicetwin/durable_writer.hpp"

#include <utility>

#include "base/text.hpp"
#include "devicetwin/sqlite_check.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;

DurableWriter::DurableWriter(base::Loop& loop, Work work) : loop_(loop), work_(std::move(work)) {}

DurableWriter::~DurableWriter() { stop(); }

void DurableWriter::start(bool write) {
  asked_ = true;
  asked_written_ = write;
  thread_ = std::thread([this] { run(); });
}

void DurableWriter::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  check_.reset();
}

void DurableWriter::put() {
  if (std::exchange(filled_, true)) return;
  due_ = Clock::now() + window;
  wake_.notify_one();
}

void DurableWriter::ask(bool written) {
  asked_ = true;
  asked_written_ = asked_written_ || written;
  wake_.notify_one();
}

void DurableWriter::flush(Done done) {
  flushes_.push_back(std::move(done));
  wake_.notify_one();
}

void DurableWriter::damaged(const std::string& why) {
  const std::lock_guard guard(mutex_);
  damage_ = Status(Code::malformed, why);
  filled_ = true;
  due_ = Clock::now();
  wake_.notify_one();
}

void DurableWriter::check(const std::filesystem::path& file, std::chrono::milliseconds delay) {
  check_.reset();
  check_ = std::make_unique<SqliteCheck>(file, delay, [this](auto& why) { damaged(why); });
}

void DurableWriter::run() {
  std::unique_lock guard(mutex_);
  for (;;) {
    const auto asked = [this] { return stopping_ || asked_ || !flushes_.empty(); };
    const auto work = [&] { return asked() || filled_; };
    if (next_turn_) {
      wake_.wait_until(guard, *next_turn_, work);
    } else {
      wake_.wait(guard, work);
    }
    if (!asked() && filled_) wake_.wait_until(guard, due_, asked);
    const bool last = stopping_;
    const bool due = filled_ && Clock::now() >= due_;
    const bool write = last || !flushes_.empty() || due || (asked_written_ && !failing_);
    asked_ = asked_written_ = false;
    if (write) filled_ = false;
    auto flushes = std::exchange(flushes_, {});
    if (work_.begin) work_.begin();
    guard.unlock();
    next_turn_.reset();
    if (write) write_now(std::move(flushes));
    if (!last && work_.serve) work_.serve();
    guard.lock();
    if (last) return;
  }
}

void DurableWriter::write_now(std::vector<Done> flushes) {
  const Status status = attempt();
  failing_ = !status.ok();
  if (status.ok()) {
    repeats_.over("write", cat("the ", work_.what, " is written again"));
  } else {
    repeats_.warn(Clock::now(), "write",
                  cat("the ", work_.what, " is not written: ", status.text()));
    const std::lock_guard guard(mutex_);
    filled_ = true;
    due_ = Clock::now() + retry;
  }
  if (flushes.empty()) return;
  const auto shared = std::make_shared<const std::vector<Done>>(std::move(flushes));
  (void)tell([shared, status] {
    for (const Done& done : *shared) done(status);
  });
}

Status DurableWriter::attempt() {
  Status why;
  {
    const std::lock_guard guard(mutex_);
    why = std::exchange(damage_, Status());
  }
  if (why.ok()) {
    why = work_.write();
    if (why.code() != Code::malformed) return why;
  }
  check_.reset();
  Status replaced = work_.replace(why);
  if (replaced.ok()) return work_.write();
  const std::lock_guard guard(mutex_);
  damage_ = std::move(why);
  return replaced;
}

bool DurableWriter::tell(const base::Loop::Task& task) {
  // A loop that is full now has room later, and somebody waits for this.
  while (!loop_.post(task)) {
    std::unique_lock guard(mutex_);
    if (wake_.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping_; })) {
      return false;
    }
  }
  return true;
}

bool DurableWriter::wait(const std::function<bool()>& ready) {
  std::unique_lock guard(mutex_);
  wake_.wait(guard, [&] { return stopping_ || ready(); });
  return ready();
}

}  // namespace devicetwin

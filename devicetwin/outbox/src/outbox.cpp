#include "devicetwin/outbox.hpp"

#include <algorithm>
#include <cassert>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/sqlite_check.hpp"
#include "queue_file.hpp"
#include "record.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using outbox::Batch;
using outbox::Lane;
using outbox::QueueFile;
using outbox::Work;
using Clock = std::chrono::steady_clock;

// The mailbox between the loop and the writer thread, as Store has one: what the loop queues must
// stay bounded while the disk does not take it, which a queue of tasks cannot do. A mutex, held for
// moves only.
struct Outbox::Impl {
  struct Read {
    std::string consumer;
    std::uint64_t after;
    std::size_t max_bytes;
    std::function<void(Result<std::vector<Record>>)> done;
  };
  // What has happened with a consumer's records before the file.
  struct Account {
    std::uint64_t appended = 0;
    std::uint64_t dropped_disk = 0;
    std::uint64_t dropped_size = 0;
    std::uint64_t pending_rows = 0;
    std::uint64_t pending_bytes = 0;
  };

  base::Loop& loop;
  base::FileLock lock;
  std::unique_ptr<QueueFile> file;
  std::map<std::string, std::function<void()>> watchers;  // the loop's
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  std::mutex mutex;  // guards all below
  std::condition_variable wake;
  Batch batch;
  bool filled = false;  // the batch has something
  std::map<std::string, Account> accounts;
  std::map<std::string, Lane> lanes;  // as the file was after the last transaction
  std::vector<std::function<void(Status)>> flushes;
  std::vector<Read> reads;
  std::uint64_t failed_writes = 0;
  Clock::time_point due{};
  bool stopping = false;
  std::optional<std::string> damage;  // the file is to be replaced, and why
  std::thread writer;
  std::unique_ptr<SqliteCheck> check;  // the writer's; last, so that it is gone before the file is

  Impl(base::Loop& owner, base::FileLock held, std::unique_ptr<QueueFile> opened)
      : loop(owner), lock(std::move(held)), file(std::move(opened)) {
    lanes = file->lanes();
    filled = true;  // the first transaction has things of its own to write
    for (const auto& [name, lane] : lanes) accounts[name];
  }

  void run();
  void write(Batch writing, std::vector<std::function<void(Status)>> waiting);
  Status put(const Batch& writing);
  void found_damage(const std::string& why);
  void serve(std::vector<Read> asked);
  void keep(Batch failed);
  void trim(Work& work, Account& account);
  void queued();
  void tell(base::Loop::Task task);
  void tell_watchers(const Batch& written);

  base::Repeats repeats;  // the writer's
};

void Outbox::Impl::run() {
  std::unique_lock guard(mutex);
  for (;;) {
    const auto asked = [this] { return stopping || !flushes.empty() || !reads.empty(); };
    if (!filled) wake.wait(guard, [&] { return asked() || filled; });
    if (!asked()) wake.wait_until(guard, due, asked);
    const bool last = stopping;
    const bool write_now = last || !flushes.empty() || (filled && Clock::now() >= due);
    Batch writing;
    std::vector<std::function<void(Status)>> waiting;
    if (write_now) {
      writing.swap(batch);
      filled = false;
      waiting.swap(flushes);
      for (auto& [name, account] : accounts) account.pending_rows = account.pending_bytes = 0;
    }
    auto reading = std::exchange(reads, {});
    guard.unlock();
    if (write_now) write(std::move(writing), std::move(waiting));
    if (!last) serve(std::move(reading));
    guard.lock();
    if (last) return;
  }
}

void Outbox::Impl::write(Batch writing, std::vector<std::function<void(Status)>> waiting) {
  const Status status = put(writing);
  {
    const std::lock_guard guard(mutex);
    lanes = file->lanes();
    if (!status.ok()) ++failed_writes;
  }
  if (status.ok()) {
    repeats.over("write", "the outbox is written again");
    tell_watchers(writing);
  } else {
    repeats.warn(Clock::now(), "write", cat("the outbox is not written: ", status.text()));
    keep(std::move(writing));
  }
  if (waiting.empty()) return;
  const auto shared =
      std::make_shared<const std::vector<std::function<void(Status)>>>(std::move(waiting));
  tell([shared, status] {
    for (const auto& done : *shared) done(status);
  });
}

// A file that was found damaged is replaced first.
Status Outbox::Impl::put(const Batch& writing) {
  std::optional<std::string> why;
  {
    const std::lock_guard guard(mutex);
    why = std::exchange(damage, std::nullopt);
  }
  if (why) {
    check.reset();
    if (Status moved = file->damaged(*why); !moved.ok()) {
      const std::lock_guard guard(mutex);
      damage = std::move(why);
      return moved;
    }
  }
  return file->write(writing);
}

void Outbox::Impl::found_damage(const std::string& why) {
  const std::lock_guard guard(mutex);
  damage = why;
  filled = true;
  due = {};
  wake.notify_all();
}

void Outbox::Impl::tell_watchers(const Batch& written) {
  std::vector<std::string> names;
  for (const auto& [name, work] : written) {
    if (!work.append.empty()) names.push_back(name);
  }
  if (names.empty()) return;
  tell([this, life = std::weak_ptr(alive), names = std::move(names)] {
    if (life.expired()) return;
    for (const std::string& name : names) {
      const auto found = watchers.find(name);
      if (found != watchers.end()) found->second();
    }
  });
}

void Outbox::Impl::serve(std::vector<Read> asked) {
  for (Read& read : asked) {
    auto records = file->read(read.consumer, read.after, read.max_bytes);
    if (records.status().code() == Code::malformed) {
      found_damage(records.status().text());
      write({}, {});
      records = file->read(read.consumer, read.after, read.max_bytes);
    }
    if (!records.ok()) {
      repeats.warn(Clock::now(), "read", cat("the outbox is not read: ", records.status().text()));
    } else {
      repeats.over("read", "the outbox is read again");
    }
    const auto found = std::make_shared<Result<std::vector<Record>>>(std::move(records));
    tell([done = std::move(read.done), found] { done(std::move(*found)); });
  }
}

// Puts what could not be written back before what came since.
void Outbox::Impl::keep(Batch failed) {
  const std::lock_guard guard(mutex);
  for (auto& [name, older] : failed) {
    Work& work = batch[name];
    Account& account = accounts[name];
    for (auto record = older.append.rbegin(); record != older.append.rend(); ++record) {
      account.pending_bytes += outbox::cost(*record);
      ++account.pending_rows;
      work.append.push_front(std::move(*record));
    }
    work.acknowledge = std::max(work.acknowledge, older.acknowledge);
    trim(work, account);
  }
  filled = true;
  due = Clock::now() + retry;
}

// With the mutex held: the oldest go into one gap before the rest, and the gap that stood there
// already goes into it too.
void Outbox::Impl::trim(Work& work, Account& account) {
  if (account.pending_bytes <= max_pending_bytes || work.append.size() < 2) return;
  std::optional<Gap> gone;
  while (!work.append.empty() &&
         (account.pending_bytes > max_pending_bytes || work.append.front().gap)) {
    const Record& record = work.append.front();
    const Gap gap = outbox::gap_of(record, Gap::disk);
    if (!record.gap) ++account.dropped_disk;
    account.pending_bytes -= outbox::cost(record);
    --account.pending_rows;
    if (gone) {
      outbox::join(*gone, gap);
    } else {
      gone = gap;
    }
    work.append.pop_front();
  }
  if (!gone) return;
  work.append.push_front({.gap = gone});
  account.pending_bytes += row_bytes;
  ++account.pending_rows;
}

// With the mutex held.
void Outbox::Impl::queued() {
  if (std::exchange(filled, true)) return;
  due = Clock::now() + window;
  wake.notify_one();
}

void Outbox::Impl::tell(base::Loop::Task task) {
  // A loop that is full now has room later, and somebody waits for this.
  while (!loop.post(task)) {
    std::unique_lock guard(mutex);
    if (wake.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping; })) return;
  }
}

Outbox::Outbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Outbox>> Outbox::open(base::Loop& loop, Settings settings) {
  auto lock = base::FileLock::take(settings.folder / "outbox.lock");
  if (!lock) return lock.status();
  auto file = QueueFile::open(settings);
  if (!file) return file.status();
  auto impl = std::make_unique<Impl>(loop, std::move(*lock), std::move(*file));
  impl->check =
      std::make_unique<SqliteCheck>(settings.folder / "outbox.db", settings.check_after,
                                    [raw = impl.get()](auto& why) { raw->found_damage(why); });
  impl->writer = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<Outbox>(new Outbox(std::move(impl)));
}

Outbox::~Outbox() {
  impl_->alive.reset();
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->writer.join();
}

void Outbox::append(const std::string& consumer, std::int64_t time_ms, std::string topic,
                    std::string payload) {
  const std::lock_guard guard(impl_->mutex);
  assert(impl_->lanes.contains(consumer));
  Impl::Account& account = impl_->accounts[consumer];
  Record record{.time_ms = time_ms, .topic = std::move(topic), .payload = std::move(payload)};
  ++account.appended;
  if (record.topic.size() + record.payload.size() > max_record_bytes) {
    ++account.dropped_size;
    const Gap gap = outbox::gap_of(record, Gap::size);
    record = {.gap = gap};
  }
  Work& work = impl_->batch[consumer];
  account.pending_bytes += outbox::cost(record);
  ++account.pending_rows;
  work.append.push_back(std::move(record));
  impl_->trim(work, account);
  impl_->queued();
}

void Outbox::flush(std::function<void(Status)> done) {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->flushes.push_back(std::move(done));
  }
  impl_->wake.notify_one();
}

void Outbox::read(const std::string& consumer, std::uint64_t after, std::size_t max_bytes,
                  std::function<void(Result<std::vector<Record>>)> done) {
  {
    const std::lock_guard guard(impl_->mutex);
    assert(impl_->lanes.contains(consumer));
    impl_->reads.push_back({consumer, after, max_bytes, std::move(done)});
  }
  impl_->wake.notify_one();
}

void Outbox::acknowledge(const std::string& consumer, std::uint64_t up_to) {
  const std::lock_guard guard(impl_->mutex);
  Work& work = impl_->batch[consumer];
  work.acknowledge = std::max(work.acknowledge, up_to);
  impl_->queued();
}

void Outbox::watch(const std::string& consumer, std::function<void()> written) {
  if (written) {
    impl_->watchers[consumer] = std::move(written);
  } else {
    impl_->watchers.erase(consumer);
  }
}

std::vector<std::string> Outbox::consumers() const {
  const std::lock_guard guard(impl_->mutex);
  std::vector<std::string> names;
  for (const auto& [name, lane] : impl_->lanes) names.push_back(name);
  return names;
}

Outbox::Counters Outbox::counters(const std::string& consumer) const {
  const std::lock_guard guard(impl_->mutex);
  const Impl::Account& account = impl_->accounts[consumer];
  const Lane& lane = impl_->lanes.at(consumer);
  return {.appended = account.appended,
          .acknowledged = lane.acknowledged,
          .dropped_quota = lane.dropped_quota,
          .dropped_disk = account.dropped_disk,
          .dropped_size = account.dropped_size,
          .waiting = lane.rows + account.pending_rows,
          .bytes = lane.bytes + account.pending_bytes,
          .next = lane.next,
          .failed_writes = impl_->failed_writes};
}

}  // namespace devicetwin

#include "devicetwin/store.hpp"

#include <condition_variable>
#include <iterator>
#include <mutex>
#include <thread>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "batch.hpp"
#include "database.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using Clock = std::chrono::steady_clock;

// The mailbox between the loop and the writer thread: what the loop queues must be coalesced by key
// while the writer is at work, which a queue of tasks cannot do. Hence a mutex, held for moves
// only.
struct Store::Impl {
  struct Wait {
    std::function<void(Status)> done;
    Status lost;  // a write that belongs to this flush failed before the flush was called
  };

  base::Loop& loop;
  base::FileLock lock;
  std::unique_ptr<Database> database;
  Loaded loaded;

  std::mutex mutex;
  std::condition_variable wake;
  Batch batch;              // guarded by mutex
  std::vector<Wait> waits;  // guarded by mutex: flushes
  bool unflushed = false;   // guarded by mutex: objects came since the last flush()
  Status lost;              // guarded by mutex: unflushed objects that could not be written
  Clock::time_point due{};  // guarded by mutex: the window's end
  bool stopping = false;    // guarded by mutex
  Counters counters;        // guarded by mutex
  std::thread writer;

  Impl(base::Loop& owner, base::FileLock held, std::unique_ptr<Database> opened)
      : loop(owner), lock(std::move(held)), database(std::move(opened)) {}

  template <class Queue>
  void queue(Queue into_batch) {
    const std::lock_guard guard(mutex);
    const bool first = batch.empty();
    into_batch(batch);
    if (!first) return;
    due = Clock::now() + window;
    wake.notify_one();
  }
  void write();
  void answer(std::vector<Wait> flushes, const Status& status);
  void count(const Batch& written, const Status& status, double seconds);
  void keep(Batch failed, bool had_unflushed, const Status& status);
};

void Store::Impl::write() {
  base::Repeats repeats;
  std::unique_lock guard(mutex);
  for (;;) {
    const auto urgent = [this] { return stopping || !waits.empty(); };
    if (batch.empty()) {
      wake.wait(guard, [&] { return urgent() || !batch.empty(); });
    }
    if (!urgent()) wake.wait_until(guard, due, urgent);
    const bool last = stopping;
    const bool had_unflushed = unflushed;
    Batch writing = std::exchange(batch, {});
    auto flushes = std::exchange(waits, {});
    guard.unlock();
    const auto begun = Clock::now();
    const Status status = writing.empty() ? Status() : database->write(writing);
    const std::chrono::duration<double> took = Clock::now() - begun;
    if (status.ok()) {
      repeats.over("write", "the database is written again");
    } else {
      repeats.warn(Clock::now(), "write", cat("the database is not written: ", status.text()));
    }
    answer(std::move(flushes), status);
    guard.lock();
    if (!writing.empty()) count(writing, status, took.count());
    if (!status.ok()) keep(std::move(writing), had_unflushed, status);
    if (last) return;
  }
}

// With the mutex held.
void Store::Impl::count(const Batch& written, const Status& status, double seconds) {
  ++counters.transactions;
  counters.last_seconds = seconds;
  if (!status.ok()) {
    ++counters.failed;
    return;
  }
  for (const auto& [device, twins] : written.twins) counters.rows += twins.rows.size();
}

// With the mutex held.
void Store::Impl::keep(Batch failed, bool had_unflushed, const Status& status) {
  if (had_unflushed) lost = status;
  batch.put_under(std::move(failed));
  due = Clock::now() + retry;
}

void Store::Impl::answer(std::vector<Wait> flushes, const Status& status) {
  if (flushes.empty()) return;
  const auto shared = std::make_shared<const std::vector<Wait>>(std::move(flushes));
  const auto task = [shared, status] {
    for (const Wait& wait : *shared) wait.done(wait.lost.ok() ? status : wait.lost);
  };
  // A loop that is full now has room later, and somebody waits for this answer.
  while (!loop.post(task)) {
    std::unique_lock guard(mutex);
    if (wake.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping; })) return;
  }
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Store>> Store::open(base::Loop& loop, Settings settings) {
  const auto folder = settings.file.parent_path();
  auto lock = base::FileLock::take(folder / "devicetwin.lock");
  if (!lock) return lock.status();
  auto database = Database::open(settings);
  if (!database) return database.status();
  auto loaded = (*database)->read();
  if (!loaded) return loaded.status();
  auto impl = std::make_unique<Impl>(loop, std::move(*lock), std::move(*database));
  impl->loaded = std::move(*loaded);
  impl->writer = std::thread([raw = impl.get()] { raw->write(); });
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::~Store() {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->writer.join();
}

Store::Loaded Store::load() { return std::exchange(impl_->loaded, {}); }

void Store::put_object(const Object& object) {
  impl_->queue([&](Batch& batch) {
    batch.objects[{object.kind, object.id}] = object;
    impl_->unflushed = true;
  });
}

void Store::delete_object(Kind kind, const dmi::ObjectId& id) {
  impl_->queue([&](Batch& batch) {
    batch.objects[{kind, id}] = std::nullopt;
    impl_->unflushed = true;
  });
}

void Store::put_row(const dmi::ObjectId& device, const TwinRow& row) { put_rows(device, {row}); }

void Store::put_rows(const dmi::ObjectId& device, std::vector<TwinRow> rows) {
  impl_->queue([&](Batch& batch) {
    std::vector<TwinRow>& waiting = batch.twins[device].rows;
    if (waiting.empty()) {
      waiting = std::move(rows);
      return;
    }
    waiting.insert(waiting.end(), std::make_move_iterator(rows.begin()),
                   std::make_move_iterator(rows.end()));
    if (waiting.size() > Batch::crowded) Batch::keep_newest(waiting);
  });
}

void Store::put_state(const dmi::ObjectId& device, const DeviceState& state) {
  impl_->queue([&](Batch& batch) { batch.twins[device].state = state; });
}

void Store::delete_twins(const dmi::ObjectId& device) {
  impl_->queue(
      [&](Batch& batch) { batch.twins[device] = {.wipe = true, .rows = {}, .state = {}}; });
}

void Store::put_note(const std::string& key, const std::string& text) {
  impl_->queue([&](Batch& batch) { batch.notes[key] = text; });
}

void Store::put_version(std::uint64_t version) {
  impl_->queue([&](Batch& batch) { batch.version = version; });
}

Store::Counters Store::counters() const {
  const std::lock_guard guard(impl_->mutex);
  Counters now = impl_->counters;
  now.waiting = impl_->batch.twins.size();
  return now;
}

void Store::flush(std::function<void(Status)> done) {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->waits.push_back({std::move(done), std::exchange(impl_->lost, Status())});
    impl_->unflushed = false;
  }
  impl_->wake.notify_one();
}

}  // namespace devicetwin

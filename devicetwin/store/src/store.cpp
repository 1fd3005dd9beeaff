#include "devicetwin/store.hpp"

#include <condition_variable>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "batch.hpp"
#include "database.hpp"
#include "devicetwin/sqlite_check.hpp"

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
  Status damage;            // guarded by mutex: the file is to be replaced, and why
  std::optional<Result<Loaded>> told;  // guarded by mutex: the loop's answer to ask_truth()
  Counters counters;                   // guarded by mutex
  std::function<Loaded()> truth;       // the loop's
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  std::thread writer;
  std::unique_ptr<SqliteCheck> check;  // the writer's; last, so that it is gone before the file is

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
  Status put(const Batch& writing);
  Status renew(const Status& why);
  Result<Loaded> ask_truth();
  void found_damage(const std::string& why);
  bool tell(const base::Loop::Task& task);
  void answer(std::vector<Wait> flushes, const Status& status);
  void count(const Batch& written, const Status& status, double seconds);
  void keep(Batch failed, bool had_unflushed, const Status& status);
};

void Store::Impl::write() {
  base::Repeats repeats;
  std::unique_lock guard(mutex);
  for (;;) {
    const auto asked = [this] { return stopping || !waits.empty(); };
    wake.wait(guard, [&] { return asked() || !batch.empty() || !damage.ok(); });
    if (!asked()) wake.wait_until(guard, due, asked);
    const bool last = stopping;
    const bool had_unflushed = unflushed;
    Batch writing = std::exchange(batch, {});
    auto flushes = std::exchange(waits, {});
    guard.unlock();
    const auto begun = Clock::now();
    const Status status = put(writing);
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

// A damaged file is replaced first.
Status Store::Impl::put(const Batch& writing) {
  Status why;
  {
    const std::lock_guard guard(mutex);
    why = std::exchange(damage, Status());
  }
  for (bool second_try : {false, true}) {
    if (why.ok()) {
      Status status = writing.empty() ? Status() : database->write(writing);
      if (status.code() != Code::malformed || second_try) return status;
      why = std::move(status);
    }
    if (Status status = renew(why); !status.ok()) {
      const std::lock_guard guard(mutex);
      damage = why;
      return status;
    }
    why = Status();
  }
  return Status(Code::internal, "not reached");
}

// What the loop says now is older than what waits in the batch, and goes under it.
Status Store::Impl::renew(const Status& why) {
  auto everything = ask_truth();
  if (!everything) return everything.status();
  check.reset();
  Batch whole;
  for (Object& object : everything->objects) {
    whole.objects[{object.kind, object.id}] = std::move(object);
  }
  for (auto& [id, row] : everything->rows) whole.twins[id].rows.push_back(std::move(row));
  for (auto& [id, state] : everything->states) whole.twins[id].state = std::move(state);
  whole.notes = std::move(everything->notes);
  whole.version = everything->version;
  return database->renew(whole, why);
}

Result<Store::Loaded> Store::Impl::ask_truth() {
  const Status closing(Code::unavailable, "the file is damaged, and replaced at the next start");
  const auto ask = [this, life = std::weak_ptr(alive)] {
    if (life.expired()) return;
    Result<Loaded> answer = Status(Code::unavailable, "the file is damaged");
    if (truth) answer = truth();
    const std::lock_guard guard(mutex);
    told = std::move(answer);
    wake.notify_all();
  };
  if (!tell(ask)) return closing;
  std::unique_lock guard(mutex);
  wake.wait(guard, [this] { return stopping || told; });
  if (!told) return closing;
  Result<Loaded> answer = std::move(*told);
  told.reset();
  return answer;
}

void Store::Impl::found_damage(const std::string& why) {
  const std::lock_guard guard(mutex);
  damage = Status(Code::malformed, why);
  due = Clock::now();
  wake.notify_all();
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
  (void)tell(task);  // at the end nobody waits
}

// false: this is the end.
bool Store::Impl::tell(const base::Loop::Task& task) {
  // A loop that is full now has room later, and somebody waits for this.
  while (!loop.post(task)) {
    std::unique_lock guard(mutex);
    if (wake.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping; })) {
      return false;
    }
  }
  return true;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Store>> Store::open(base::Loop& loop, Settings settings) {
  const auto folder = settings.file.parent_path();
  auto lock = base::FileLock::take(folder / "devicetwin.lock");
  if (!lock) return lock.status();
  Loaded loaded;
  auto database = Database::open(settings, loaded);
  if (!database) return database.status();
  auto impl = std::make_unique<Impl>(loop, std::move(*lock), std::move(*database));
  Impl* const raw = impl.get();
  impl->loaded = std::move(loaded);
  impl->check = std::make_unique<SqliteCheck>(settings.file, settings.check_after,
                                              [raw](auto& why) { raw->found_damage(why); });
  impl->writer = std::thread([raw] { raw->write(); });
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::~Store() {
  impl_->alive.reset();
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->writer.join();
}

Store::Loaded Store::load() { return std::exchange(impl_->loaded, {}); }

void Store::set_truth(std::function<Loaded()> truth) { impl_->truth = std::move(truth); }

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

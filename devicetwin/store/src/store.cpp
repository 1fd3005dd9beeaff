#include "devicetwin/store.hpp"

#include <iterator>
#include <memory>
#include <mutex>
#include <optional>

#include "base/file.hpp"
#include "base/text.hpp"
#include "batch.hpp"
#include "database.hpp"
#include "devicetwin/durable_writer.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

// The mailbox between the loop and the writer: what the loop queues is coalesced by key.
struct Store::Impl {
  base::FileLock lock;
  std::unique_ptr<Database> database;    // the writer's
  Batch writing;                         // the writer's: in hand
  std::shared_ptr<Status> writing_fate;  // of unflushed objects in it; nullptr: it has none
  Loaded loaded;
  std::function<Loaded()> truth;  // the loop's
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  // Guarded by the writer's mutex.
  Batch batch;
  bool unflushed = false;  // objects came since the last flush()
  // What became of objects that were written before their flush was asked for. The flush has it.
  std::shared_ptr<Status> fate = std::make_shared<Status>();
  std::optional<Result<Loaded>> told;  // the loop's answer to ask_truth()
  Counters counters;
  DurableWriter writer;

  Impl(base::Loop& owner, base::FileLock held, std::unique_ptr<Database> opened)
      : lock(std::move(held)),
        database(std::move(opened)),
        writer(owner, {.what = "database",
                       .write = [this] { return write(); },
                       .replace = [this](const Status& why) { return replace(why); }}) {}

  template <class Queue>
  void queue(Queue into_batch) {
    const std::lock_guard guard(writer.mutex());
    into_batch(batch);
    writer.put();
  }
  Status write();
  Status replace(const Status& why);
  Result<Loaded> ask_truth();
  void put_back(const Status& status);
};

Status Store::Impl::write() {
  {
    const std::lock_guard guard(writer.mutex());
    if (writing.empty()) {
      writing = std::exchange(batch, {});
      writing_fate = unflushed ? fate : nullptr;
    }
  }
  if (writing.empty()) return Status();
  const auto begun = DurableWriter::Clock::now();
  const Status status = database->write(writing);
  const std::chrono::duration<double> took = DurableWriter::Clock::now() - begun;
  {
    const std::lock_guard guard(writer.mutex());
    ++counters.transactions;
    counters.last_seconds = took.count();
    if (!status.ok()) ++counters.failed;
    for (const auto& [device, twins] : writing.twins) {
      if (status.ok()) counters.rows += twins.rows.size();
    }
  }
  if (status.code() == Code::malformed) return status;  // comes again after replace()
  if (!status.ok()) put_back(status);
  writing = {};
  return status;
}

// Whoever flushed is told, and whoever has not yet, or did meanwhile, will be.
void Store::Impl::put_back(const Status& status) {
  const std::lock_guard guard(writer.mutex());
  if (writing_fate) *writing_fate = status;
  batch.put_under(std::exchange(writing, {}));
}

// What the loop says now is older than what waits to be written, and goes under it.
Status Store::Impl::replace(const Status& why) {
  auto everything = ask_truth();
  Status status = everything.status();
  if (everything.ok()) {
    Batch whole;
    for (Object& object : everything->objects) {
      whole.objects[{object.kind, object.id}] = std::move(object);
    }
    for (auto& [id, row] : everything->rows) whole.twins[id].rows.push_back(std::move(row));
    for (auto& [id, state] : everything->states) whole.twins[id].state = std::move(state);
    whole.notes = std::move(everything->notes);
    whole.version = everything->version;
    status = database->renew(whole, why);
  }
  if (!status.ok()) put_back(status);
  return status;
}

Result<Store::Loaded> Store::Impl::ask_truth() {
  const auto ask = [this, life = std::weak_ptr(alive)] {
    if (life.expired()) return;
    Result<Loaded> answer = Status(Code::unavailable, "the file is damaged");
    if (truth) answer = truth();
    const std::lock_guard guard(writer.mutex());
    told = std::move(answer);
    writer.ask(false);
  };
  if (!writer.tell(ask) || !writer.wait([this] { return told.has_value(); })) {
    return Status(Code::unavailable, "the file is damaged, and replaced at the next start");
  }
  const std::lock_guard guard(writer.mutex());
  return *std::exchange(told, std::nullopt);
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
  impl->loaded = std::move(loaded);
  impl->writer.check(settings.file, settings.check_after);
  impl->writer.start(false);
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Store::~Store() {
  impl_->alive.reset();
  impl_->writer.stop();
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

void Store::keep_state(const dmi::ObjectId& device, const DeviceState& state) {
  const std::lock_guard guard(impl_->writer.mutex());
  impl_->batch.twins[device].state = state;
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
  const std::lock_guard guard(impl_->writer.mutex());
  Counters now = impl_->counters;
  now.waiting = impl_->batch.twins.size();
  return now;
}

void Store::flush(std::function<void(Status)> done) {
  const std::lock_guard guard(impl_->writer.mutex());
  impl_->unflushed = false;
  auto fate = std::exchange(impl_->fate, std::make_shared<Status>());
  impl_->writer.flush([done = std::move(done), fate = std::move(fate)](const Status& status) {
    done(fate->ok() ? status : *fate);
  });
}

}  // namespace devicetwin

#include "devicetwin/outbox.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/durable_writer.hpp"
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

// The mailbox between the loop and the writer: what the loop queues stays bounded while the disk
// does not take it.
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

  base::FileLock lock;
  std::unique_ptr<QueueFile> file;                        // the writer's
  std::map<std::string, std::function<void()>> watchers;  // the loop's
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  base::Repeats repeats;  // the writer's

  // Guarded by the writer's mutex.
  Batch batch;
  std::map<std::string, Account> accounts;
  std::map<std::string, Lane> lanes;  // as the file was after the last transaction
  std::vector<Read> reads;
  std::uint64_t failed_writes = 0;
  DurableWriter writer;

  Impl(base::Loop& loop, base::FileLock held, std::unique_ptr<QueueFile> opened)
      : lock(std::move(held)),
        file(std::move(opened)),
        lanes(file->lanes()),
        writer(loop, {.what = "outbox",
                      .write = [this] { return write(); },
                      .replace = [this](const Status& why) { return file->replace(why); },
                      .serve = [this] { serve(); }}) {
    for (const auto& [name, lane] : lanes) accounts[name];
  }

  Status write();
  void serve();
  Result<std::vector<Record>> read(const Read& asked);
  void keep(Batch failed);
  void trim(Work& work, Account& account);
  void tell_watchers(const Batch& written);
};

// Of {} too: the first transaction has things of its own to write.
Status Outbox::Impl::write() {
  Batch writing;
  {
    const std::lock_guard guard(writer.mutex());
    writing.swap(batch);
    for (auto& [name, account] : accounts) account.pending_rows = account.pending_bytes = 0;
  }
  Status status = file->write(writing);
  {
    const std::lock_guard guard(writer.mutex());
    lanes = file->lanes();
    if (!status.ok()) ++failed_writes;
  }
  if (status.ok()) {
    tell_watchers(writing);
  } else {
    keep(std::move(writing));
  }
  return status;
}

void Outbox::Impl::tell_watchers(const Batch& written) {
  std::vector<std::string> names;
  for (const auto& [name, work] : written) {
    if (!work.append.empty()) names.push_back(name);
  }
  if (names.empty()) return;
  (void)writer.tell([this, life = std::weak_ptr(alive), names = std::move(names)] {
    if (life.expired()) return;
    for (const std::string& name : names) {
      const auto found = watchers.find(name);
      if (found != watchers.end()) found->second();
    }
  });
}

void Outbox::Impl::serve() {
  std::vector<Read> asked;
  {
    const std::lock_guard guard(writer.mutex());
    asked.swap(reads);
  }
  for (Read& each : asked) {
    const auto found = std::make_shared<Result<std::vector<Record>>>(read(each));
    (void)writer.tell([done = std::move(each.done), found] { done(std::move(*found)); });
  }
}

Result<std::vector<Record>> Outbox::Impl::read(const Read& asked) {
  auto records = file->read(asked.consumer, asked.after, asked.max_bytes);
  if (records.ok()) {
    repeats.over("read", "the outbox is read again");
    return records;
  }
  const Status why = records.status();
  repeats.warn(DurableWriter::Clock::now(), "read", cat("the outbox is not read: ", why.text()));
  if (why.code() == Code::malformed) writer.damaged(why.text());
  return Status(Code::unavailable, why.text());
}

// Puts what could not be written back before what came since.
void Outbox::Impl::keep(Batch failed) {
  const std::lock_guard guard(writer.mutex());
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

Outbox::Outbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Outbox>> Outbox::open(base::Loop& loop, Settings settings) {
  auto lock = base::FileLock::take(settings.folder / "outbox.lock");
  if (!lock) return lock.status();
  auto file = QueueFile::open(settings);
  if (!file) return file.status();
  auto impl = std::make_unique<Impl>(loop, std::move(*lock), std::move(*file));
  impl->writer.check(settings.folder / "outbox.db", settings.check_after);
  impl->writer.start(true);
  return std::unique_ptr<Outbox>(new Outbox(std::move(impl)));
}

Outbox::~Outbox() {
  impl_->alive.reset();
  impl_->writer.stop();
}

void Outbox::append(const std::string& consumer, std::int64_t time_ms, std::string topic,
                    std::string payload) {
  const std::lock_guard guard(impl_->writer.mutex());
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
  impl_->writer.put();
}

void Outbox::flush(std::function<void(Status)> done) {
  const std::lock_guard guard(impl_->writer.mutex());
  impl_->writer.flush(std::move(done));
}

void Outbox::read(const std::string& consumer, std::uint64_t after, std::size_t max_bytes,
                  std::function<void(Result<std::vector<Record>>)> done) {
  const std::lock_guard guard(impl_->writer.mutex());
  assert(impl_->lanes.contains(consumer));
  impl_->reads.push_back({consumer, after, max_bytes, std::move(done)});
  impl_->writer.ask(false);
}

void Outbox::acknowledge(const std::string& consumer, std::uint64_t up_to) {
  const std::lock_guard guard(impl_->writer.mutex());
  Work& work = impl_->batch[consumer];
  work.acknowledge = std::max(work.acknowledge, up_to);
  impl_->writer.put();
}

void Outbox::watch(const std::string& consumer, std::function<void()> written) {
  if (written) {
    impl_->watchers[consumer] = std::move(written);
  } else {
    impl_->watchers.erase(consumer);
  }
}

std::vector<std::string> Outbox::consumers() const {
  const std::lock_guard guard(impl_->writer.mutex());
  std::vector<std::string> names;
  for (const auto& [name, lane] : impl_->lanes) names.push_back(name);
  return names;
}

Outbox::Counters Outbox::counters(const std::string& consumer) const {
  const std::lock_guard guard(impl_->writer.mutex());
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

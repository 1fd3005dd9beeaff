#include "devicetwin/history.hpp"

#include <cassert>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/sqlite_check.hpp"
#include "history_file.hpp"
#include "horizon.hpp"
#include "rules.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using Clock = std::chrono::steady_clock;

namespace {

// One transaction's samples: a query waits for no more.
constexpr std::size_t batch_samples = 4096;
constexpr std::size_t batch_bytes = 1u << 20;

// Whether the reported value is another one; the same value again at a later time is no change.
bool reported_changed(const Change::Row& row) {
  const TwinRow& after = row.after;
  if (after.deleted || !after.actual.present) return false;
  if (!row.before || row.before->deleted || !row.before->actual.present) return true;
  return row.before->actual.value != after.actual.value || row.before->quality != after.quality ||
         row.before->type != after.type;
}

}  // namespace

// The mailbox between the loop and the thread of the file, as in Store: what waits is bounded and
// loses its oldest, which a queue of tasks cannot do.
struct History::Impl {
  struct Wait {
    HistoryQuery query;
    std::int64_t now_ms = 0;
    bool keeps = false;  // the property asks for history, so that an empty answer is no mistake
    Done done;
  };
  struct Batch {
    std::set<dmi::ObjectId> gone;  // before the samples
    std::deque<NewSample> samples;
    std::size_t bytes = 0;
    bool empty() const { return gone.empty() && samples.empty(); }
  };
  struct Period {
    std::optional<std::int64_t> horizon_ms;  // up to when samples leave by age; nullopt: none does
  };

  Core& core;
  base::Loop& loop;
  Settings settings;
  HistoryRules rules;
  base::Timer timer;
  Horizon horizon;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);

  mutable std::mutex mutex;
  std::condition_variable wake;
  Batch batch;                   // guarded by mutex
  std::vector<Wait> waits;       // guarded by mutex
  Clock::time_point due{};       // guarded by mutex: when batch is to be written
  Counters counters;             // guarded by mutex
  bool stopping = false;         // guarded by mutex
  std::optional<Period> period;  // guarded by mutex: one is over
  // guarded by mutex: where the horizon begins, once the file was looked at
  std::optional<std::int64_t> nothing_over_ms;
  std::uint64_t removed_by_files = 0;  // guarded by mutex

  // Of the thread.
  std::unique_ptr<HistoryFile> file;
  std::optional<std::set<dmi::ObjectId>> devices;  // at the start, until the file was opened
  std::uint64_t removed_before = 0;                // by files that were open before
  bool failing = false;
  bool more_to_prune = false;
  bool more_to_count = false;
  Clock::time_point next_count{};
  std::optional<std::int64_t> pruned_ms;  // up to when
  Clock::time_point next_try{};
  base::Repeats repeats;
  Status damage;  // guarded by mutex: found by the check
  std::thread writer;
  std::unique_ptr<SqliteCheck> check;  // the thread's; last, so that it is gone before the file is

  Impl(Core& the_core, Settings the_settings)
      : core(the_core),
        loop(the_core.loop()),
        settings(std::move(the_settings)),
        rules(the_core, settings.everything),
        timer(loop) {}

  void push(NewSample sample);
  void drop_oldest();
  void remove(const dmi::ObjectId& device);

  void run();
  void wait(std::unique_lock<std::mutex>& guard);
  Batch take();
  void put_back(Batch failed);
  bool ready(bool wanted);
  Status begin_horizon(HistoryFile& opened);
  void failed(const Status& status);
  bool replace(const Status& why);
  void write(std::unique_lock<std::mutex>& guard);
  void answer(std::vector<Wait> queries);
  void prune(std::optional<Period> over);
  void count_on();
  void tick();
  void count();
};

void History::Impl::drop_oldest() {
  batch.bytes -= batch.samples.front().bytes();
  batch.samples.pop_front();
  ++counters.dropped;
}

void History::Impl::push(NewSample sample) {
  const std::lock_guard guard(mutex);
  const bool first = batch.empty();
  ++counters.changes;
  batch.bytes += sample.bytes();
  batch.samples.push_back(std::move(sample));
  while (batch.samples.size() > max_queue || batch.bytes > max_queue_bytes) drop_oldest();
  if (!first) return;
  due = Clock::now() + window;
  wake.notify_one();
}

void History::Impl::remove(const dmi::ObjectId& device) {
  const std::lock_guard guard(mutex);
  if (batch.empty()) due = Clock::now() + window;
  const auto of_device = [&](const NewSample& sample) { return sample.device == device; };
  counters.removed += std::erase_if(batch.samples, of_device);
  batch.bytes = 0;
  for (const NewSample& sample : batch.samples) batch.bytes += sample.bytes();
  batch.gone.insert(device);
  wake.notify_one();
}

void History::Impl::wait(std::unique_lock<std::mutex>& guard) {
  const auto urgent = [this] { return stopping || !waits.empty() || period || !damage.ok(); };
  const auto something = [&] { return urgent() || !batch.empty(); };
  if (more_to_prune && !failing) return;
  if (more_to_count && !failing) {
    if (!wake.wait_until(guard, next_count, something)) return;
  } else {
    wake.wait(guard, something);
  }
  // Not for what could not be written anyway.
  if (!urgent()) wake.wait_until(guard, failing ? std::max(due, next_try) : due, urgent);
}

// With the mutex held.
History::Impl::Batch History::Impl::take() {
  Batch taken;
  taken.gone = std::exchange(batch.gone, {});
  while (!batch.samples.empty() && taken.samples.size() < batch_samples &&
         taken.bytes < batch_bytes) {
    const std::size_t size = batch.samples.front().bytes();
    taken.bytes += size;
    batch.bytes -= size;
    taken.samples.push_back(std::move(batch.samples.front()));
    batch.samples.pop_front();
  }
  return taken;
}

// With the mutex held.
void History::Impl::put_back(Batch old) {
  while (!old.samples.empty()) {
    NewSample& sample = old.samples.back();
    if (!batch.gone.contains(sample.device)) {
      batch.bytes += sample.bytes();
      batch.samples.push_front(std::move(sample));
    }
    old.samples.pop_back();
  }
  while (batch.samples.size() > max_queue || batch.bytes > max_queue_bytes) drop_oldest();
  batch.gone.merge(old.gone);
  due = Clock::now() + retry;
}

void History::Impl::failed(const Status& status) {
  {
    const std::lock_guard guard(mutex);
    ++counters.failures;
  }
  failing = status.code() != Code::malformed || !replace(status);
  if (!failing) return;
  next_try = Clock::now() + retry;
  repeats.warn(Clock::now(), "write", cat("the history is not written: ", status.text()));
}

// Whether the damaged file is out of the way.
bool History::Impl::replace(const Status& why) {
  check.reset();
  if (file) removed_before += file->removed();
  file.reset();
  const Status moved = HistoryFile::replace(settings.file, why);
  if (!moved.ok()) repeats.warn(Clock::now(), "move", moved.text());
  return moved.ok();
}

Status History::Impl::begin_horizon(HistoryFile& opened) {
  const auto begin = opened.nothing_over_ms();
  if (!begin) return begin.status();
  const std::lock_guard guard(mutex);
  if (!nothing_over_ms) nothing_over_ms = *begin;
  return Status();
}

// Whether the file is open. It is made when there is something to write (wanted).
bool History::Impl::ready(bool wanted) {
  if (file) return true;
  std::error_code error;
  const bool was_there = std::filesystem::exists(settings.file, error);
  if (!wanted && !was_there) return false;
  if (Clock::now() < next_try) return false;
  auto opened = HistoryFile::open(settings.file, settings.quota_bytes);
  Status status = !opened ? opened.status() : devices ? (*opened)->retain(*devices) : Status();
  if (status.ok()) status = begin_horizon(*opened->get());
  if (!status.ok()) {
    if (opened) file = std::move(*opened);  // for failed()
    failed(status);
    file.reset();
    return false;
  }
  file = std::move(*opened);
  devices.reset();
  if (!was_there) return true;
  more_to_count = true;
  next_count = Clock::now() + settings.check_after;
  check = std::make_unique<SqliteCheck>(settings.file, settings.check_after, [this](auto& why) {
    const std::lock_guard guard(mutex);
    damage = Status(Code::malformed, why);
    wake.notify_all();
  });
  return true;
}

// Until nothing is queued or the disk fails; not for ever, because queries wait.
void History::Impl::write(std::unique_lock<std::mutex>& guard) {
  for (std::size_t turn = 0; turn <= max_queue / batch_samples && !batch.empty(); ++turn) {
    Batch writing = take();
    guard.unlock();
    const bool open = ready(!writing.samples.empty());
    std::error_code error;
    // Nothing to delete where nothing is.
    const bool nothing = !open && writing.samples.empty() &&
                         !std::filesystem::exists(settings.file, error) && !failing;
    Status status;
    if (open) {
      status = file->write(writing.gone, writing.samples);
      if (!status.ok()) failed(status);
    }
    guard.lock();
    if (nothing) continue;
    if (!open || !status.ok()) return put_back(std::move(writing));
    counters.written += writing.samples.size();
    if (std::exchange(failing, false)) repeats.over("write", "the history is written again");
  }
}

void History::Impl::answer(std::vector<Wait> queries) {
  for (Wait& wait : queries) {
    Result<HistoryPage> page =
        file ? file->read(wait.query, wait.now_ms)
        : failing
            ? Result<HistoryPage>(Status(Code::unavailable, "the history's file cannot be opened"))
            : Status(Code::not_found, "no samples");
    if (!page && page.status().code() == Code::malformed) {
      failed(page.status());
      page = Status(Code::unavailable, page.status().text());
    }
    if (!page && page.status().code() == Code::not_found) {
      page = wait.keeps ? Result<HistoryPage>(HistoryPage())
                        : Status(Code::not_found,
                                 cat("property ", wait.query.property, " of device ",
                                     wait.query.device.to_string(), " keeps no history: set ",
                                     dmi::history_age_key, " in its visitors.configData"));
    }
    const auto shared = std::make_shared<Result<HistoryPage>>(std::move(page));
    const auto task = [life = std::weak_ptr(alive), done = std::move(wait.done), shared] {
      if (!life.expired()) done(std::move(*shared));
    };
    // A loop that is full now has room later, and somebody waits for this answer.
    while (!loop.post(task)) {
      std::unique_lock guard(mutex);
      if (wake.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping; })) return;
    }
  }
}

// What no start waits for.
void History::Impl::count_on() {
  const auto begun = Clock::now();
  if (!file || !more_to_count || begun < next_count) return;
  const auto more = file->count_some();
  more_to_count = more.ok() && *more;
  next_count = Clock::now() + 3 * (Clock::now() - begun);
  if (!more.ok()) failed(more.status());
}

// over: a period is; absent: go on with what was begun.
void History::Impl::prune(std::optional<Period> over) {
  if (over) pruned_ms = over->horizon_ms;
  if (!file || (!over && !more_to_prune)) return;
  const auto more = file->prune(pruned_ms);
  more_to_prune = more.ok() && *more;
  if (!more.ok()) return failed(more.status());
  if (!over) return;
  if (const Status status = file->sync(); !status.ok()) failed(status);
}

// On the loop, because time is the loop's, and not to be lent to a thread that waits for a disk.
void History::Impl::tick() {
  {
    const std::lock_guard guard(mutex);
    period.emplace();
    if (nothing_over_ms) {
      period->horizon_ms = horizon.move(loop.wall(), loop.now(), *nothing_over_ms);
    }
    wake.notify_one();
  }
  timer.start(sync, [this] { tick(); });
}

// With the mutex held.
void History::Impl::count() {
  counters.series = file ? file->series() : 0;
  counters.bytes = file ? file->bytes() : 0;
  removed_by_files = removed_before + (file ? file->removed() : 0);
}

void History::Impl::run() {
  ready(false);
  std::unique_lock guard(mutex);
  if (!failing && !nothing_over_ms) nothing_over_ms = HistoryFile::never_ms;  // there is no file
  for (;;) {
    wait(guard);
    ++counters.turns;
    const bool last = stopping;
    auto queries = std::exchange(waits, {});
    const auto over = std::exchange(period, std::nullopt);
    const Status found = std::exchange(damage, Status());
    if (!found.ok()) {
      guard.unlock();
      failed(found);
      guard.lock();
    }
    if (!failing || Clock::now() >= next_try || last) write(guard);
    guard.unlock();
    prune(over);
    count_on();
    answer(std::move(queries));
    guard.lock();
    count();
    if (last) return;
  }
}

History::History(Core& core, Settings settings)
    : impl_(std::make_unique<Impl>(core, std::move(settings))) {
  impl_->settings.quota_bytes = std::max(impl_->settings.quota_bytes, min_quota_bytes);
  impl_->devices.emplace();
  for (const Object* device : core.list(Kind::device, "")) impl_->devices->insert(device->id);
  impl_->writer = std::thread([impl = impl_.get()] { impl->run(); });
  impl_->tick();
  core.add_outlet(*this);
}

History::~History() {
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->writer.join();
}

void History::changed(const Change& change) {
  assert(impl_->loop.here());
  if (change.kind == Kind::device_model) return impl_->rules.model_changed(change.id);
  if (change.kind == Kind::device) {
    impl_->rules.device_changed(change.id);
    if (change.what == Change::What::deleted) impl_->remove(change.id);
    return;
  }
  if (change.what == Change::What::deleted || change.rows.empty()) return;
  const DeviceRules* rules = impl_->rules.of(change.id);
  if (rules == nullptr) return;
  const base::Time wall = impl_->loop.wall();
  const std::int64_t came_ms = base::believable(wall) ? base::to_ms(wall) : 0;
  for (const Change::Row& row : change.rows) {
    const dmi::HistoryRule& rule = rules->of(row.after.name);
    if (!rule.keeps() || !reported_changed(row)) continue;
    impl_->push({change.id,
                 row.after.name,
                 rule,
                 {row.after.actual.time_ms, came_ms, row.after.actual.value, row.after.type,
                  row.after.quality}});
  }
}

void History::query(HistoryQuery query, Done done) {
  assert(impl_->loop.here());
  Status refusal;
  if (query.limit == 0 || query.limit > HistoryQuery::max_limit) {
    refusal = Status(Code::out_of_range, cat("limit: ", query.limit, " is outside 1..",
                                             HistoryQuery::max_limit, "; page with continue"));
  } else if (impl_->core.find(Kind::device, query.device) == nullptr) {
    refusal = Status(Code::not_found, cat("device ", query.device.to_string(), " is not there"));
  }
  const DeviceRules* rules = refusal.ok() ? impl_->rules.of(query.device) : nullptr;
  const bool keeps = rules != nullptr && rules->of(query.property).keeps();
  {
    const std::lock_guard guard(impl_->mutex);
    ++impl_->counters.queries;
    if (refusal.ok() && impl_->waits.size() >= max_queries) {
      ++impl_->counters.refused_queries;
      refusal = Status(Code::unavailable, cat(max_queries, " queries of history wait already"));
    }
    if (refusal.ok()) {
      impl_->waits.push_back(
          {std::move(query), base::to_ms(impl_->loop.wall()), keeps, std::move(done)});
      impl_->wake.notify_one();
      return;
    }
  }
  impl_->loop.post([done = std::move(done), refusal] { done(refusal); });
}

History::Counters History::counters() const {
  const std::lock_guard guard(impl_->mutex);
  Counters counters = impl_->counters;
  counters.removed += impl_->removed_by_files;
  counters.queued = impl_->batch.samples.size();
  counters.wrong_rules = impl_->rules.wrong();
  return counters;
}

}  // namespace devicetwin

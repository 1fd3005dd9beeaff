#include "devicetwin/history.hpp"

#include <cassert>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/durable_writer.hpp"
#include "history_file.hpp"
#include "horizon.hpp"
#include "rules.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using Clock = DurableWriter::Clock;

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

// The mailbox between the loop and the writer: what waits is bounded and loses its oldest.
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

  // Guarded by the writer's mutex.
  Batch batch;
  std::vector<Wait> waits;
  Counters counters;
  std::optional<Period> period;                 // one is over
  std::optional<std::int64_t> nothing_over_ms;  // where the horizon begins, once the file was seen
  std::uint64_t removed_by_files = 0;

  // The writer's.
  std::vector<Wait> queries;  // of this turn
  std::unique_ptr<HistoryFile> file;
  std::optional<std::set<dmi::ObjectId>> devices;  // at the start, until the file was opened
  std::uint64_t removed_before = 0;                // by files that were open before
  std::optional<std::int64_t> pruned_ms;           // up to when
  bool more_to_prune = false;
  bool more_to_count = false;
  Clock::time_point next_count{};
  base::Repeats repeats;
  DurableWriter writer;

  Impl(Core& the_core, Settings the_settings)
      : core(the_core),
        loop(the_core.loop()),
        settings(std::move(the_settings)),
        rules(the_core, settings.everything),
        timer(loop),
        writer(loop, {.what = "history",
                      .write = [this] { return write(); },
                      .replace = [this](const Status& why) { return replace(why); },
                      .serve = [this] { serve(); },
                      .begin = [this] { queries = std::exchange(waits, {}); }}) {}

  void push(NewSample sample);
  void drop_oldest();
  void remove(const dmi::ObjectId& device);

  Batch take();
  void put_back(Batch failed);
  Status open(bool wanted);
  Status begin_horizon(HistoryFile& opened);
  Status write();
  Status write_all();
  Status replace(const Status& why);
  void serve();
  void answer(std::vector<Wait> queries);
  void prune(std::optional<Period> over);
  void count_on();
  void trouble(const Status& status);
  void tick();
  void count();
};

void History::Impl::drop_oldest() {
  batch.bytes -= batch.samples.front().bytes();
  batch.samples.pop_front();
  ++counters.dropped;
}

void History::Impl::push(NewSample sample) {
  const std::lock_guard guard(writer.mutex());
  ++counters.changes;
  batch.bytes += sample.bytes();
  batch.samples.push_back(std::move(sample));
  while (batch.samples.size() > max_queue || batch.bytes > max_queue_bytes) drop_oldest();
  writer.put();
}

void History::Impl::remove(const dmi::ObjectId& device) {
  const std::lock_guard guard(writer.mutex());
  const auto of_device = [&](const NewSample& sample) { return sample.device == device; };
  counters.removed += std::erase_if(batch.samples, of_device);
  batch.bytes = 0;
  for (const NewSample& sample : batch.samples) batch.bytes += sample.bytes();
  batch.gone.insert(device);
  writer.put();
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
}

// Where the file is, or there is something to put into it (wanted): opens it.
Status History::Impl::open(bool wanted) {
  std::error_code error;
  const bool was_there = std::filesystem::exists(settings.file, error);
  if (file || (!wanted && !was_there)) return Status();
  auto opened = HistoryFile::open(settings.file, settings.quota_bytes);
  if (!opened) return opened.status();
  if (devices) {
    if (Status status = (*opened)->retain(*devices); !status.ok()) return status;
  }
  if (Status status = begin_horizon(**opened); !status.ok()) return status;
  file = std::move(*opened);
  devices.reset();
  if (!was_there) return Status();
  more_to_count = true;
  next_count = Clock::now() + settings.check_after;
  writer.check(settings.file, settings.check_after);
  return Status();
}

Status History::Impl::begin_horizon(HistoryFile& opened) {
  const auto begin = opened.nothing_over_ms();
  if (!begin) return begin.status();
  const std::lock_guard guard(writer.mutex());
  if (!nothing_over_ms) nothing_over_ms = *begin;
  return Status();
}

Status History::Impl::write() {
  Status status = write_all();
  const std::lock_guard guard(writer.mutex());
  if (!status.ok()) ++counters.failures;
  return status;
}

// Until nothing is queued; not for ever, because queries wait.
Status History::Impl::write_all() {
  for (std::size_t turn = 0; turn <= max_queue / batch_samples; ++turn) {
    Batch writing;
    {
      const std::lock_guard guard(writer.mutex());
      writing = take();
      if (batch.empty() && writing.empty() && turn > 0) break;
    }
    Status status = open(!writing.samples.empty());
    const bool nothing = status.ok() && !file;  // nothing to delete where nothing is
    if (file && !writing.empty()) status = file->write(writing.gone, writing.samples);
    const std::lock_guard guard(writer.mutex());
    if (nothing) continue;
    if (!status.ok()) {
      put_back(std::move(writing));
      return status;
    }
    counters.written += writing.samples.size();
  }
  const std::lock_guard guard(writer.mutex());
  if (!file && !nothing_over_ms) nothing_over_ms = HistoryFile::never_ms;
  if (!batch.empty()) writer.put();
  return Status();
}

// Of what nobody waits for.
void History::Impl::trouble(const Status& status) {
  if (status.code() == Code::malformed) writer.damaged(status.text());
  repeats.warn(Clock::now(), "tidy", cat("the history is not tidied: ", status.text()));
  const std::lock_guard guard(writer.mutex());
  ++counters.failures;
}

Status History::Impl::replace(const Status& why) {
  if (file) removed_before += file->removed();
  file.reset();
  return HistoryFile::replace(settings.file, why);
}

void History::Impl::serve() {
  std::optional<Period> over;
  {
    const std::lock_guard guard(writer.mutex());
    ++counters.turns;
    over = std::exchange(period, std::nullopt);
  }
  prune(over);
  count_on();
  answer(std::exchange(queries, {}));
  const std::lock_guard guard(writer.mutex());
  count();
  if (more_to_prune) writer.ask(false);
  if (more_to_count) writer.turn_at(next_count);
}

void History::Impl::answer(std::vector<Wait> queries) {
  for (Wait& wait : queries) {
    Result<HistoryPage> page =
        file ? file->read(wait.query, wait.now_ms)
        : writer.failing()
            ? Result<HistoryPage>(Status(Code::unavailable, "the history's file cannot be opened"))
            : Status(Code::not_found, "no samples");
    if (!page && page.status().code() == Code::malformed) {
      writer.damaged(page.status().text());
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
    (void)writer.tell(task);
  }
}

// What no start waits for.
void History::Impl::count_on() {
  const auto begun = Clock::now();
  if (!file || !more_to_count || begun < next_count) return;
  const auto more = file->count_some();
  more_to_count = more.ok() && *more;
  next_count = Clock::now() + 3 * (Clock::now() - begun);
  if (!more.ok()) trouble(more.status());
}

// over: a period is; absent: go on with what was begun.
void History::Impl::prune(std::optional<Period> over) {
  if (over) pruned_ms = over->horizon_ms;
  if (!file || (!over && !more_to_prune)) return;
  const auto more = file->prune(pruned_ms);
  more_to_prune = more.ok() && *more;
  if (!more.ok()) return trouble(more.status());
  if (!over) return;
  if (const Status status = file->sync(); !status.ok()) trouble(status);
}

// On the loop, because time is the loop's, and not to be lent to a thread that waits for a disk.
void History::Impl::tick() {
  {
    const std::lock_guard guard(writer.mutex());
    period.emplace();
    if (nothing_over_ms) {
      period->horizon_ms = horizon.move(loop.wall(), loop.now(), *nothing_over_ms);
    }
    writer.ask(true);
  }
  timer.start(sync, [this] { tick(); });
}

// With the mutex held.
void History::Impl::count() {
  counters.series = file ? file->series() : 0;
  counters.bytes = file ? file->bytes() : 0;
  removed_by_files = removed_before + (file ? file->removed() : 0);
}

History::History(Core& core, Settings settings)
    : impl_(std::make_unique<Impl>(core, std::move(settings))) {
  impl_->settings.quota_bytes = std::max(impl_->settings.quota_bytes, min_quota_bytes);
  impl_->devices.emplace();
  for (const Object* device : core.list(Kind::device, "")) impl_->devices->insert(device->id);
  impl_->writer.start(true);
  impl_->tick();
  core.add_outlet(*this);
}

History::~History() {
  impl_->alive.reset();
  impl_->writer.stop();
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
    const std::lock_guard guard(impl_->writer.mutex());
    ++impl_->counters.queries;
    if (refusal.ok() && impl_->waits.size() >= max_queries) {
      ++impl_->counters.refused_queries;
      refusal = Status(Code::unavailable, cat(max_queries, " queries of history wait already"));
    }
    if (refusal.ok()) {
      impl_->waits.push_back(
          {std::move(query), base::to_ms(impl_->loop.wall()), keeps, std::move(done)});
      impl_->writer.ask(true);
      return;
    }
  }
  impl_->loop.post([done = std::move(done), refusal] { done(refusal); });
}

History::Counters History::counters() const {
  const std::lock_guard guard(impl_->writer.mutex());
  Counters counters = impl_->counters;
  counters.removed += impl_->removed_by_files;
  counters.queued = impl_->batch.samples.size();
  counters.wrong_rules = impl_->rules.wrong();
  return counters;
}

}  // namespace devicetwin

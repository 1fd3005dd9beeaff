#include "devicetwin/upload.hpp"

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "devicetwin/replay.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// Header values carry printable ASCII; other bytes and '%' of a topic are written as %41.
std::string header_value(std::string_view text) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (c > ' ' && c < 0x7f && c != '%') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace

// The replay hands one record at a time to the thread, which posts the outcome back.
struct Upload::Impl {
  base::Loop& loop;
  Outbox& outbox;
  Settings settings;
  std::atomic<bool> stopped{false};
  base::Post post;
  base::Repeats repeats;  // the loop's
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
  Record record;      // the one on its way
  Replay::Done done;  // of it
  std::uint64_t refused = 0;
  std::uint64_t aside = 0;  // the number of the last one: its gap goes until it is taken
  Replay replay;

  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::optional<Record> next;
  bool stopping = false;
  std::thread thread;  // last: it uses the others

  Impl(base::Loop& owner, Outbox& from, Settings wanted)
      : loop(owner),
        outbox(from),
        settings(std::move(wanted)),
        post(settings.access, settings.timeout, [this] { return stopped.load(); }),
        replay(owner, from, consumer,
               {.in_flight = 1,
                .records_per_s = settings.records_per_s,
                .first_retry = settings.first_retry,
                .most_retry = settings.most_retry},
               [this](const Record& first, Replay::Done told) {
                 done = std::move(told);
                 hand(first.sequence == aside ? marker(first) : first);
               }) {
    thread = std::thread([this] { run(); });
    ::pthread_setname_np(thread.native_handle(), "upload");
  }

  void hand(Record now);
  static Record marker(const Record& refused);
  void run();
  void tell(const Status& status);
  void told(const Status& status);
  base::Post::Headers headers(const Record& record) const;
};

base::Post::Headers Upload::Impl::headers(const Record& record) const {
  base::Post::Headers out = {{"NodeName", header_value(settings.node)},
                             {"X-Sequence", cat(record.sequence)}};
  if (record.gap) {
    out.emplace_back("X-Gap", "1");
    out.emplace_back("Content-Type", "application/json");
    return out;
  }
  out.emplace_back("X-Topic", header_value(record.topic));
  out.emplace_back("X-Time", cat(record.time_ms));
  out.emplace_back("Content-Type", "application/octet-stream");
  return out;
}

void Upload::Impl::hand(Record now) {
  record = std::move(now);
  {
    const std::lock_guard guard(mutex);
    next = record;
  }
  changed.notify_one();
}

Record Upload::Impl::marker(const Record& refused) {
  const Gap gap{.from = refused.sequence,
                .to = refused.sequence,
                .count = 1,
                .bytes = refused.topic.size() + refused.payload.size(),
                .first_ms = refused.time_ms,
                .last_ms = refused.time_ms,
                .causes = Gap::refused};
  return {.sequence = refused.sequence, .gap = gap};
}

void Upload::Impl::run() {
  std::unique_lock guard(mutex);
  for (;;) {
    changed.wait(guard, [this] { return stopping || next.has_value(); });
    if (stopping) return;
    const Record sending = std::move(*next);
    next.reset();
    guard.unlock();
    tell(post.send(settings.url, headers(sending),
                   sending.gap ? gap_text(*sending.gap) : sending.payload));
    guard.lock();
  }
}

void Upload::Impl::tell(const Status& status) {
  const auto task = [this, life = std::weak_ptr(alive), status] {
    if (!life.expired()) told(status);
  };
  // A loop that is full now has room later, and nothing goes on before it knows.
  while (!loop.post(task)) {
    std::unique_lock guard(mutex);
    if (changed.wait_for(guard, std::chrono::milliseconds(10), [this] { return stopping; })) return;
  }
}

void Upload::Impl::told(const Status& status) {
  if (status.code() == Code::refused && !record.gap) {
    ++refused;
    aside = record.sequence;
    base::log_error(cat("upload: record ", record.sequence, " of topic ", record.topic, ", ",
                        record.payload.size(), " bytes, is put aside: ", status.text()));
    return hand(marker(record));
  }
  if (status.ok()) {
    repeats.over("post", "uploads are taken again");
  } else {
    repeats.warn(loop.now(), "post",
                 cat("upload: ", status.text(), "; tried again until it is taken"));
  }
  const Replay::Done tell_replay = std::exchange(done, {});
  if (tell_replay) tell_replay(status.ok());
}

Upload::Upload(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Upload>> Upload::start(base::Loop& loop, Outbox& outbox, Settings settings) {
  Status status = base::check_post_form(settings.url, settings.access, {});
  if (!status.ok()) return Status(status.code(), cat("--upload-url: ", status.text()));
  status = base::check_post_files(settings.access, {});
  if (!status.ok()) return status;
  auto impl = std::make_unique<Impl>(loop, outbox, std::move(settings));
  impl->replay.resume();
  return std::unique_ptr<Upload>(new Upload(std::move(impl)));
}

Upload::~Upload() {
  impl_->alive.reset();
  impl_->stopped = true;
  {
    const std::lock_guard guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_one();
  impl_->thread.join();
}

void Upload::take(std::string_view topic, std::string_view payload) {
  impl_->outbox.append(consumer, base::to_ms(impl_->loop.wall()), std::string(topic),
                       std::string(payload));
}

Upload::Counters Upload::counters() const {
  const Replay::Counters counters = impl_->replay.counters();
  return {.delivered = counters.delivered, .failed = counters.failed, .refused = impl_->refused};
}

}  // namespace devicetwin

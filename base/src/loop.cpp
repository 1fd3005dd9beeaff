#include "base/loop.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cassert>
#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>
#include <thread>
#include <unordered_map>

namespace base {

namespace asio = boost::asio;

std::int64_t to_ms(Time time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Time from_ms(std::int64_t ms) {
  // Any int64 may come from a peer: what the clock cannot hold becomes its edge.
  constexpr auto most =
      std::chrono::duration_cast<std::chrono::milliseconds>(Time::duration::max()).count();
  ms = std::min(std::max(ms, -most), most);
  return Time(std::chrono::duration_cast<Time::duration>(std::chrono::milliseconds(ms)));
}

std::string to_rfc3339(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

namespace {

// count digits at the start of text, which they leave; -1: others stand there.
int take_digits(std::string_view& text, std::size_t count) {
  int number = 0;
  if (text.size() < count) return -1;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == any_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+01:30"; nothing may follow.
bool take_offset(std::string_view text, int& minutes) {
  minutes = 0;
  if (text.size() == 1) return take(text, "Zz");
  const bool west = text.starts_with('-');
  if (!take(text, "+-")) return false;
  const int hour = take_digits(text, 2);
  const int minute = take(text, ":") ? take_digits(text, 2) : -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || !text.empty()) return false;
  minutes = (hour * 60 + minute) * (west ? -1 : 1);
  return true;
}

}  // namespace

// RFC 3339 section 5.6; a leap second is the next minute's first.
bool from_rfc3339(std::string_view text, std::int64_t& ms) {
  const int year = take_digits(text, 4);
  const int month = take(text, "-") ? take_digits(text, 2) : -1;
  const int day = take(text, "-") ? take_digits(text, 2) : -1;
  const int hour = take(text, "Tt ") ? take_digits(text, 2) : -1;
  const int minute = take(text, ":") ? take_digits(text, 2) : -1;
  const int second = take(text, ":") ? take_digits(text, 2) : -1;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (year < 1970 || month < 1 || day < 1 || !date.ok() || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59 || second < 0 || second > 60) {
    return false;
  }
  std::int64_t fraction = 0;
  if (take(text, ".")) {
    std::size_t digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
      if (digits < 3) fraction = fraction * 10 + (text.front() - '0');
      text.remove_prefix(1);
    }
    if (digits == 0) return false;
    for (; digits < 3; ++digits) fraction *= 10;
  }
  int offset = 0;
  if (!take_offset(text, offset)) return false;
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  const std::int64_t minutes =
      std::chrono::duration_cast<std::chrono::minutes>(days).count() + hour * 60 + minute - offset;
  ms = (minutes * 60 + second) * 1000 + fraction;
  return true;
}

void Timer::start(Duration delay, Loop::Task task) {
  stop();
  id_ = loop_.after(delay, [this, task = std::move(task)]() mutable {
    id_ = 0;
    // The task may destroy this timer, so it must not live inside it.
    const Loop::Task run = std::move(task);
    run();
  });
}

void Timer::stop() {
  if (id_ != 0) loop_.cancel(std::exchange(id_, 0));
}

struct IoLoop::Impl {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::unordered_map<TimerId, asio::steady_timer> timers;
  TimerId next_id = 1;
  std::atomic<std::size_t> posted{0};
  std::atomic<bool> stopped{false};
  std::atomic<std::thread::id> thread{};
  std::optional<asio::signal_set> signals;
};

IoLoop::IoLoop() : impl_(std::make_unique<Impl>()) {
  // Until it runs elsewhere, a loop belongs to the thread that made it and sets up its objects.
  impl_->thread = std::this_thread::get_id();
}
IoLoop::~IoLoop() = default;

void IoLoop::run() {
  impl_->thread = std::this_thread::get_id();
  impl_->io.run();
  impl_->stopped = true;
  impl_->timers.clear();
}

void IoLoop::stop() {
  // Through the queue, so that everything posted before still runs.
  asio::post(impl_->io, [this] {
    impl_->stopped = true;
    impl_->io.stop();
  });
}

void IoLoop::on_signal(std::function<void(int)> handler) {
  impl_->signals.emplace(impl_->io, SIGINT, SIGTERM);
  impl_->signals->async_wait([this, handler = std::move(handler)](const auto& error, int signal) {
    if (error) return;
    // A second signal finds the default action: it ends a shutdown that hangs.
    impl_->signals->clear();
    handler(signal);
  });
}

bool IoLoop::post(Task task) {
  if (impl_->stopped || impl_->posted.fetch_add(1) >= max_tasks) {
    if (!impl_->stopped) impl_->posted.fetch_sub(1);
    return false;
  }
  asio::post(impl_->io, [impl = impl_.get(), task = std::move(task)] {
    impl->posted.fetch_sub(1);
    task();
  });
  return true;
}

Loop::TimerId IoLoop::after(Duration delay, Task task) {
  assert(here());
  const TimerId id = impl_->next_id++;
  const auto [timer, added] = impl_->timers.try_emplace(id, impl_->io, delay);
  timer->second.async_wait([impl = impl_.get(), id, task = std::move(task)](const auto& error) {
    if (error || impl->timers.erase(id) == 0) return;
    task();
  });
  return id;
}

void IoLoop::cancel(TimerId timer) {
  // Erasing cancels; a handler that is already queued finds the timer gone.
  impl_->timers.erase(timer);
}

SteadyTime IoLoop::now() const { return std::chrono::steady_clock::now(); }
Time IoLoop::wall() const { return std::chrono::system_clock::now(); }
bool IoLoop::here() const { return impl_->thread.load() == std::this_thread::get_id(); }
asio::io_context& IoLoop::io() { return impl_->io; }

ManualLoop::ManualLoop(Time start) : wall_(start) {}

bool ManualLoop::post(Task task) {
  const std::lock_guard lock(mutex_);
  if (posted_.size() >= max_tasks) return false;
  posted_.push_back(std::move(task));
  return true;
}

Loop::TimerId ManualLoop::after(Duration delay, Task task) {
  const TimerId id = next_id_++;
  const SteadyTime due = now_ + std::max(delay, Duration::zero());
  timers_.emplace(std::pair(due, id), std::move(task));
  due_.emplace(id, due);
  return id;
}

void ManualLoop::cancel(TimerId timer) {
  const auto due = due_.find(timer);
  if (due == due_.end()) return;
  timers_.erase(std::pair(due->second, timer));
  due_.erase(due);
}

void ManualLoop::run_posted() {
  for (;;) {
    std::vector<Task> tasks;
    {
      const std::lock_guard lock(mutex_);
      tasks.swap(posted_);
    }
    if (tasks.empty()) return;
    for (Task& task : tasks) task();
  }
}

void ManualLoop::advance(Duration by) {
  const SteadyTime until = now_ + by;
  run_posted();
  while (!timers_.empty() && timers_.begin()->first.first <= until) {
    auto next = timers_.extract(timers_.begin());
    wall_ += std::chrono::duration_cast<Time::duration>(next.key().first - now_);
    now_ = next.key().first;
    due_.erase(next.key().second);
    next.mapped()();
    run_posted();
  }
  wall_ += std::chrono::duration_cast<Time::duration>(until - now_);
  now_ = until;
}

}  // namespace base

#include "base/lane.hpp"

#include <deque>
#include <mutex>
#include <utility>

namespace base {

namespace {

// What a task costs beside what it keeps alive: its place in the queue and its captures.
constexpr std::size_t task_bytes = 256;

}  // namespace

struct Lane::State : std::enable_shared_from_this<State> {
  struct Waiting {
    std::size_t bytes;
    Loop::Task task;
  };

  State(Loop& owner, Limits wanted) : loop(owner), limits(wanted) {}

  Loop& loop;
  const Limits limits;
  mutable std::mutex mutex;  // guards all below: tasks come from any thread
  std::deque<Waiting> waiting;
  std::size_t bytes = 0;
  std::size_t running = 0;  // 1 while a task runs
  std::uint64_t refused = 0;
  bool scheduled = false;
  bool closed = false;

  bool post(std::size_t size, Loop::Task task);
  void serve();
  void close();
};

bool Lane::State::post(std::size_t size, Loop::Task task) {
  size += task_bytes;
  const std::lock_guard lock(mutex);
  if (closed) return false;
  const bool fits = bytes == 0 || bytes + size <= limits.bytes;
  if (!fits || (!scheduled && !loop.post([self = shared_from_this()] { self->serve(); }))) {
    ++refused;
    return false;
  }
  scheduled = true;
  bytes += size;
  waiting.push_back({size, std::move(task)});
  return true;
}

void Lane::State::serve() {
  const SteadyTime end = loop.now() + limits.slice;
  do {
    Waiting next;
    {
      const std::lock_guard lock(mutex);
      if (closed || waiting.empty()) {
        scheduled = false;
        return;
      }
      next = std::move(waiting.front());
      waiting.pop_front();
      running = 1;
    }
    next.task();
    next.task = nullptr;  // what it keeps alive goes before its bytes are given back
    const std::lock_guard lock(mutex);
    running = 0;
    bytes -= next.bytes;
  } while (loop.now() < end);
  // By a timer, because sockets are looked at before timers are run; and no queue can be full.
  loop.after(Duration::zero(), [self = shared_from_this()] { self->serve(); });
}

void Lane::State::close() {
  std::deque<Waiting> dropped;
  const std::lock_guard lock(mutex);
  closed = true;
  dropped.swap(waiting);
}

Lane::Lane(Loop& loop, Limits limits) : state_(std::make_shared<State>(loop, limits)) {}
Lane::~Lane() { state_->close(); }

bool Lane::post(std::size_t bytes, Loop::Task task) { return state_->post(bytes, std::move(task)); }

Lane::Counters Lane::counters() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->waiting.size() + state_->running, state_->bytes, state_->refused};
}

}  // namespace base

#include "bus.hpp"

#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/log.hpp"
#include "base/text.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

// The queue and the thread of one bus.
class Bus : public std::enable_shared_from_this<Bus> {
 public:
  using Job = std::function<void()>;

  explicit Bus(std::string key) : key_(std::move(key)) {}

  // The thread owns the bus as well, so that one that hangs may be left behind.
  bool start() {
    try {
      std::thread([self = shared_from_this()] { self->run(); }).detach();
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }
  bool push(Job job, bool always = false) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || (!always && jobs_.size() >= Buses::max_waiting)) return false;
    jobs_.push_back(std::move(job));
    changed_.notify_all();
    return true;
  }
  // No jobs from here on; the thread ends after those it has.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  bool wait_ended(std::chrono::steady_clock::time_point until) {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, until, [this] { return ended_; });
  }

  const std::string& key() const { return key_; }
  std::size_t users = 0;  // drivers and openings; loop only

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) break;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;  // what it holds is destroyed here too, without the lock
      lock.lock();
    }
    ended_ = true;
    changed_.notify_all();
  }

  const std::string key_;
  std::mutex mutex_;  // guards all below: the queue is where loop and bus meet
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  bool ended_ = false;
};

namespace {

// A driver and the batch it works on. Belongs to the bus while a job of it is queued or runs, and
// to the loop otherwise; the queue and the inbox hand it over.
struct Cell {
  std::shared_ptr<const Target> target;
  std::vector<Reading> readings;
  std::vector<Command> commands;
  std::unique_ptr<Driver> driver;  // last: goes first
};

// Runs a call of the driver's author and turns what it throws into internal.
template <class Call>
auto guarded(const Cell& cell, const char* verb, Call call) -> decltype(call()) {
  const auto thrown = [&](std::string_view what) {
    return Status(Code::internal, cat(cell.target->id.to_string(), ": ", verb, " threw", what));
  };
  try {
    return call();
  } catch (const std::exception& error) {
    return thrown(cat(": ", error.what()));
  } catch (...) {  // the boundary to code of the mapper's author
    return thrown("");
  }
}

}  // namespace

class BusDriver final : public AsyncDriver {
 public:
  BusDriver(Buses& buses, std::shared_ptr<Bus> bus, std::shared_ptr<Cell> cell)
      : buses_(buses), inbox_(buses.inbox_), bus_(std::move(bus)), cell_(std::move(cell)) {}

  ~BusDriver() override { close(buses_, std::move(bus_), std::move(cell_)); }

  // Destroys the driver on its bus, behind the call that is on the wire.
  static void close(Buses& buses, std::shared_ptr<Bus> bus, std::shared_ptr<Cell> cell) {
    bus->push(
        [cell = std::move(cell), bus, inbox = buses.inbox_, &buses]() mutable {
          cell->driver.reset();
          cell.reset();
          inbox->post([bus, &buses] {
            if (--bus->users == 0) buses.retire(bus->key());
          });
        },
        true);
  }

  void read(std::span<Reading> batch, Done done) override {
    cell_->readings.clear();
    for (const Reading& reading : batch) cell_->readings.push_back({reading.point, std::nullopt});
    start(
        "read", std::move(done), [](Cell& cell) { return cell.driver->read(cell.readings); },
        [batch](Cell& cell) {
          for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i].sample = std::move(cell.readings[i].sample);
          }
        });
  }

  void write(std::span<Command> batch, Done done) override {
    cell_->commands.clear();
    for (const Command& command : batch) cell_->commands.push_back(command);
    start(
        "write", std::move(done), [](Cell& cell) { return cell.driver->write(cell.commands); },
        [batch](Cell& cell) {
          for (std::size_t i = 0; i < batch.size(); ++i) {
            batch[i].status = std::move(cell.commands[i].status);
          }
        });
  }

  void settled() override {
    bus_->push(
        [cell = cell_] {
          const Status failed = guarded(*cell, "settled", [&] {
            cell->driver->settled();
            return Status();
          });
          if (!failed.ok()) base::log_error(failed.text());
        },
        true);
  }

 private:
  // call(cell) on the bus; then, on the loop and only if this still lives, take(cell) and done.
  template <class Call, class Take>
  void start(const char* verb, Done done, Call call, Take take) {
    const auto finish = [alive = std::weak_ptr<bool>(alive_), cell = cell_, take,
                         done = std::move(done)](Status status) {
      if (alive.expired()) return;
      take(*cell);
      done(std::move(status));
    };
    const bool queued = bus_->push([cell = cell_, inbox = inbox_, verb, call, finish] {
      Status status = guarded(*cell, verb, [&] { return call(*cell); });
      inbox->post([finish, status = std::move(status)] { finish(status); });
    });
    if (queued) return;
    inbox_->post([finish, key = bus_->key()] {
      finish(Status(Code::unavailable, cat("bus ", key, ": ", Buses::max_waiting, " calls wait")));
    });
  }

  Buses& buses_;
  std::shared_ptr<Inbox> inbox_;
  std::shared_ptr<Bus> bus_;
  std::shared_ptr<Cell> cell_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Buses::Buses(base::Loop& loop, const Protocol& protocol)
    : loop_(loop), protocol_(protocol), inbox_(std::make_shared<Inbox>(loop)) {}

Buses::~Buses() { stop(std::chrono::milliseconds(0)); }

Opener Buses::opener() {
  return [this](std::shared_ptr<const Target> target, Sink sink, OpenDone done) {
    open(std::move(target), std::move(sink), std::move(done));
  };
}

std::string Buses::key_of(const Target& target) const {
  const std::string own = target.id.to_string();
  if (!protocol_.bus) return own;
  const std::string shared = protocol_.bus(target);
  return shared.empty() ? own : shared;
}

void Buses::open(std::shared_ptr<const Target> target, Sink sink, OpenDone done) {
  assert(loop_.here());
  const auto fail = [&](Status status) {
    inbox_->post([done, status = std::move(status)] { done(status); });
  };
  const auto cell = std::make_shared<Cell>();
  cell->target = target;
  Result<std::string> key =
      guarded(*cell, "bus", [&]() -> Result<std::string> { return key_of(*target); });
  if (!key) return fail(key.status());
  std::shared_ptr<Bus>& bus = buses_[*key];
  if (!bus) {
    bus = std::make_shared<Bus>(*key);
    if (buses_.size() > max_buses || !bus->start()) {
      buses_.erase(*key);
      return fail(
          Status(Code::unavailable, cat(target->id.to_string(), ": no thread for bus ", *key, ", ",
                                        buses_.size(), " of ", max_buses, " are running")));
    }
  }
  ++bus->users;
  // The answer owns the cell; when nobody wants it any more it is closed on the bus all the same.
  bus->push(
      [this, cell, bus, sink = std::move(sink), done = std::move(done), inbox = inbox_] {
        Result<std::unique_ptr<Driver>> opened =
            guarded(*cell, "open", [&] { return protocol_.open(*cell->target, sink); });
        Status status = opened.status();
        if (opened) cell->driver = std::move(*opened);
        if (status.ok() && !cell->driver) {
          status = Status(Code::internal,
                          cat(cell->target->id.to_string(), ": open gave no driver and no reason"));
        }
        inbox->post([this, cell, bus, done, status = std::move(status)] {
          auto driver = std::make_unique<BusDriver>(*this, bus, cell);
          if (!status.ok()) return done(status);
          done(std::unique_ptr<AsyncDriver>(std::move(driver)));
        });
      },
      true);
}

void Buses::retire(const std::string& key) {
  const auto found = buses_.find(key);
  if (found == buses_.end() || found->second->users != 0) return;
  found->second->stop();
  buses_.erase(found);
}

std::vector<std::string> Buses::stop(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  // What a bus still opens is destroyed there, because the inbox takes no answers any more; what
  // was answered and not wanted goes back to its bus before that stops.
  inbox_->finish();
  for (const auto& [key, bus] : buses_) bus->stop();
  std::vector<std::string> hanging;
  for (const auto& [key, bus] : buses_) {
    if (!bus->wait_ended(until)) hanging.push_back(key);
  }
  buses_.clear();
  return hanging;
}

}  // namespace mapper

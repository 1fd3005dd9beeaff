#include "modbus/names.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

#include "base/text.hpp"

namespace modbus {

namespace asio = boost::asio;
using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

// Names that had no address are remembered; past this many nobody is.
constexpr std::size_t max_dead = 4096;

Result<Names::Addresses> ask_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // else each address comes once per type
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return Status(Code::unavailable, cat(host, ": ", ::gai_strerror(error)));
  }
  Names::Addresses addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  ::freeaddrinfo(list);
  if (addresses.empty()) return Status(Code::unavailable, cat(host, ": no address"));
  return addresses;
}

}  // namespace

struct Names::State : std::enable_shared_from_this<State> {
  struct Lane {
    std::size_t running = 0;
    std::deque<std::string> queue;
  };
  using Waiting = std::shared_ptr<std::vector<Done>>;

  std::mutex mutex;      // guards all below: threads bring answers and take the next name
  asio::io_context* io;  // null: the loop has ended
  LookUp look_up = ask_system;
  std::map<std::string, Waiting> waiting;
  std::set<std::string> dead;  // had no address last time
  Lane living;
  Lane dying;

  explicit State(asio::io_context& loop) : io(&loop) {}

  Lane& lane_of(const std::string& host) { return dead.contains(host) ? dying : living; }
  void tell(Waiting whom, Result<Addresses> found);
  void begin(const std::string& host, Lane& lane);
  void work(std::string host, Lane& lane);
  bool finish(std::string& host, Lane& lane, Result<Addresses> found);
};

// With the mutex held.
void Names::State::tell(Waiting whom, Result<Addresses> found) {
  if (io == nullptr) return;
  asio::post(*io, [whom = std::move(whom), found = std::move(found)] {
    for (const Done& done : *whom) done(found);
  });
}

// With the mutex held.
void Names::State::begin(const std::string& host, Lane& lane) {
  try {
    std::thread([self = shared_from_this(), host, &lane] { self->work(host, lane); }).detach();
    ++lane.running;
  } catch (const std::system_error& error) {
    tell(waiting.extract(host).mapped(),
         Status(Code::unavailable, cat(host, ": no thread to look it up: ", error.what())));
  }
}

void Names::State::work(std::string host, Lane& lane) {
  for (;;) {
    const LookUp ask = [this] {
      const std::lock_guard lock(mutex);
      return look_up;
    }();
    if (!finish(host, lane, ask(host))) return;
  }
}

// false: there is no next host.
bool Names::State::finish(std::string& host, Lane& lane, Result<Addresses> found) {
  const std::lock_guard lock(mutex);
  if (found) {
    dead.erase(host);
  } else if (dead.size() < max_dead) {
    dead.insert(host);
  }
  tell(waiting.extract(host).mapped(), std::move(found));
  if (io == nullptr || lane.queue.empty()) {
    --lane.running;
    return false;
  }
  host = std::move(lane.queue.front());
  lane.queue.pop_front();
  return true;
}

Names::Names(asio::io_context& io) : state_(std::make_shared<State>(io)) {}

Names::~Names() {
  const std::lock_guard lock(state_->mutex);
  state_->io = nullptr;
  // What is waited with belongs to the loop's objects, and does not outlive it.
  for (auto& [host, whom] : state_->waiting) whom->clear();
}

void Names::resolve(const std::string& host, Done done) {
  const std::lock_guard lock(state_->mutex);
  const auto [place, fresh] = state_->waiting.try_emplace(host);
  if (fresh) place->second = std::make_shared<std::vector<Done>>();
  if (place->second->size() >= max_waiting) {
    return state_->tell(std::make_shared<std::vector<Done>>(1, std::move(done)),
                        Status(Code::unavailable, cat(host, ": ", max_waiting, " wait for it")));
  }
  place->second->push_back(std::move(done));
  if (!fresh) return;
  State::Lane& lane = state_->lane_of(host);
  if (lane.running < max_threads) {
    state_->begin(host, lane);
  } else {
    lane.queue.push_back(host);
  }
}

void Names::use(LookUp look_up) {
  const std::lock_guard lock(state_->mutex);
  state_->look_up = std::move(look_up);
}

namespace {

// Lives as long as its loop.
class Service final : public asio::execution_context::service {
 public:
  static inline asio::execution_context::id id;
  explicit Service(asio::execution_context& owner)
      : service(owner), names(std::make_unique<Names>(static_cast<asio::io_context&>(owner))) {}
  void shutdown() override { names.reset(); }

  std::unique_ptr<Names> names;
};

}  // namespace

Names& Names::of(asio::io_context& io) { return *asio::use_service<Service>(io).names; }

}  // namespace modbus

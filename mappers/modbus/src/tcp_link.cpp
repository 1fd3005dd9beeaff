#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cassert>
#include <vector>

#include "base/text.hpp"
#include "modbus/mbap.hpp"
#include "modbus/tcp_link.hpp"

namespace modbus {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::cat;
using base::Code;
using base::Status;
using Clock = std::chrono::steady_clock;
using Error = boost::system::error_code;
using Ticket = std::shared_ptr<Transaction>;

namespace {

// Transaction ids of requests that timed out, so that a late answer is known as one. Requests go
// one at a time and the connection is given up after max_timeouts_in_a_row, so few are needed.
class Missed {
 public:
  void add(std::uint16_t id) {
    ids_[next_] = id;
    next_ = (next_ + 1) % ids_.size();
    if (count_ < ids_.size()) ++count_;
  }
  bool contains(std::uint16_t id) const {
    for (std::size_t i = 0; i < count_; ++i) {
      if (ids_[i] == id) return true;
    }
    return false;
  }
  void clear() { count_ = next_ = 0; }

 private:
  std::array<std::uint16_t, 32> ids_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

class TcpLink final : public Link, public std::enable_shared_from_this<TcpLink> {
 public:
  TcpLink(base::IoLoop& loop, std::string host, std::uint16_t port)
      : io_(loop.io()), host_(std::move(host)), port_(port), socket_(io_), timer_(io_) {}

  void send(Ticket ticket) override;
  Counters counters() const override { return counters_; }

 private:
  enum class State : std::uint8_t { idle, connecting, up };

  // Handlers hold the link weakly, and belong to one connection: what a former one still has to
  // say is not heard.
  template <class Call>
  auto guarded(Call call) {
    return [weak = weak_from_this(), connection = connection_, call](const Error& error,
                                                                     auto&&... rest) {
      const auto self = weak.lock();
      if (self && self->connection_ == connection) call(*self, error, rest...);
    };
  }

  void pump();
  Ticket take();
  void connect();
  void connect_to(const tcp::resolver::results_type& endpoints);
  void start(Ticket ticket);
  void write_rest(std::size_t written, std::size_t size);
  void listen();
  void readable(const Error& error);
  void heard(const Adu& adu);
  void arm(Clock::time_point when);
  void timer_fired();
  void missed();
  void disconnect();
  void lost(const Status& why);
  void no_connection(const std::string& why);
  static void finish(const Ticket& ticket, const Status& status, Bytes answer = {});

  asio::io_context& io_;
  const std::string host_;
  const std::uint16_t port_;
  tcp::socket socket_;
  std::unique_ptr<tcp::resolver> resolver_;
  asio::steady_timer timer_;  // fires no later than deadline_, and looks again: rarely re-armed
  bool armed_ = false;
  bool looked_again_ = false;
  Clock::time_point armed_for_;
  Clock::time_point deadline_;  // of connecting, or of what is on the wire
  State state_ = State::idle;
  std::uint32_t connection_ = 0;
  MbapDecoder decoder_;
  std::vector<Ticket> urgent_;
  std::vector<Ticket> normal_;
  Ticket on_wire_;
  std::uint16_t transaction_ = 0;
  bool writing_ = false;
  std::array<std::uint8_t, max_adu_bytes> out_{};
  Missed missed_;
  int timeouts_in_a_row_ = 0;
  int foreign_meanwhile_ = 0;
  Counters counters_;
};

void TcpLink::finish(const Ticket& ticket, const Status& status, Bytes answer) {
  if (ticket->client != nullptr) ticket->client->answered(status, answer);
}

void TcpLink::send(Ticket ticket) {
  if (urgent_.size() + normal_.size() >= max_queue) {
    ++counters_.queue_full;
    asio::post(io_, [ticket, text = cat(host_, ":", port_, ": ", max_queue,
                                        " requests are waiting already")] {
      finish(ticket, Status(Code::unavailable, text));
    });
    return;
  }
  (ticket->urgent ? urgent_ : normal_).push_back(std::move(ticket));
  pump();
}

Ticket TcpLink::take() {
  for (std::vector<Ticket>* lane : {&urgent_, &normal_}) {
    while (!lane->empty()) {
      Ticket first = std::move(lane->front());
      lane->erase(lane->begin());
      if (first->client != nullptr) return first;
    }
  }
  return nullptr;
}

void TcpLink::pump() {
  if (on_wire_ || state_ == State::connecting) return;
  if (urgent_.empty() && normal_.empty()) return;
  if (state_ == State::idle) return connect();
  if (Ticket ticket = take()) start(std::move(ticket));
}

void TcpLink::connect() {
  state_ = State::connecting;
  ++connection_;
  arm(deadline_ = Clock::now() + connect_timeout);
  Error not_numeric;
  const auto address = asio::ip::make_address(host_, not_numeric);
  if (!not_numeric) {
    return connect_to(
        tcp::resolver::results_type::create(tcp::endpoint(address, port_), host_, ""));
  }
  resolver_ = std::make_unique<tcp::resolver>(io_);
  resolver_->async_resolve(host_, std::to_string(port_), tcp::resolver::numeric_service,
                           guarded([](TcpLink& link, const Error& error, const auto& endpoints) {
                             if (error) return link.no_connection(error.message());
                             link.connect_to(endpoints);
                           }));
}

void TcpLink::connect_to(const tcp::resolver::results_type& endpoints) {
  asio::async_connect(socket_, endpoints,
                      guarded([](TcpLink& link, const Error& error, const auto& /*endpoint*/) {
                        if (error) return link.no_connection(error.message());
                        // Failing to set these costs delay, not correctness.
                        Error ignored;
                        link.socket_.set_option(tcp::no_delay(true), ignored);
                        link.socket_.non_blocking(true, ignored);
                        link.state_ = State::up;
                        ++link.counters_.connects;
                        link.listen();
                        link.pump();
                      }));
}

// Everybody waited for this connection: all are told, and the next send() tries again.
void TcpLink::no_connection(const std::string& why) {
  disconnect();
  const Status status(Code::unavailable, cat("cannot connect to ", host_, ":", port_, ": ", why));
  std::vector<Ticket> waiting = std::exchange(urgent_, {});
  waiting.insert(waiting.end(), normal_.begin(), normal_.end());
  normal_.clear();
  for (const Ticket& ticket : waiting) finish(ticket, status);
}

void TcpLink::start(Ticket ticket) {
  on_wire_ = std::move(ticket);
  foreign_meanwhile_ = 0;
  looked_again_ = false;
  const std::size_t size =
      encode(Adu{++transaction_, on_wire_->unit, on_wire_->request.bytes()}, out_);
  ++counters_.requests;
  deadline_ = Clock::now() + on_wire_->timeout;
  arm(deadline_);
  // 12 bytes nearly always fit in the socket's buffer: no trip through the reactor.
  Error error;
  const std::size_t written = socket_.write_some(asio::buffer(out_.data(), size), error);
  if (error && error != asio::error::would_block) {
    // Not from within send(): the client must not be called there.
    asio::post(io_,
               [call = guarded([](TcpLink& link, const Error& why) {
                  link.lost(Status(Code::unavailable, cat("connection to ", link.host_, ":",
                                                          link.port_, " lost: ", why.message())));
                }),
                error] { call(error); });
    return;
  }
  if (written < size) write_rest(written, size);
}

void TcpLink::write_rest(std::size_t written, std::size_t size) {
  writing_ = true;
  // An error shows up in readable() too, which ends the connection.
  asio::async_write(
      socket_, asio::buffer(out_.data() + written, size - written),
      guarded([](TcpLink& link, const Error&, std::size_t) { link.writing_ = false; }));
}

void TcpLink::listen() {
  socket_.async_wait(tcp::socket::wait_read,
                     guarded([](TcpLink& link, const Error& error) { link.readable(error); }));
}

void TcpLink::readable(const Error& waited) {
  Error error = waited;
  const std::span<std::uint8_t> space = decoder_.space();
  const std::size_t count =
      error ? 0 : socket_.read_some(asio::buffer(space.data(), space.size()), error);
  if (error == asio::error::would_block) return listen();
  if (error) {
    return lost(Status(Code::unavailable,
                       cat("connection to ", host_, ":", port_, " lost: ", error.message())));
  }
  decoder_.received(count);
  const std::uint32_t connection = connection_;
  for (;;) {
    const auto frame = decoder_.next();
    if (!frame) {
      ++counters_.malformed;
      return lost(Status(Code::malformed, cat(host_, ":", port_, " sent ", frame.status().text(),
                                              "; connection closed")));
    }
    if (!frame->has_value()) return listen();
    heard(**frame);
    if (connection_ != connection || state_ != State::up) return;
  }
}

void TcpLink::heard(const Adu& adu) {
  if (!on_wire_ || adu.transaction != transaction_) {
    if (missed_.contains(adu.transaction)) {
      ++counters_.late;
      timeouts_in_a_row_ = 0;
    } else {
      ++counters_.foreign;
      ++foreign_meanwhile_;
    }
    return;
  }
  const Ticket ticket = std::exchange(on_wire_, nullptr);
  timeouts_in_a_row_ = 0;
  Status status = adu.unit == ticket->unit
                      ? check_answer(ticket->request.bytes(), adu.pdu)
                      : Status(Code::malformed, cat("unit ", adu.unit, " answered instead"));
  ++(status.code() == Code::malformed ? counters_.malformed : counters_.answers);
  finish(ticket, status, adu.pdu);
  pump();
}

void TcpLink::arm(Clock::time_point when) {
  if (armed_ && armed_for_ <= when) return;
  armed_ = true;
  armed_for_ = when;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (self && !error) self->timer_fired();
  });
}

void TcpLink::timer_fired() {
  armed_ = false;
  if (!on_wire_ && state_ != State::connecting) return;
  if (Clock::now() < deadline_) return arm(deadline_);
  if (state_ == State::connecting) {
    return no_connection(cat("no answer within ", connect_timeout.count(), " ms"));
  }
  // A process that was held up must not blame the device: what has arrived is looked at first.
  Error error;
  if (!std::exchange(looked_again_, true) && socket_.available(error) > 0) {
    return arm(Clock::now());
  }
  missed();
}

void TcpLink::missed() {
  const Ticket ticket = std::exchange(on_wire_, nullptr);
  ++counters_.timeouts;
  missed_.add(transaction_);
  std::string text = cat("did not answer within ", ticket->timeout.count(), " ms");
  if (foreign_meanwhile_ > 0) {
    text += cat(", but ", foreign_meanwhile_, " answers to other transactions came");
  }
  // A request that is still half written can only be followed by nonsense.
  if (++timeouts_in_a_row_ >= max_timeouts_in_a_row || writing_) disconnect();
  finish(ticket, Status(Code::timeout, std::move(text)));
  pump();
}

void TcpLink::disconnect() {
  Error ignored;  // it is being thrown away
  socket_.close(ignored);
  resolver_.reset();
  ++connection_;
  state_ = State::idle;
  decoder_.reset();
  missed_.clear();
  timeouts_in_a_row_ = 0;
  writing_ = false;
}

void TcpLink::lost(const Status& why) {
  disconnect();
  // An idle connection that the other side closes is nobody's failure.
  if (const Ticket ticket = std::exchange(on_wire_, nullptr)) {
    ++counters_.losses;
    finish(ticket, why);
  }
  pump();
}

}  // namespace

std::shared_ptr<Link> tcp_link(base::IoLoop& loop, std::string host, std::uint16_t port) {
  return std::make_shared<TcpLink>(loop, std::move(host), port);
}

std::shared_ptr<Link> Links::get(base::IoLoop& loop, const std::string& host, std::uint16_t port) {
  std::weak_ptr<Link>& known = links_[{host, port}];
  if (std::shared_ptr<Link> link = known.lock()) return link;
  std::erase_if(
      links_, [&](const auto& entry) { return &entry.second != &known && entry.second.expired(); });
  std::shared_ptr<Link> link = tcp_link(loop, host, port);
  known = link;
  return link;
}

}  // namespace modbus

// One connection of a server, whatever stream carries it: requests in, answers out in their order,
// each not before its time. Private to the servers (stream_server.cpp, pty_server.cpp).
#pragma once

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cassert>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "sim/framing.hpp"
#include "sim/server.hpp"

namespace modbus_sim {

namespace asio = boost::asio;
using Error = boost::system::error_code;
using Clock = std::chrono::steady_clock;

// What a byte costs on a serial wire; zero elsewhere.
struct CharacterTimes {
  base::Duration character{};
  base::Duration silence{};  // t3.5, between a request's end and its answer
};

class AnySession {
 public:
  virtual ~AnySession() = default;
  virtual void close() = 0;
};
using Sessions = std::set<std::shared_ptr<AnySession>>;

// Stream: an Asio stream that can tell readiness (async_wait), or an SSL stream, which cannot.
template <class Stream>
class Session final : public AnySession, public std::enable_shared_from_this<Session<Stream>> {
 public:
  using Ended = std::function<void(const std::shared_ptr<AnySession>&)>;

  // handler must outlive the session.
  Session(Stream stream, modbus::Framing framing, CharacterTimes times,
          const Server::Handler& handler, Ended ended)
      : stream_(std::move(stream)),
        timer_(stream_.get_executor()),
        times_(times),
        handler_(handler),
        ended_(std::move(ended)),
        decoder_(framing) {
    reply_.framing = framing;
  }

  Stream& stream() { return stream_; }
  void start() { receive(); }

  // Closes, and tells the server.
  void end() {
    if (std::exchange(over_, true)) return;
    if constexpr (std::is_same_v<Stream, asio::ip::tcp::socket>) {
      Error ignored;  // a close with unread bytes resets anyhow
      if (!waiting_.empty() && waiting_.front().close && waiting_.front().bytes.empty()) {
        stream_.set_option(asio::socket_base::linger(true, 0), ignored);
      }
    }
    close();
    ended_(keep());
  }

  void close() override {
    Error ignored;
    stream_.lowest_layer().close(ignored);
    timer_.cancel();
  }

 private:
  static constexpr bool waits = requires(Stream & stream) {
    stream.async_wait(Stream::wait_read, [](const Error&) {});
  };
  struct Waiting {
    base::Duration pause{};  // since what was before it went out, or since its request
    Clock::time_point due;   // when it came to the front
    std::vector<std::uint8_t> bytes;
    bool close = false;
  };

  auto keep() { return this->shared_from_this(); }

  // Waits for readiness and reads then: an Asio read would try first and fail, once per request.
  void receive() {
    if (receiving_ || over_ || waiting_.size() >= Server::max_waiting) return;
    receiving_ = true;
    if constexpr (waits) {
      stream_.async_wait(Stream::wait_read, [self = keep()](const Error& error) {
        if (error) return self->received(error, 0);
        const std::span<std::uint8_t> space = self->decoder_.space();
        Error failed;
        const std::size_t count =
            self->stream_.read_some(asio::buffer(space.data(), space.size()), failed);
        self->received(failed, count);
      });
    } else {
      const std::span<std::uint8_t> space = decoder_.space();
      stream_.async_read_some(
          asio::buffer(space.data(), space.size()),
          [self = keep()](const Error& error, std::size_t count) { self->received(error, count); });
    }
  }

  void received(const Error& error, std::size_t count) {
    receiving_ = false;
    if (error == asio::error::would_block) return receive();
    if (error) return end();
    note_arrival(count);
    decoder_.received(count);
    take_frames();
  }

  // On a serial wire the bytes came one after another, and a pause ended what was half there.
  void note_arrival(std::size_t count) {
    const Clock::time_point now = Clock::now();
    // A pause this long inside a frame means that the rest of it never comes.
    constexpr auto broken_off = std::chrono::milliseconds(50);
    if (decoder_.in_frame() &&
        now - last_arrival_ > std::max<base::Duration>(times_.silence, broken_off)) {
      decoder_.forget_partial();
    }
    last_arrival_ = now;
    if (times_.character > base::Duration::zero()) {
      wire_free_ = std::max(wire_free_, now) + times_.character * static_cast<int>(count);
    }
  }

  void take_frames() {
    while (!over_) {
      const auto frame = decoder_.next();
      if (!frame) return end();
      if (!frame->has_value()) break;
      reply_.clear();
      handler_(**frame, reply_);
      if (!reply_.silent()) enqueue();
    }
    receive();
  }

  void enqueue() {
    if (reply_.after_next && !held_) {
      held_ = std::move(reply_);
      return;
    }
    send_or_queue(reply_);
    if (held_) {
      Reply late = *std::exchange(held_, std::nullopt);
      send_or_queue(late);
    }
  }

  void send_or_queue(Reply& reply) {
    const bool at_once = waiting_.empty() && reply.rest.empty() && !reply.close &&
                         reply.delay == base::Duration::zero() &&
                         times_.character == base::Duration::zero();
    if (waits && at_once && sent_at_once(reply.bytes)) return;
    waiting_.push_back({reply.delay, {}, std::exchange(reply.bytes, {}), false});
    for (Reply::Piece& piece : reply.rest) {
      waiting_.push_back({piece.pause, {}, std::move(piece.bytes), false});
    }
    waiting_.back().close = reply.close;
    if (waiting_.size() == 1 + reply.rest.size()) front_came();
  }

  // The usual case: no queue, no allocation, no trip through the reactor. What did not fit stays
  // in bytes.
  bool sent_at_once(std::vector<std::uint8_t>& bytes) {
    if constexpr (waits) {
      Error error;
      const std::size_t sent = stream_.write_some(asio::buffer(bytes), error);
      if (!error && sent == bytes.size()) return true;
      if (!error) bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(sent));
    }
    return false;
  }

  void front_came() {
    Waiting& front = waiting_.front();
    const Clock::time_point free = std::max(Clock::now(), wire_free_ + times_.silence);
    front.due = (times_.character > base::Duration::zero() ? free : Clock::now()) + front.pause;
    sent_ = 0;
    send_next();
  }

  void send_next() {
    const Waiting& front = waiting_.front();
    // A byte is there when its last bit is.
    const Clock::time_point due = front.due + times_.character * static_cast<int>(sent_ + 1);
    if (due <= Clock::now()) return send_now();
    timer_.expires_at(std::max(due, Clock::now() + slice()));
    timer_.async_wait([self = keep()](const Error& error) {
      if (!error) self->send_now();
    });
  }

  // Bytes of a slow wire leave in slices, because a timer per character would be late itself; but
  // never later than the last byte's time.
  base::Duration slice() const {
    if (times_.character == base::Duration::zero()) return {};
    const auto left = static_cast<int>(waiting_.front().bytes.size() - sent_);
    const Clock::time_point last =
        waiting_.front().due + times_.character * static_cast<int>(waiting_.front().bytes.size());
    const base::Duration to_last = std::max(base::Duration{}, base::Duration(last - Clock::now()));
    return left <= 1 ? base::Duration{}
                     : std::min<base::Duration>(std::chrono::milliseconds(1), to_last);
  }

  std::size_t ready_bytes() const {
    const Waiting& front = waiting_.front();
    if (times_.character == base::Duration::zero()) return front.bytes.size();
    const auto passed = static_cast<std::size_t>(
        std::max<std::int64_t>(0, (Clock::now() - front.due) / times_.character));
    return std::min(passed, front.bytes.size());
  }

  void send_now() {
    const std::size_t ready = ready_bytes();
    if (ready < waiting_.front().bytes.size() && ready <= sent_) return send_next();
    const std::vector<std::uint8_t>& bytes = waiting_.front().bytes;
    asio::async_write(stream_, asio::buffer(bytes.data() + sent_, ready - sent_),
                      [self = keep(), ready](const Error& error, std::size_t) {
                        self->sent_ = ready;
                        self->went_out(error);
                      });
  }

  void went_out(const Error& error) {
    if (error || over_) return end();
    if (sent_ < waiting_.front().bytes.size()) return send_next();
    if (waiting_.front().close) return end();
    waiting_.erase(waiting_.begin());
    wire_free_ = times_.character > base::Duration::zero() ? Clock::now() : wire_free_;
    if (!waiting_.empty()) front_came();
    receive();
  }

  Stream stream_;
  asio::steady_timer timer_;
  const CharacterTimes times_;
  const Server::Handler& handler_;
  const Ended ended_;
  RequestDecoder decoder_;
  Reply reply_;
  std::optional<Reply> held_;     // goes out behind the next answer
  std::vector<Waiting> waiting_;  // the first one is on its way
  std::size_t sent_ = 0;          // bytes of the first one
  Clock::time_point last_arrival_;
  Clock::time_point wire_free_;  // when the last byte of the serial wire has passed
  bool receiving_ = false;
  bool over_ = false;
};

}  // namespace modbus_sim

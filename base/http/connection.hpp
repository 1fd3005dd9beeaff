// A connection of the HTTP server, and the answer to its request. Loop.
#pragma once

#include <boost/asio/ssl/stream.hpp>
#include <deque>

#include "hub.hpp"

namespace base::http {

// Small, because a thousand idle connections hold one each.
constexpr std::size_t block_bytes = 4096;

// The public side of one request's answer.
class Exchange final : public Response {
 public:
  Exchange(std::weak_ptr<Connection> connection, std::shared_ptr<Hub> hub)
      : connection_(std::move(connection)), hub_(std::move(hub)) {}
  ~Exchange() override;

  void send(int status, std::string_view content_type, std::string body, Headers headers) override;
  void begin(int status, std::string_view content_type) override;
  bool write(std::string chunk) override;
  std::size_t backlog() const override;
  void end() override;
  void on_closed(std::function<void()> closed) override;

  // The client went.
  void leave() {
    if (state_ == State::done) return;
    state_ = State::done;
    if (const auto closed = std::exchange(closed_, nullptr)) closed();
  }
  bool streaming() const { return state_ == State::streaming; }

 private:
  enum class State { fresh, streaming, done } state_ = State::fresh;
  std::weak_ptr<Connection> connection_;
  std::shared_ptr<Hub> hub_;
  std::function<void()> closed_;
};

// One client: reads requests, hands them to the server's handler, writes what Exchange is told.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Hub> hub);
  ~Connection();

  void start();
  void close();  // at once, telling nobody
  void leave();  // the client went or misbehaved: close, and tell the handler

  void send(int status, std::string_view content_type, std::string body,
            const Response::Headers& headers);
  void begin(int status, std::string_view content_type);
  bool write(std::string chunk);
  std::size_t backlog() const { return backlog_; }
  void end();

 private:
  struct Parser;  // Beast's, which stays in connection.cpp

  void read();
  void on_read(Error error, std::size_t count);
  void parse();
  bool parse_some();
  bool admit();
  bool reserve();
  void begin_body();
  void release();
  void check_expectation();
  void dispatch();
  void refuse(int status, std::string_view text);
  void queue(std::string bytes);
  void flush();
  void on_written(Error error, std::size_t count);
  void finish();
  void drain();
  std::string head(int status, std::string_view content_type) const;
  void arm(asio::steady_timer& timer, Duration time);
  void on_deadline();

  std::shared_ptr<Hub> hub_;
  tcp::socket socket_;
  std::optional<ssl::stream<tcp::socket&>> tls_;
  asio::steady_timer deadline_;  // of whatever is awaited from the client
  asio::steady_timer write_deadline_;

  char block_[block_bytes];
  std::string input_;
  std::unique_ptr<Parser> parser_;  // of the request that is coming in
  std::weak_ptr<Exchange> exchange_;
  std::deque<std::string> output_;
  std::size_t written_ = 0;  // of output_.front()
  std::size_t backlog_ = 0;

  bool reading_ = false;
  bool read_ended_ = false;  // the client has sent all it will
  bool writing_ = false;
  bool header_seen_ = false;
  bool waiting_ = false;      // for room for the body
  std::size_t body_ = 0;      // bytes it may have
  std::size_t reserved_ = 0;  // of the hub's room
  bool busy_ = false;         // a request is with the handler
  bool answered_ = false;     // its answer is complete in output_
  bool draining_ = false;
  bool closed_ = false;
  bool keep_alive_ = true;
  bool head_only_ = false;  // HEAD
  bool chunked_ = true;     // HTTP/1.0 streams end with the connection instead
};

}  // namespace base::http

// Beast parses requests; reading and writing are ours, because a server of watch streams must read
// while it writes: only a read tells that the client of an idle stream has left. Answers are framed
// by Content-Length or chunks, so a TLS connection is closed without close_notify.
#include "connection.hpp"

#include <boost/asio/post.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>

#include "base/text.hpp"
#include "host.hpp"
#include "target.hpp"

namespace base::http {

namespace beast = boost::beast::http;
using std::chrono::seconds;

namespace {

// Time for a body of up to max_body_bytes: 3 MiB in a minute is 0.4 Mbit/s.
constexpr auto body_time = seconds(60);
// A client that takes nothing for so long does not live any more.
constexpr auto write_time = seconds(30);
// After an answer that ends the connection, what still comes is read and dropped for so long:
// closing at once would send a reset, and the client might never see the answer.
constexpr auto linger_time = seconds(2);
// Requests sent ahead of the answer to the one before; past it the connection is not read.
constexpr std::size_t max_ahead_bytes = 64u << 10;

std::string_view reason_phrase(int status) {
  const auto phrase = beast::obsolete_reason(static_cast<beast::status>(status));
  return {phrase.data(), phrase.size()};
}

}  // namespace

struct Connection::Parser {
  beast::request_parser<beast::string_body> beast;
};

Connection::Connection(tcp::socket socket, std::shared_ptr<Hub> hub)
    : hub_(std::move(hub)),
      socket_(std::move(socket)),
      deadline_(socket_.get_executor()),
      write_deadline_(socket_.get_executor()) {
  if (hub_->tls) tls_.emplace(socket_, *hub_->tls);
}

Connection::~Connection() = default;

void Connection::start() {
  arm(deadline_, hub_->options.header_time);
  if (!tls_) return read();
  tls_->async_handshake(ssl::stream_base::server, [self = shared_from_this()](Error error) {
    if (self->closed_) return;
    if (error) return self->leave();
    self->arm(self->deadline_, self->hub_->options.header_time);
    self->read();
  });
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  release();
  deadline_.cancel();
  write_deadline_.cancel();
  Error ignored;
  socket_.close(ignored);
  hub_->connections.erase(this);
}

void Connection::leave() {
  const auto self = shared_from_this();
  close();
  if (const auto exchange = exchange_.lock()) exchange->leave();
}

void Connection::arm(asio::steady_timer& timer, Duration time) {
  timer.expires_after(time);
  timer.async_wait([weak = weak_from_this(), &timer](Error error) {
    const auto self = weak.lock();
    // A timer that was set anew after its wait had ended is not due.
    if (error || !self || self->closed_ || timer.expiry() > std::chrono::steady_clock::now())
      return;
    &timer == &self->deadline_ ? self->on_deadline() : self->leave();
  });
}

void Connection::on_deadline() {
  if (busy_ || draining_ || (input_.empty() && !parser_)) return leave();
  if (waiting_) {
    return refuse(503, cat("bodies of ", hub_->options.max_bodies_bytes,
                           " bytes are being read already: send it again later\n"));
  }
  refuse(408,
         header_seen_ ? "the body did not come in time\n" : "the headers did not come in time\n");
}

void Connection::read() {
  if (closed_ || reading_ || read_ended_ || waiting_) return;
  if (busy_ && input_.size() >= max_ahead_bytes) return;
  reading_ = true;
  auto then = [self = shared_from_this()](Error error, std::size_t count) {
    self->reading_ = false;
    self->on_read(error, count);
  };
  if (tls_) {
    tls_->async_read_some(asio::buffer(block_), std::move(then));
  } else {
    socket_.async_read_some(asio::buffer(block_), std::move(then));
  }
}

void Connection::on_read(Error error, std::size_t count) {
  if (closed_) return;
  if (error) {
    const auto exchange = exchange_.lock();
    // A client that only closed its sending side still gets the answer it waits for.
    if (error != asio::error::eof || draining_ || !busy_ || (exchange && exchange->streaming())) {
      return leave();
    }
    read_ended_ = true;
    return;
  }
  if (!draining_) {
    input_.append(block_, count);
    parse();
  }
  read();
}

void Connection::parse() {
  while (!busy_ && !draining_ && !closed_ && !waiting_ && !input_.empty()) {
    if (!parser_) {
      parser_ = std::make_unique<Parser>();
      parser_->beast.body_limit(hub_->options.max_body_bytes);
      parser_->beast.header_limit(static_cast<std::uint32_t>(hub_->options.max_header_bytes));
      parser_->beast.eager(true);
      header_seen_ = false;
      arm(deadline_, hub_->options.header_time);
    }
    if (!parse_some()) return;
  }
}

// Whether it is worth going on with what input_ still holds.
bool Connection::parse_some() {
  Error error;
  const std::size_t used = parser_->beast.put(asio::buffer(input_), error);
  input_.erase(0, used);
  if (error == beast::error::body_limit) {
    refuse(413, cat("the body is larger than ", hub_->options.max_body_bytes, " bytes\n"));
    return false;
  }
  if (error == beast::error::header_limit) {
    refuse(431, cat("the headers are larger than ", hub_->options.max_header_bytes, " bytes\n"));
    return false;
  }
  if (error && error != beast::error::need_more) {
    refuse(400, cat("not an HTTP request: ", error.message(), "\n"));
    return false;
  }
  if (parser_->beast.is_header_done() && !header_seen_) {
    header_seen_ = true;
    if (!admit()) return false;
    begin_body();
  }
  if (parser_->beast.is_done()) dispatch();
  return used > 0;
}

// Whether there is room for the body, or it needs none that is counted; else it waits.
bool Connection::admit() {
  if (parser_->beast.is_done()) return true;
  const auto length = parser_->beast.content_length();
  body_ = length ? static_cast<std::size_t>(*length) : hub_->options.max_body_bytes;
  if (body_ <= hub_->options.small_body_bytes || (hub_->waiting.empty() && reserve())) return true;
  waiting_ = true;
  hub_->waiting.push_back(weak_from_this());
  arm(deadline_, hub_->options.body_wait);
  return false;
}

bool Connection::reserve() {
  std::size_t& all = hub_->bodies_bytes;
  if (all != 0 && all + body_ > hub_->options.max_bodies_bytes) return false;
  all += body_;
  reserved_ = body_;
  return true;
}

void Connection::begin_body() {
  arm(deadline_, body_time);
  check_expectation();
}

// Gives the room back, and lets in who waits for it.
void Connection::release() {
  if (reserved_ == 0) return;
  hub_->bodies_bytes -= std::exchange(reserved_, 0);
  while (!hub_->waiting.empty()) {
    const auto next = hub_->waiting.front().lock();
    const bool waits = next && next->waiting_ && !next->closed_;
    if (waits && !next->reserve()) return;
    hub_->waiting.pop_front();
    if (!waits) continue;
    next->waiting_ = false;
    asio::post(next->socket_.get_executor(), [next] {
      if (next->closed_ || !next->parser_) return;
      next->begin_body();
      next->parse();
      next->read();
    });
  }
}

void Connection::check_expectation() {
  const auto& message = parser_->beast.get();
  if (parser_->beast.is_done() || message.version() < 11) return;
  const auto expect = message[beast::field::expect];
  if (lower({expect.data(), expect.size()}) == "100-continue") {
    queue("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void Connection::dispatch() {
  keep_alive_ = parser_->beast.keep_alive();
  auto message = parser_->beast.release();
  parser_.reset();
  deadline_.cancel();
  busy_ = true;
  head_only_ = message.method() == beast::verb::head;
  chunked_ = message.version() >= 11;

  Request request;
  request.method = std::string(message.method_string().data(), message.method_string().size());
  if (!parse_target({message.target().data(), message.target().size()}, request)) {
    return refuse(400, "the request's path or query is malformed\n");
  }
  for (const auto& field : message) {
    const auto name = field.name_string();
    const auto value = field.value();
    request.headers.emplace_back(lower({name.data(), name.size()}),
                                 std::string(value.data(), value.size()));
  }
  if (const std::string why = host_objection(request, hub_->options); !why.empty()) {
    return refuse(421, why + "\n");
  }
  request.body = std::move(message.body());

  const auto exchange = std::make_shared<Exchange>(weak_from_this(), hub_);
  exchange_ = exchange;
  hub_->handler(std::move(request), exchange);
}

void Connection::refuse(int status, std::string_view text) {
  busy_ = true;
  keep_alive_ = false;
  waiting_ = false;
  parser_.reset();
  input_.clear();
  send(status, "text/plain", std::string(text), {});
}

std::string Connection::head(int status, std::string_view content_type) const {
  std::string text = cat("HTTP/1.1 ", status, ' ', reason_phrase(status), "\r\n");
  if (!content_type.empty()) text += cat("Content-Type: ", content_type, "\r\n");
  if (!keep_alive_) text += "Connection: close\r\n";
  return text;
}

void Connection::send(int status, std::string_view content_type, std::string body,
                      const Response::Headers& headers) {
  if (closed_) return;
  std::string text = head(status, content_type);
  for (const auto& [name, value] : headers) text += cat(name, ": ", value, "\r\n");
  // Of a 304 it would be the length of the body that the client has (RFC 9110, section 8.6).
  if (status != 304) text += cat("Content-Length: ", body.size(), "\r\n");
  text += "\r\n";
  answered_ = true;
  // One write for small answers; a large body is not copied.
  if (head_only_ || body.empty()) return queue(std::move(text));
  if (body.size() <= block_bytes) return queue(text + body);
  queue(std::move(text));
  queue(std::move(body));
}

void Connection::begin(int status, std::string_view content_type) {
  if (closed_) return;
  if (!chunked_) keep_alive_ = false;
  queue(head(status, content_type) + (chunked_ ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n"));
  // Its client had closed its side already: a stream to it would end with nobody's leave.
  if (read_ended_)
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->leave(); });
}

bool Connection::write(std::string chunk) {
  if (closed_) return false;
  if (chunk.empty() || head_only_) return true;
  if (backlog_ + chunk.size() > hub_->options.max_backlog_bytes) {
    hub_->repeats.warn(hub_->loop.now(), "backlog",
                       cat("http: a streaming client is ", backlog_, " bytes behind (limit ",
                           hub_->options.max_backlog_bytes, "), closing its connection"));
    // Not at once: the caller may be walking the list that on_closed changes.
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
      if (!self->closed_) self->leave();
    });
    return false;
  }
  if (!chunked_) {
    queue(std::move(chunk));
    return true;
  }
  char size[20];
  const auto size_end = std::to_chars(size, size + sizeof size, chunk.size(), 16).ptr;
  queue(cat(std::string_view(size, static_cast<std::size_t>(size_end - size)), "\r\n", chunk,
            "\r\n"));
  return true;
}

void Connection::end() {
  if (closed_) return;
  answered_ = true;
  if (chunked_ && !head_only_) return queue("0\r\n\r\n");
  if (output_.empty()) finish();
}

void Connection::queue(std::string bytes) {
  backlog_ += bytes.size();
  output_.push_back(std::move(bytes));
  if (!writing_) flush();
}

void Connection::flush() {
  writing_ = true;
  arm(write_deadline_, write_time);
  const auto bytes = asio::buffer(output_.front()) + written_;
  auto then = [self = shared_from_this()](Error error, std::size_t count) {
    self->writing_ = false;
    self->on_written(error, count);
  };
  if (tls_) {
    tls_->async_write_some(bytes, std::move(then));
  } else {
    socket_.async_write_some(bytes, std::move(then));
  }
}

void Connection::on_written(Error error, std::size_t count) {
  if (closed_) return;
  if (error) return leave();
  written_ += count;
  backlog_ -= count;
  if (written_ == output_.front().size()) {
    output_.pop_front();
    written_ = 0;
  }
  if (!output_.empty()) return flush();
  write_deadline_.cancel();
  if (answered_) finish();
}

// The answer is out: the next request, or the end.
void Connection::finish() {
  release();
  if (!keep_alive_ || read_ended_) return drain();
  busy_ = answered_ = head_only_ = false;
  arm(deadline_, hub_->options.idle);
  parse();
  read();
}

void Connection::drain() {
  if (read_ended_) return close();
  Error ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  draining_ = true;
  answered_ = false;
  arm(deadline_, linger_time);
  read();
}

}  // namespace base::http

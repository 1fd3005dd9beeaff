// The HTTP server. Beast parses requests; reading and writing are ours, because a server of watch
// streams must read while it writes: only a read tells that the client of an idle stream has left.
// Answers are framed by Content-Length or chunks, so a TLS connection is closed without
// close_notify.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cassert>
#include <deque>
#include <optional>
#include <unordered_map>

#include "base/http.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "target.hpp"

namespace base::http {

namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
namespace beast = boost::beast::http;
using tcp = boost::asio::ip::tcp;
using Error = boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Time for a body of up to max_body_bytes: 3 MiB in a minute is 0.4 Mbit/s.
constexpr auto body_time = seconds(60);
// A client that takes nothing for so long does not live any more.
constexpr auto write_time = seconds(30);
// After an answer that ends the connection, what still comes is read and dropped for so long:
// closing at once would send a reset, and the client might never see the answer.
constexpr auto linger_time = seconds(2);
// Small, because a thousand idle connections hold one each.
constexpr std::size_t block_bytes = 4096;
// Requests sent ahead of the answer to the one before; past it the connection is not read.
constexpr std::size_t max_ahead_bytes = 64u << 10;

class Connection;

// What connections share with their server. Outlives it by the callbacks still queued.
struct Hub {
  Hub(IoLoop& the_loop, Options the_options, Server::Handler the_handler)
      : loop(the_loop),
        options(std::move(the_options)),
        handler(std::move(the_handler)),
        acceptor(loop.io()),
        retry(loop.io()) {}

  IoLoop& loop;
  const Options options;
  Server::Handler handler;
  std::optional<ssl::context> tls;
  tcp::acceptor acceptor;
  asio::steady_timer retry;  // after accept() failed
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  Repeats repeats;
  bool down = false;  // the server was destroyed
};

// The public side of one request's answer.
class Exchange final : public Response {
 public:
  Exchange(std::weak_ptr<Connection> connection, std::shared_ptr<Hub> hub)
      : connection_(std::move(connection)), hub_(std::move(hub)) {}
  ~Exchange() override;

  void send(int status, std::string_view content_type, std::string body, Headers headers) override;
  void begin(int status, std::string_view content_type) override;
  bool write(std::string chunk) override;
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

std::string_view reason_phrase(int status) {
  const auto phrase = beast::obsolete_reason(static_cast<beast::status>(status));
  return {phrase.data(), phrase.size()};
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, std::shared_ptr<Hub> hub)
      : hub_(std::move(hub)),
        socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        write_deadline_(socket_.get_executor()) {
    if (hub_->tls) tls_.emplace(socket_, *hub_->tls);
  }

  void start();
  void close();  // at once, telling nobody
  void leave();  // the client went or misbehaved: close, and tell the handler

  void send(int status, std::string_view content_type, std::string body,
            const Response::Headers& headers);
  void begin(int status, std::string_view content_type);
  bool write(std::string chunk);
  void end();

 private:
  void read();
  void on_read(Error error, std::size_t count);
  void parse();
  bool parse_some();
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
  std::optional<beast::request_parser<beast::string_body>> parser_;
  std::weak_ptr<Exchange> exchange_;
  std::deque<std::string> output_;
  std::size_t written_ = 0;  // of output_.front()
  std::size_t backlog_ = 0;

  bool reading_ = false;
  bool read_ended_ = false;  // the client has sent all it will
  bool writing_ = false;
  bool header_seen_ = false;
  bool busy_ = false;      // a request is with the handler
  bool answered_ = false;  // its answer is complete in output_
  bool draining_ = false;
  bool closed_ = false;
  bool keep_alive_ = true;
  bool head_only_ = false;  // HEAD
  bool chunked_ = true;     // HTTP/1.0 streams end with the connection instead
};

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
  refuse(408,
         header_seen_ ? "the body did not come in time\n" : "the headers did not come in time\n");
}

void Connection::read() {
  if (closed_ || reading_ || read_ended_ || (busy_ && input_.size() >= max_ahead_bytes)) return;
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
  while (!busy_ && !draining_ && !closed_ && !input_.empty()) {
    if (!parser_) {
      parser_.emplace();
      parser_->body_limit(hub_->options.max_body_bytes);
      parser_->header_limit(static_cast<std::uint32_t>(hub_->options.max_header_bytes));
      parser_->eager(true);
      header_seen_ = false;
      arm(deadline_, hub_->options.header_time);
    }
    if (!parse_some()) return;
  }
}

// Whether it is worth going on with what input_ still holds.
bool Connection::parse_some() {
  Error error;
  const std::size_t used = parser_->put(asio::buffer(input_), error);
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
  if (parser_->is_header_done() && !header_seen_) {
    header_seen_ = true;
    arm(deadline_, body_time);
    check_expectation();
  }
  if (parser_->is_done()) dispatch();
  return used > 0;
}

void Connection::check_expectation() {
  const auto& message = parser_->get();
  if (parser_->is_done() || message.version() < 11) return;
  const auto expect = message[beast::field::expect];
  if (lower({expect.data(), expect.size()}) == "100-continue") {
    queue("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void Connection::dispatch() {
  keep_alive_ = parser_->keep_alive();
  auto message = parser_->release();
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
  request.body = std::move(message.body());

  const auto exchange = std::make_shared<Exchange>(weak_from_this(), hub_);
  exchange_ = exchange;
  hub_->handler(std::move(request), exchange);
}

void Connection::refuse(int status, std::string_view text) {
  busy_ = true;
  keep_alive_ = false;
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
  text += cat("Content-Length: ", body.size(), "\r\n\r\n");
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

Exchange::~Exchange() {
  // A handler that forgets to answer is a bug of ours, but not the client's to wait for.
  if (state_ == State::fresh) send(500, "text/plain", "the request was dropped\n", {});
  if (state_ == State::streaming) end();
}

void Exchange::send(int status, std::string_view content_type, std::string body, Headers headers) {
  if (state_ != State::fresh) return;
  state_ = State::done;
  closed_ = nullptr;
  const auto connection = connection_.lock();
  if (connection) connection->send(status, content_type, std::move(body), headers);
}

void Exchange::begin(int status, std::string_view content_type) {
  if (state_ != State::fresh) return;
  state_ = State::streaming;
  if (const auto connection = connection_.lock()) connection->begin(status, content_type);
}

bool Exchange::write(std::string chunk) {
  const auto connection = connection_.lock();
  return state_ == State::streaming && connection && connection->write(std::move(chunk));
}

void Exchange::end() {
  if (state_ != State::streaming) return;
  state_ = State::done;
  closed_ = nullptr;
  if (const auto connection = connection_.lock()) connection->end();
}

void Exchange::on_closed(std::function<void()> closed) {
  if (state_ != State::done) {
    closed_ = std::move(closed);
  } else if (connection_.expired() && !hub_->down) {
    hub_->loop.post(std::move(closed));
  }
}

void accept_next(const std::shared_ptr<Hub>& hub) {
  hub->acceptor.async_accept([hub](Error error, tcp::socket socket) {
    if (hub->down) return;
    if (error) {
      // Out of descriptors, mostly: trying at once would spin.
      hub->repeats.warn(hub->loop.now(), "accept", cat("http: accept: ", error.message()));
      hub->retry.expires_after(milliseconds(100));
      return hub->retry.async_wait([hub](Error cancelled) {
        if (!cancelled && !hub->down) accept_next(hub);
      });
    }
    if (hub->connections.size() >= hub->options.max_connections) {
      hub->repeats.warn(hub->loop.now(), "full",
                        cat("http: ", hub->connections.size(),
                            " connections are open (limit), closing a new one"));
    } else {
      Error ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      // The only thing that tells of a silent stream's client whose machine lost its power.
      socket.set_option(tcp::socket::keep_alive(true), ignored);
      const auto connection = std::make_shared<Connection>(std::move(socket), hub);
      hub->connections.emplace(connection.get(), connection);
      connection->start();
    }
    accept_next(hub);
  });
}

Status use_certificate(Hub& hub) {
  const Options& options = hub.options;
  if (options.certificate_pem.empty() && options.key_pem.empty()) return Status();
  hub.tls.emplace(ssl::context::tls_server);
  Error error;
  hub.tls->set_options(ssl::context::default_workarounds | ssl::context::no_sslv3 |
                           ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                       error);
  // Idle watchers are many: OpenSSL gives back its 34 KiB of buffers while a connection is quiet.
  SSL_CTX_set_mode(hub.tls->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  hub.tls->use_certificate_chain(asio::buffer(options.certificate_pem), error);
  if (error) return Status(Code::invalid, cat("http: the certificate: ", error.message()));
  hub.tls->use_private_key(asio::buffer(options.key_pem), ssl::context::pem, error);
  if (error) return Status(Code::invalid, cat("http: the certificate's key: ", error.message()));
  return Status();
}

Status open(Hub& hub) {
  const std::string where = cat(hub.options.address, ':', hub.options.port);
  Error error;
  const auto address = asio::ip::make_address(hub.options.address, error);
  if (error) return Status(Code::invalid, cat("http: ", where, ": not an IP address"));
  const tcp::endpoint endpoint(address, hub.options.port);
  hub.acceptor.open(endpoint.protocol(), error);
  if (!error) hub.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) hub.acceptor.bind(endpoint, error);
  if (!error) hub.acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) return Status();
  const bool taken = error == asio::error::address_in_use;
  return Status(taken ? Code::conflict : Code::unavailable,
                taken ? cat("http: ", where, ": the port is taken by another program")
                      : cat("http: cannot listen on ", where, ": ", error.message()));
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(std::shared_ptr<Hub> hub)
      : hub_(std::move(hub)), port_(hub_->acceptor.local_endpoint().port()) {}

  ~ServerImpl() override {
    hub_->down = true;
    Error ignored;
    hub_->acceptor.close(ignored);
    hub_->retry.cancel();
    const auto connections = std::exchange(hub_->connections, {});
    for (const auto& [key, connection] : connections) connection->close();
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return hub_->connections.size(); }

 private:
  std::shared_ptr<Hub> hub_;
  std::uint16_t port_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(IoLoop& loop, Options options, Handler handler) {
  const auto hub = std::make_shared<Hub>(loop, std::move(options), std::move(handler));
  if (Status status = use_certificate(*hub); !status.ok()) return status;
  if (Status status = open(*hub); !status.ok()) return status;
  accept_next(hub);
  return std::unique_ptr<Server>(std::make_unique<ServerImpl>(hub));
}

}  // namespace base::http

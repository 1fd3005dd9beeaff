#include "plant/server.hpp"

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <set>

#include "base/text.hpp"

namespace modbus_plant {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::cat;
using base::Code;
using base::Status;
using Clock = std::chrono::steady_clock;
using Error = boost::system::error_code;

namespace {

// One client. Answers leave in the order of the requests, each not before its time.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Ended = std::function<void(const std::shared_ptr<Session>&)>;

  Session(tcp::socket socket, const Server::Handler& handler, Ended ended)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        handler_(handler),
        ended_(std::move(ended)) {}

  void start() {
    Error ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    receive();
  }

  void close() {
    Error ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

 private:
  struct Waiting {
    Clock::time_point due;
    std::vector<std::uint8_t> bytes;
    bool close = false;
  };

  void receive() {
    if (receiving_ || waiting_.size() >= Server::max_waiting) return;
    receiving_ = true;
    const std::span<std::uint8_t> space = decoder_.space();
    socket_.async_read_some(asio::buffer(space.data(), space.size()),
                            [self = shared_from_this()](const Error& error, std::size_t count) {
                              self->receiving_ = false;
                              if (error) return self->end();
                              self->decoder_.received(count);
                              self->take_frames();
                            });
  }

  void take_frames() {
    for (;;) {
      const auto frame = decoder_.next();
      if (!frame) return end();
      if (!frame->has_value()) break;
      Reply reply;
      handler_(**frame, reply);
      if (reply.bytes.empty() && !reply.close) continue;
      waiting_.push_back({Clock::now() + reply.delay, std::move(reply.bytes), reply.close});
    }
    send_next();
    receive();
  }

  void send_next() {
    if (sending_ || waiting_.empty()) return;
    sending_ = true;
    if (waiting_.front().due <= Clock::now()) return send_now();
    timer_.expires_at(waiting_.front().due);
    timer_.async_wait([self = shared_from_this()](const Error& error) {
      if (!error) self->send_now();
    });
  }

  void send_now() {
    asio::async_write(socket_, asio::buffer(waiting_.front().bytes),
                      [self = shared_from_this()](const Error& error, std::size_t) {
                        self->sending_ = false;
                        if (error || self->waiting_.front().close) return self->end();
                        self->waiting_.pop_front();
                        self->send_next();
                        self->receive();
                      });
  }

  void end() {
    close();
    ended_(shared_from_this());
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  const Server::Handler& handler_;
  const Ended ended_;
  modbus::MbapDecoder decoder_;
  std::deque<Waiting> waiting_;
  bool receiving_ = false;
  bool sending_ = false;
};

class TcpServer final : public Server {
 public:
  TcpServer(tcp::acceptor acceptor, Handler handler)
      : handler_(std::make_shared<const Handler>(std::move(handler))),
        acceptor_(std::move(acceptor)),
        port_(acceptor_.local_endpoint().port()) {}
  ~TcpServer() override { drop_connections(); }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return sessions_->size(); }

  void drop_connections() override {
    for (const auto& session : std::exchange(*sessions_, {})) session->close();
  }

  void accept() {
    acceptor_.async_accept([this, alive = std::weak_ptr(sessions_)](const Error& error,
                                                                    tcp::socket socket) {
      if (alive.expired()) return;
      if (error) {
        // Out of descriptors, most likely: try again when some may have been closed.
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this, alive](const Error&) {
          if (!alive.expired()) accept();
        });
        return;
      }
      // The handler lives as long as the last session that may still call it.
      auto session = std::make_shared<Session>(
          std::move(socket), *handler_,
          [sessions = sessions_, keep = handler_](const auto& ended) { sessions->erase(ended); });
      sessions_->insert(session);
      session->start();
      accept();
    });
  }

 private:
  using Sessions = std::set<std::shared_ptr<Session>>;
  const std::shared_ptr<const Handler> handler_;
  tcp::acceptor acceptor_;
  const std::uint16_t port_;
  asio::steady_timer retry_{acceptor_.get_executor()};
  const std::shared_ptr<Sessions> sessions_ = std::make_shared<Sessions>();
};

}  // namespace

void Reply::frame(std::uint16_t transaction, std::uint8_t unit, const modbus::Pdu& pdu) {
  std::array<std::uint8_t, modbus::max_adu_bytes> frame;
  const std::size_t size = modbus::encode({transaction, unit, pdu.bytes()}, frame);
  bytes.insert(bytes.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
}

base::Result<std::unique_ptr<Server>> Server::listen(base::IoLoop& loop, const std::string& address,
                                                     std::uint16_t port, Handler handler) {
  Error error;
  const tcp::endpoint endpoint(asio::ip::make_address(address, error), port);
  if (error) return Status(Code::invalid, cat("\"", address, "\" is not an IP address"));
  tcp::acceptor acceptor(loop.io());
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool taken = error == asio::error::address_in_use;
    return Status(taken ? Code::conflict : Code::unavailable,
                  cat("cannot listen on ", address, ":", port, ": ", error.message()));
  }
  auto server = std::make_unique<TcpServer>(std::move(acceptor), std::move(handler));
  server->accept();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace modbus_plant

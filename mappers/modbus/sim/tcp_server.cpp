// Servers on TCP: one that listens, and one that dials in to a listening mapper.
#include <boost/asio/connect.hpp>

#include "base/text.hpp"
#include "sim/servers.hpp"

namespace modbus_sim {

using asio::ip::tcp;
using base::cat;
using base::Code;
using base::Result;
using base::Status;
using modbus::Endpoint;

Result<asio::ip::address> parse_address(const std::string& host) {
  Error error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) return Status(Code::invalid, cat("\"", host, "\" is not an IP address"));
  return address;
}

Status listen_error(const std::string& host, std::uint16_t port, const Error& error) {
  const bool taken = error == asio::error::address_in_use;
  return Status(taken ? Code::conflict : Code::unavailable,
                cat("cannot listen on ", host, ":", port, ": ", error.message()));
}

Result<tcp::acceptor> make_acceptor(base::IoLoop& loop, const std::string& host,
                                    std::uint16_t port) {
  const Result<asio::ip::address> address = parse_address(host);
  if (!address) return address.status();
  const tcp::endpoint endpoint(*address, port);
  tcp::acceptor acceptor(loop.io());
  Error error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return listen_error(host, port, error);
  return acceptor;
}

void Listener::accept(std::weak_ptr<void> alive) {
  acceptor_.async_accept([this, alive](const Error& error, tcp::socket socket) {
    if (alive.expired()) return;
    if (error) {
      // Out of descriptors, most likely: try again when some may have been closed.
      retry_.expires_after(std::chrono::milliseconds(100));
      retry_.async_wait([this, alive](const Error&) {
        if (!alive.expired()) accept(alive);
      });
      return;
    }
    Error ignored;  // failing to set these costs delay, not correctness
    socket.set_option(tcp::no_delay(true), ignored);
    socket.non_blocking(true, ignored);
    start_(std::move(socket));
    accept(alive);
  });
}

namespace {

class TcpServer final : public Server {
 public:
  TcpServer(tcp::acceptor acceptor, modbus::Framing framing, SharedHandler handler)
      : sessions_(framing, std::move(handler)),
        listener_(std::move(acceptor),
                  [this](tcp::socket socket) { sessions_.make(std::move(socket))->start(); }) {
    listener_.accept(sessions_.alive());
  }
  std::uint16_t port() const override { return listener_.port(); }
  std::size_t connections() const override { return sessions_.size(); }
  void drop_connections() override { sessions_.close_all(); }

 private:
  SessionSet sessions_;
  Listener listener_;
};

// The device that dials in: one connection, made anew after a loss.
class Dialler final : public Server {
 public:
  Dialler(base::IoLoop& loop, tcp::endpoint peer, modbus::Framing framing, SharedHandler handler)
      : io_(loop.io()), peer_(std::move(peer)), sessions_(framing, std::move(handler)) {
    dial();
  }
  std::uint16_t port() const override { return 0; }
  std::size_t connections() const override { return sessions_.size(); }
  void drop_connections() override {
    sessions_.close_all();
    dial_later();
  }

 private:
  // Soon enough for a test, rare enough for a log.
  static constexpr auto redial_after = std::chrono::milliseconds(500);

  void dial() {
    auto socket = std::make_shared<tcp::socket>(io_);
    tcp::socket& dialled = *socket;
    dialled.async_connect(peer_, [this, socket, alive = sessions_.alive()](const Error& error) {
      if (alive.expired()) return;
      if (error) return dial_later();
      Error ignored;  // failing to set these costs delay, not correctness
      socket->set_option(tcp::no_delay(true), ignored);
      socket->non_blocking(true, ignored);
      const auto again = [this, alive] {
        if (!alive.expired()) dial_later();
      };
      sessions_.make(std::move(*socket), {}, again)->start();
    });
  }

  void dial_later() {
    redial_.expires_after(redial_after);
    redial_.async_wait([this, alive = sessions_.alive()](const Error& error) {
      if (!error && !alive.expired()) dial();
    });
  }

  asio::io_context& io_;
  const tcp::endpoint peer_;
  SessionSet sessions_;
  asio::steady_timer redial_{io_};
};

}  // namespace

ServerResult open_tcp(base::IoLoop& loop, const Endpoint& endpoint, SharedHandler handler) {
  Result<tcp::acceptor> acceptor = make_acceptor(loop, endpoint.host, endpoint.port);
  if (!acceptor) return acceptor.status();
  return std::unique_ptr<Server>(
      std::make_unique<TcpServer>(std::move(*acceptor), endpoint.framing, std::move(handler)));
}

ServerResult open_dial(base::IoLoop& loop, const Endpoint& endpoint, SharedHandler handler) {
  // A mapper that listens on all addresses is dialled at this machine's own.
  const bool any = endpoint.host.empty() || endpoint.host == "0.0.0.0";
  const Result<asio::ip::address> address = parse_address(any ? "127.0.0.1" : endpoint.host);
  if (!address) return address.status();
  return std::unique_ptr<Server>(std::make_unique<Dialler>(
      loop, tcp::endpoint(*address, endpoint.port), endpoint.framing, std::move(handler)));
}

}  // namespace modbus_sim

// The kinds of servers, made by Server::open(). Private to them.
#pragma once

#include <memory>
#include <string>

#include "sim/server.hpp"
#include "sim/session.hpp"

namespace modbus_sim {

using ServerResult = base::Result<std::unique_ptr<Server>>;
using SharedHandler = std::shared_ptr<const Server::Handler>;

ServerResult open_tcp(base::IoLoop& loop, const modbus::Endpoint& endpoint, SharedHandler handler);
ServerResult open_tls(base::IoLoop& loop, const modbus::Endpoint& endpoint, SharedHandler handler);
ServerResult open_udp(base::IoLoop& loop, const modbus::Endpoint& endpoint, SharedHandler handler);
ServerResult open_dial(base::IoLoop& loop, const modbus::Endpoint& endpoint, SharedHandler handler);
ServerResult open_pty(base::IoLoop& loop, const modbus::Endpoint& endpoint, SharedHandler handler);

// The sessions of a server. The handler lives as long as the last session that may still call it.
class SessionSet {
 public:
  SessionSet(modbus::Framing framing, SharedHandler handler)
      : framing_(framing), handler_(std::move(handler)) {}
  ~SessionSet() { close_all(); }

  template <class Stream>
  std::shared_ptr<Session<Stream>> make(Stream stream, CharacterTimes times = {},
                                        std::function<void()> ended = {}) {
    auto session = std::make_shared<Session<Stream>>(
        std::move(stream), framing_, times, *handler_,
        [sessions = sessions_, keep = handler_, ended = std::move(ended)](const auto& over) {
          if (sessions->erase(over) != 0 && ended) ended();
        });
    sessions_->insert(session);
    return session;
  }
  void close_all() {
    for (const auto& session : std::exchange(*sessions_, {})) session->close();
  }
  std::size_t size() const { return sessions_->size(); }
  // Handlers of what outlives a server ask this before they touch it.
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  const modbus::Framing framing_;
  const SharedHandler handler_;
  const std::shared_ptr<Sessions> sessions_ = std::make_shared<Sessions>();  // sessions share it
  const std::shared_ptr<void> alive_ = std::make_shared<int>(0);
};

// A listening socket at host and port. conflict: taken; invalid: not an address.
base::Result<asio::ip::tcp::acceptor> make_acceptor(base::IoLoop& loop, const std::string& host,
                                                    std::uint16_t port);
base::Result<asio::ip::address> parse_address(const std::string& host);
base::Status listen_error(const std::string& host, std::uint16_t port, const Error& error);

// Accepts for ever; start makes a session of a socket.
class Listener {
 public:
  using Start = std::function<void(asio::ip::tcp::socket)>;
  Listener(asio::ip::tcp::acceptor acceptor, Start start)
      : acceptor_(std::move(acceptor)), start_(std::move(start)) {}
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void accept(std::weak_ptr<void> alive);

 private:
  asio::ip::tcp::acceptor acceptor_;
  const Start start_;
  asio::steady_timer retry_{acceptor_.get_executor()};
};

}  // namespace modbus_sim

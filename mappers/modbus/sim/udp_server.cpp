// A server on UDP: a datagram is a frame, and answers have no order among them.
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <map>

#include "base/text.hpp"
#include "sim/servers.hpp"

namespace modbus_sim {

using asio::ip::udp;
using modbus::Endpoint;

namespace {

class UdpServer final : public Server {
 public:
  UdpServer(base::IoLoop& loop, udp::socket socket, modbus::Framing framing, SharedHandler handler)
      : loop_(loop), socket_(std::move(socket)), handler_(std::move(handler)), framing_(framing) {
    reply_.framing = framing;
    receive();
  }
  ~UdpServer() override {
    for (const auto& [due, timer] : timers_) loop_.cancel(timer);
  }
  std::uint16_t port() const override { return socket_.local_endpoint().port(); }
  std::size_t connections() const override { return 0; }
  void drop_connections() override {}

 private:
  void receive() {
    socket_.async_receive_from(
        asio::buffer(datagram_), from_,
        [this, alive = std::weak_ptr(alive_)](const Error& error, std::size_t size) {
          if (alive.expired() || error == asio::error::operation_aborted) return;
          // An ICMP error of an earlier answer is nobody's request.
          if (!error) take(size);
          receive();
        });
  }

  void take(std::size_t size) {
    RequestDecoder decoder(framing_);
    const std::span<std::uint8_t> space = decoder.space();
    if (size > space.size()) return;
    std::copy_n(datagram_.begin(), size, space.begin());
    decoder.received(size);
    const auto request = decoder.next();
    if (!request || !request->has_value()) return;  // not Modbus: a datagram is lost, no more
    reply_.clear();
    (*handler_)(**request, reply_);
    if (reply_.silent()) return;
    if (reply_.after_next && held_.empty()) {
      held_ = std::move(reply_.bytes);
      return;
    }
    send(from_, reply_.delay, std::move(reply_.bytes));
    base::Duration at = reply_.delay;
    for (Reply::Piece& piece : reply_.rest) send(from_, at += piece.pause, std::move(piece.bytes));
    send(from_, reply_.delay, std::exchange(held_, {}));
  }

  void send(const udp::endpoint& to, base::Duration delay, std::vector<std::uint8_t> bytes) {
    if (bytes.empty() || timers_.size() >= max_waiting) return;
    if (delay == base::Duration::zero()) {
      Error lost;  // as datagrams may be
      socket_.send_to(asio::buffer(bytes), to, 0, lost);
      return;
    }
    const std::uint64_t id = ++last_;
    timers_[id] = loop_.after(delay, [this, id, to, bytes = std::move(bytes)] {
      timers_.erase(id);
      Error lost;
      socket_.send_to(asio::buffer(bytes), to, 0, lost);
    });
  }

  base::IoLoop& loop_;
  udp::socket socket_;
  const SharedHandler handler_;
  const modbus::Framing framing_;
  udp::endpoint from_;
  // More than any frame: one that is too long is seen to be.
  std::array<std::uint8_t, 512> datagram_{};
  Reply reply_;
  std::vector<std::uint8_t> held_;  // goes out behind the next answer
  std::map<std::uint64_t, base::Loop::TimerId> timers_;
  std::uint64_t last_ = 0;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace

ServerResult open_udp(base::IoLoop& loop, const Endpoint& endpoint, SharedHandler handler) {
  const base::Result<asio::ip::address> address = parse_address(endpoint.host);
  if (!address) return address.status();
  const udp::endpoint local(*address, endpoint.port);
  udp::socket socket(loop.io());
  Error error;
  socket.open(local.protocol(), error);
  if (!error) socket.bind(local, error);
  if (error) return listen_error(endpoint.host, endpoint.port, error);
  return std::unique_ptr<Server>(
      std::make_unique<UdpServer>(loop, std::move(socket), endpoint.framing, std::move(handler)));
}

}  // namespace modbus_sim

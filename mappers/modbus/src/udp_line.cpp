// A line over UDP: a frame a datagram, in either framing. There is no connection: to connect is to
// resolve the name. A lost datagram is a time-out. Everything is on the loop.
#include <algorithm>
#include <boost/asio/ip/udp.hpp>

#include "socket_line.hpp"

namespace modbus {

namespace {

using asio::ip::udp;

// A flood is looked at in helpings, so that the loop's other lines get their turn.
constexpr int max_datagrams_at_once = 64;

class UdpLine final : public SocketLine {
 public:
  UdpLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
      : SocketLine(io, endpoint, client), socket_(io) {}

 private:
  void open() override;
  Error write(Bytes frame) override;
  bool has_bytes() override;
  void drain() override;
  void shut() override;
  bool datagrams() const override { return true; }

  void use(const udp::endpoint& peer);
  void listen();
  void readable(const Error& waited);
  bool receive(Error& error);

  udp::socket socket_;
  udp::endpoint peer_;
};

void UdpLine::open() {
  look_up([this](const Addresses& addresses) {
    use(udp::endpoint(addresses.front(), endpoint_.port));
  });
}

// The socket is not connected to the peer: datagrams of others are to be counted, not unseen.
void UdpLine::use(const udp::endpoint& peer) {
  peer_ = peer;
  Error error;
  socket_.open(peer.protocol(), error);
  if (!error) socket_.non_blocking(true, error);
  if (error) return no_connection(error.message());
  listen();
  opened();
}

Error UdpLine::write(Bytes frame) {
  Error error;
  socket_.send_to(asio::buffer(frame.data(), frame.size()), peer_, 0, error);
  // A full buffer loses the datagram, as the network may: that is a time-out.
  return error == asio::error::would_block ? Error() : error;
}

void UdpLine::listen() {
  socket_.async_wait(udp::socket::wait_read,
                     guarded([this](const Error& error) { readable(error); }));
}

// One datagram. false: there is none (error says why), or the line has ended.
bool UdpLine::receive(Error& error) {
  // Larger than any frame: one that is cut off must not look like one.
  std::array<std::uint8_t, max_adu_bytes + 1> datagram;
  udp::endpoint from;
  const std::size_t size = socket_.receive_from(asio::buffer(datagram), from, 0, error);
  if (error) return false;
  if (from != peer_) {
    ++counters_.foreign;
    return true;
  }
  const std::span<std::uint8_t> space = dialogue_->space();
  if (size == 0 || size > max_adu_bytes) {
    ++counters_.malformed;
    return true;
  }
  std::copy_n(datagram.begin(), size, space.begin());
  dialogue_->received(size);
  if (!digest()) return false;
  dialogue_->boundary();
  return true;
}

void UdpLine::readable(const Error& waited) {
  Error error = waited;
  if (error) return lost(error);
  for (int i = 0; i < max_datagrams_at_once; ++i) {
    if (receive(error)) continue;
    if (!error) return;
    break;
  }
  if (error && error != asio::error::would_block) return lost(error);
  listen();
  digested();
}

bool UdpLine::has_bytes() {
  Error error;
  return socket_.available(error) > 0;
}

void UdpLine::drain() {
  Error error;
  for (int i = 0; i < max_datagrams_at_once && receive(error); ++i) continue;
}

void UdpLine::shut() {
  Error ignored;  // it is being thrown away
  socket_.close(ignored);
}

}  // namespace

std::shared_ptr<Line> udp_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client) {
  return std::make_shared<UdpLine>(io, endpoint, client);
}

}  // namespace modbus

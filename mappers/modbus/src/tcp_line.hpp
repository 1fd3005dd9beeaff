// A line over a TCP socket, whoever made the connection. Everything is on the loop.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <vector>

#include "socket_line.hpp"

namespace modbus {

class TcpLine : public SocketLine {
 public:
  TcpLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
      : SocketLine(io, endpoint, client), socket_(io) {}

 protected:
  using tcp = asio::ip::tcp;

  void open() override;
  Error write(Bytes frame) override;
  bool writing() const override { return !rest_.empty(); }
  bool has_bytes() override;
  void drain() override;
  void shut() override;

  void socket_is_open();

  tcp::socket socket_;

 private:
  void listen();
  void readable(const Error& waited);

  std::vector<std::uint8_t> rest_;  // of a request the socket did not take at once
};

}  // namespace modbus

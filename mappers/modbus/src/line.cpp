#include "modbus/line.hpp"

#include <utility>

#include "socket_line.hpp"

namespace modbus {

namespace {

// What the owner holds. The line itself is shared with its handlers, so that one which is running
// outlives a client that destroys it from within a call.
class Handle final : public Line {
 public:
  explicit Handle(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  ~Handle() override { line_->close(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void connect() override { line_->connect(); }
  bool is_up() const override { return line_->is_up(); }
  void send(const Request& request) override { line_->send(request); }
  void close() override { line_->close(); }
  const Counters& counters() const override { return line_->counters(); }

 private:
  const std::shared_ptr<Line> line_;
};

std::shared_ptr<Line> make(asio::io_context& io, const Endpoint& endpoint, Line::Client& client) {
  switch (endpoint.transport) {
    case Transport::tcp:
      return tcp_line(io, endpoint, client);
    case Transport::tls:
      return tls_line(io, endpoint, client);
    case Transport::listen:
      return listen_line(io, endpoint, client);
    case Transport::udp:
      return udp_line(io, endpoint, client);
    case Transport::serial:
      break;
  }
  return serial_line(io, endpoint, client);
}

}  // namespace

std::unique_ptr<Line> make_line(base::IoLoop& loop, const Endpoint& endpoint,
                                Line::Client& client) {
  return std::make_unique<Handle>(make(loop.io(), endpoint, client));
}

}  // namespace modbus

// A serial line: the loop's half. The port lives on its thread and reports here.
#include <boost/asio/post.hpp>
#include <cassert>
#include <utility>

#include "base/text.hpp"
#include "serial_port.hpp"
#include "socket_line.hpp"

namespace modbus {

namespace {

using base::cat;
using base::Code;
using base::Status;

class SerialLine final : public Line, public std::enable_shared_from_this<SerialLine> {
 public:
  SerialLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
      : io_(io), endpoint_(endpoint), client_(client) {}

  void connect() override;
  bool is_up() const override { return up_; }
  void send(const Request& request) override;
  void close() override;
  const Counters& counters() const override { return counters_; }

 private:
  using Report = SerialPort::Report;
  void heard(const Report& report);

  asio::io_context& io_;
  const Endpoint endpoint_;
  Client& client_;
  Counters counters_;
  std::uint32_t connection_ = 0;
  bool up_ = false;
  bool on_line_ = false;
  std::unique_ptr<SerialPort> port_;  // from connect() on
};

void SerialLine::connect() {
  assert(!port_);
  port_ = std::make_unique<SerialPort>(
      endpoint_.serial, counters_,
      [&io = io_, weak = weak_from_this(), connection = ++connection_](Report report) {
        asio::post(io, [weak, connection, report = std::move(report)] {
          const auto self = weak.lock();
          if (self && self->connection_ == connection) self->heard(report);
        });
      });
}

void SerialLine::send(const Request& request) {
  assert(up_ && !on_line_);
  on_line_ = true;
  port_->send(request);
}

void SerialLine::close() {
  ++connection_;
  up_ = on_line_ = false;
  if (port_) counters_ = port_->stop();
  port_.reset();
}

void SerialLine::heard(const Report& report) {
  counters_ = report.counters;
  if (report.kind == Report::Kind::answered) {
    on_line_ = false;
    return client_.answered(report.status, report.answer);
  }
  if (report.kind == Report::Kind::opened && report.status.ok()) {
    up_ = true;
    return client_.connected(report.status);
  }
  const bool asked = on_line_;
  close();
  if (report.kind == Report::Kind::opened) {
    return client_.connected(
        Status(Code::unavailable,
               cat("cannot connect to ", endpoint_.to_string(), ": ", report.status.text())));
  }
  const Status why(Code::unavailable,
                   cat(endpoint_.to_string(), " is gone: ", report.status.text()));
  if (asked) return client_.answered(why, {});
  client_.lost(why);
}

}  // namespace

std::shared_ptr<Line> serial_line(asio::io_context& io, const Endpoint& endpoint,
                                  Line::Client& client) {
  return std::make_shared<SerialLine>(io, endpoint, client);
}

}  // namespace modbus

// What lines over sockets have in common: the request on the line, its deadline, and the client.
// A transport derives from it and opens, writes, reads and shuts. Everything is on the loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dialogue.hpp"
#include "modbus/line.hpp"

namespace modbus {

namespace asio = boost::asio;
using Error = boost::system::error_code;

class SocketLine : public Line, public std::enable_shared_from_this<SocketLine> {
 public:
  void connect() final;
  bool is_up() const final { return state_ == State::up; }
  void send(const Request& request) final;
  void close() override { disconnect(); }
  const Counters& counters() const final { return counters_; }

 protected:
  enum class State : std::uint8_t { idle, connecting, up };

  SocketLine(asio::io_context& io, const Endpoint& endpoint, Client& client);

  // A transport's part. open() ends in opened() or no_connection(), never from within it. write()
  // takes all of frame; what it cannot write at once it keeps, and says so in writing(). drain()
  // looks at what has arrived, without waiting; readable() will see the errors it meets.
  virtual void open() = 0;
  virtual Error write(Bytes frame) = 0;
  virtual bool writing() const { return false; }
  virtual bool has_bytes() = 0;
  virtual void drain() = 0;
  virtual void shut() = 0;
  virtual bool datagrams() const { return false; }  // a malformed one does not spoil the next

  // Handlers hold the line weakly, and belong to one connection: what a former one still has to
  // say is not heard. call may use the derived line's this.
  template <class Call>
  auto guarded(Call call) {
    return [weak = weak_from_this(), connection = connection_, call](const Error& error,
                                                                     auto&&... rest) {
      const auto self = weak.lock();
      if (self && self->connection_ == connection) call(error, rest...);
    };
  }
  // Runs call later, unless the connection is another one by then.
  void later(std::function<void()> call);
  // Calls found later with the addresses of the endpoint's host, which may be one itself; without
  // any there is no connection. Names are looked up at every connect.
  using Addresses = std::vector<asio::ip::address>;
  void look_up(std::function<void(const Addresses&)> found);

  void opened();
  void no_connection(const std::string& why);
  // Looks at what the dialogue received. false: this connection has ended.
  bool digest();
  void digested();  // nothing more has arrived for now: a request that had to wait may go
  void lost(const base::Status& why);
  void lost(const Error& error);
  void written();  // all of the request is out, later than write()
  void disconnect();

  asio::io_context& io_;
  const Endpoint endpoint_;
  Client& client_;
  Counters counters_;
  const std::unique_ptr<Dialogue> dialogue_;
  State state_ = State::idle;

 private:
  void begin();
  void finish(const base::Status& status, Bytes answer = {});
  void arm(Clock::time_point when);
  void timer_fired();
  void missed();

  std::uint32_t connection_ = 0;
  asio::steady_timer timer_;  // fires no later than deadline_, and looks again: rarely re-armed
  Clock::time_point armed_for_;
  Clock::time_point deadline_;  // of connecting, or of what is on the line
  Request request_;
  bool armed_ = false;
  bool on_line_ = false;    // request_ is to be answered
  bool waiting_ = false;    // … and has not gone out yet
  bool digesting_ = false;  // the client may be reading an answer: nothing is received meanwhile
  bool looked_again_ = false;
};

std::shared_ptr<Line> tcp_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client);
std::shared_ptr<Line> tls_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client);
std::shared_ptr<Line> udp_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client);
std::shared_ptr<Line> listen_line(asio::io_context& io, const Endpoint& endpoint,
                                  Line::Client& client);
std::shared_ptr<Line> serial_line(asio::io_context& io, const Endpoint& endpoint,
                                  Line::Client& client);

}  // namespace modbus

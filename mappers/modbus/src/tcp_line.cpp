#include "tcp_line.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>

namespace modbus {

namespace {

// A peer that never stops is looked at in helpings of a dialogue's space, some 16 kB.
constexpr int max_reads_at_once = 64;

}  // namespace

void TcpLine::open() {
  look_up([this](const Addresses& addresses) {
    std::vector<tcp::endpoint> peers;
    for (const auto& address : addresses) peers.emplace_back(address, endpoint_.port);
    asio::async_connect(socket_, peers,
                        guarded([this](const Error& error, const auto& /*endpoint*/) {
                          if (error) return no_connection(error.message());
                          socket_is_open();
                        }));
  });
}

void TcpLine::socket_is_open() {
  // Failing to set these costs delay, not correctness.
  Error ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  listen();
  opened();
}

Error TcpLine::write(Bytes frame) {
  // 12 bytes nearly always fit in the socket's buffer: no trip through the reactor.
  Error error;
  const std::size_t count = socket_.write_some(asio::buffer(frame.data(), frame.size()), error);
  if (error && error != asio::error::would_block) return error;
  if (count == frame.size()) return {};
  const Bytes rest = frame.subspan(count);
  rest_.assign(rest.begin(), rest.end());
  // An error shows up in readable() too, which ends the connection.
  asio::async_write(socket_, asio::buffer(rest_), guarded([this](const Error& failed, std::size_t) {
                      rest_.clear();
                      if (!failed) written();
                    }));
  return {};
}

void TcpLine::listen() {
  socket_.async_wait(tcp::socket::wait_read,
                     guarded([this](const Error& error) { readable(error); }));
}

void TcpLine::readable(const Error& waited) {
  Error error = waited;
  const std::span<std::uint8_t> space = dialogue_->space();
  const std::size_t count =
      error ? 0 : socket_.read_some(asio::buffer(space.data(), space.size()), error);
  if (error == asio::error::would_block) return listen();
  if (error) return lost(error);
  dialogue_->received(count);
  if (!digest()) return;
  listen();
  digested();
}

bool TcpLine::has_bytes() {
  Error error;
  return socket_.available(error) > 0;
}

void TcpLine::drain() {
  Error error;
  for (int i = 0; i < max_reads_at_once && !error && socket_.available(error) > 0; ++i) {
    const std::span<std::uint8_t> space = dialogue_->space();
    dialogue_->received(socket_.read_some(asio::buffer(space.data(), space.size()), error));
    // Only RTU drains, and nothing is awaited: these are frames to count, and nothing fails.
    if (!digest()) return;
  }
  dialogue_->boundary();
}

void TcpLine::shut() {
  Error ignored;  // it is being thrown away
  socket_.close(ignored);
  rest_.clear();
}

std::shared_ptr<Line> tcp_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client) {
  return std::make_shared<TcpLine>(io, endpoint, client);
}

}  // namespace modbus

// What the connections of one server share. Loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/http.hpp"
#include "base/log.hpp"

namespace base::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using tcp = boost::asio::ip::tcp;
using Error = boost::system::error_code;

class Connection;

// What connections share with their server. Outlives it by the callbacks still queued.
struct Hub {
  Hub(IoLoop& the_loop, Options the_options, Server::Handler the_handler)
      : loop(the_loop),
        options(std::move(the_options)),
        handler(std::move(the_handler)),
        acceptor(loop.io()),
        retry(loop.io()) {}

  IoLoop& loop;
  const Options options;  // but for the certificate, which may be another one since
  Server::Handler handler;
  std::optional<ssl::context> tls;
  tcp::acceptor acceptor;
  asio::steady_timer retry;  // after accept() failed
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections;
  Repeats repeats;
  bool down = false;                              // the server was destroyed
  std::size_t bodies_bytes = 0;                   // reserved for bodies
  std::deque<std::weak_ptr<Connection>> waiting;  // for room for theirs, in turn
};

}  // namespace base::http

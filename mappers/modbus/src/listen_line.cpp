// Lines to devices that dial in. Lines of one loop that listen at the same address and port share
// an acceptor; a device is told by the address it dials from. Everything is on the loop.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <map>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "tcp_line.hpp"

namespace modbus {

namespace {

using asio::ip::tcp;
using base::cat;

// A process without free descriptors cannot accept: some may have been closed by then.
constexpr std::chrono::milliseconds accept_again{100};

// Who wants the devices that dial in at one port.
class Dialled {
 public:
  // Whether it took the socket, which came from that address.
  virtual bool take(tcp::socket& socket, const asio::ip::address& from) = 0;

 protected:
  ~Dialled() = default;
};

class Acceptor final : public std::enable_shared_from_this<Acceptor> {
 public:
  explicit Acceptor(asio::io_context& io) : acceptor_(io), timer_(io) {}

  Error listen(const tcp::endpoint& at) {
    Error error;
    acceptor_.open(at.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(at, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) accept();
    return error;
  }
  // particular: it takes one peer only, and is asked before those that take any.
  void add(Dialled& line, bool particular) {
    lines_.insert(particular ? lines_.begin() : lines_.end(), &line);
  }
  void remove(Dialled& line) { std::erase(lines_, &line); }

 private:
  void accept() {
    acceptor_.async_accept([weak = weak_from_this()](const Error& error, tcp::socket socket) {
      const auto self = weak.lock();
      if (self) self->accepted(error, std::move(socket));
    });
  }
  void accepted(const Error& error, tcp::socket socket) {
    if (error) {
      timer_.expires_after(accept_again);
      return timer_.async_wait([weak = weak_from_this()](const Error&) {
        if (const auto self = weak.lock()) self->accept();
      });
    }
    Error gone;
    const tcp::endpoint from = socket.remote_endpoint(gone);
    if (!gone) offer(socket, normal(from.address()));
    accept();
  }
  // One that nobody wants is closed with the socket.
  void offer(tcp::socket& socket, const asio::ip::address& from) {
    for (Dialled* line : std::vector(lines_)) {
      if (line->take(socket, from)) return;
    }
  }
  static asio::ip::address normal(const asio::ip::address& from) {
    if (!from.is_v6() || !from.to_v6().is_v4_mapped()) return from;
    return asio::ip::make_address_v4(asio::ip::v4_mapped, from.to_v6());
  }

  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  std::vector<Dialled*> lines_;
};

// The acceptors of a loop. A service of its io_context: as old as the loop, and no global.
class Acceptors final : public asio::execution_context::service {
 public:
  using key_type = Acceptors;
  inline static asio::execution_context::id id;

  explicit Acceptors(asio::execution_context& io) : service(io) {}

  std::shared_ptr<Acceptor> get(asio::io_context& io, const tcp::endpoint& at, Error& error) {
    std::weak_ptr<Acceptor>& known = acceptors_[at];
    if (auto acceptor = known.lock()) return acceptor;
    auto made = std::make_shared<Acceptor>(io);
    error = made->listen(at);
    if (error) return nullptr;
    known = made;
    return made;
  }

 private:
  void shutdown() override { acceptors_.clear(); }

  std::map<tcp::endpoint, std::weak_ptr<Acceptor>> acceptors_;
};

class ListenLine final : public TcpLine, private Dialled {
 public:
  ListenLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
      : TcpLine(io, endpoint, client), dialled_(io) {}
  ~ListenLine() { leave(); }
  ListenLine(const ListenLine&) = delete;
  ListenLine& operator=(const ListenLine&) = delete;

  // The port stays open for other lines only.
  void close() override {
    leave();
    Error ignored;
    dialled_.close(ignored);
    TcpLine::close();
  }

 private:
  void open() override;
  bool take(tcp::socket& socket, const asio::ip::address& from) override;
  std::string join();
  void leave();
  void adopt();

  std::shared_ptr<Acceptor> acceptor_;
  asio::ip::address peer_;  // of endpoint_.peer
  asio::ip::address from_;  // who dialled in last
  bool waits_ = false;   // the client knows that nobody has dialled in, and is told when one does
  tcp::socket dialled_;  // in place of a connection whose end the client is still to deal with
};

// The text of why it cannot listen; "": it does.
std::string ListenLine::join() {
  Error error;
  const asio::ip::address at = endpoint_.host.empty()
                                   ? asio::ip::address_v4::any()
                                   : asio::ip::make_address(endpoint_.host, error);
  if (error) return cat("\"", endpoint_.host, "\" is no local address");
  if (!endpoint_.peer.empty()) peer_ = asio::ip::make_address(endpoint_.peer, error);
  if (error) return cat("peer \"", endpoint_.peer, "\" is no address");
  acceptor_ = asio::use_service<Acceptors>(io_).get(io_, tcp::endpoint(at, endpoint_.port), error);
  if (error) return cat("cannot listen: ", error.message());
  acceptor_->add(*this, !endpoint_.peer.empty());
  return "";
}

void ListenLine::leave() {
  waits_ = false;
  if (acceptor_) acceptor_->remove(*this);
  acceptor_.reset();
}

void ListenLine::open() {
  if (!acceptor_) {
    if (const std::string why = join(); !why.empty()) {
      return later([this, why] { no_connection(why); });
    }
  }
  later([this] {
    if (dialled_.is_open()) return adopt();
    waits_ = true;
    no_connection(endpoint_.peer.empty() ? std::string("no device has dialled in yet")
                                         : cat(endpoint_.peer, " has not dialled in yet"));
  });
}

bool ListenLine::take(tcp::socket& socket, const asio::ip::address& from) {
  const bool held = state_ == State::up || dialled_.is_open();
  if (endpoint_.peer.empty() ? held && from != from_ : from != peer_) return false;
  from_ = from;
  dialled_ = std::move(socket);
  // A device that dials in again has given the former connection up, whatever it looks like here.
  if (state_ == State::up) {
    lost(base::Status(base::Code::unavailable,
                      cat(from.to_string(), " dialled in again at ", endpoint_.to_string())));
  } else if (waits_) {
    adopt();
  }
  return true;
}

void ListenLine::adopt() {
  waits_ = false;
  socket_ = std::move(dialled_);
  socket_is_open();
}

}  // namespace

std::shared_ptr<Line> listen_line(asio::io_context& io, const Endpoint& endpoint,
                                  Line::Client& client) {
  return std::make_shared<ListenLine>(io, endpoint, client);
}

}  // namespace modbus

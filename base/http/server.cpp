// Listening, certificates, and who is let in.
#include "base/http.hpp"

#include <cassert>

#include "base/text.hpp"
#include "connection.hpp"
#include "hub.hpp"

namespace base::http {

namespace {

void accept_next(const std::shared_ptr<Hub>& hub) {
  hub->acceptor.async_accept([hub](Error error, tcp::socket socket) {
    if (hub->down) return;
    if (error) {
      // Out of descriptors, mostly: trying at once would spin.
      hub->repeats.warn(hub->loop.now(), "accept", cat("http: accept: ", error.message()));
      hub->retry.expires_after(std::chrono::milliseconds(100));
      return hub->retry.async_wait([hub](Error cancelled) {
        if (!cancelled && !hub->down) accept_next(hub);
      });
    }
    if (hub->connections.size() >= hub->options.max_connections) {
      hub->repeats.warn(hub->loop.now(), "full",
                        cat("http: ", hub->connections.size(),
                            " connections are open (limit), closing a new one"));
    } else {
      Error ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      // The only thing that tells of a silent stream's client whose machine lost its power.
      socket.set_option(tcp::socket::keep_alive(true), ignored);
      const auto connection = std::make_shared<Connection>(std::move(socket), hub);
      hub->connections.emplace(connection.get(), connection);
      connection->start();
    }
    accept_next(hub);
  });
}

// A context of its own for each certificate: a client that resumes a session of the old one would
// never see the new. Connections hold what they need of theirs by OpenSSL's own count.
Status load_certificate(Hub& hub, const std::string& certificate_pem, const std::string& key_pem) {
  ssl::context tls(ssl::context::tls_server);
  Error error;
  tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv3 |
                      ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                  error);
  // Idle watchers are many: OpenSSL gives back its 34 KiB of buffers while a connection is quiet.
  SSL_CTX_set_mode(tls.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  tls.use_certificate_chain(asio::buffer(certificate_pem), error);
  if (error) return Status(Code::invalid, cat("http: the certificate: ", error.message()));
  tls.use_private_key(asio::buffer(key_pem), ssl::context::pem, error);
  if (error) return Status(Code::invalid, cat("http: the certificate's key: ", error.message()));
  hub.tls = std::move(tls);
  return Status();
}

Status open(Hub& hub) {
  const std::string where = cat(hub.options.address, ':', hub.options.port);
  Error error;
  const auto address = asio::ip::make_address(hub.options.address, error);
  if (error) return Status(Code::invalid, cat("http: ", where, ": not an IP address"));
  const tcp::endpoint endpoint(address, hub.options.port);
  hub.acceptor.open(endpoint.protocol(), error);
  if (!error) hub.acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) hub.acceptor.bind(endpoint, error);
  if (!error) hub.acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) return Status();
  const bool taken = error == asio::error::address_in_use;
  return Status(taken ? Code::conflict : Code::unavailable,
                taken ? cat("http: ", where, ": the port is taken by another program")
                      : cat("http: cannot listen on ", where, ": ", error.message()));
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(std::shared_ptr<Hub> hub)
      : hub_(std::move(hub)), port_(hub_->acceptor.local_endpoint().port()) {}

  ~ServerImpl() override {
    hub_->down = true;
    Error ignored;
    hub_->acceptor.close(ignored);
    hub_->retry.cancel();
    const auto connections = std::exchange(hub_->connections, {});
    for (const auto& [key, connection] : connections) connection->close();
  }

  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return hub_->connections.size(); }
  std::size_t bodies_bytes() const override { return hub_->bodies_bytes; }
  Status use_certificate(const std::string& certificate_pem, const std::string& key_pem) override {
    assert(hub_->tls);
    return load_certificate(*hub_, certificate_pem, key_pem);
  }

 private:
  std::shared_ptr<Hub> hub_;
  std::uint16_t port_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(IoLoop& loop, Options options, Handler handler) {
  const auto hub = std::make_shared<Hub>(loop, std::move(options), std::move(handler));
  const std::string& certificate = hub->options.certificate_pem;
  const std::string& key = hub->options.key_pem;
  if (!certificate.empty() || !key.empty()) {
    if (Status status = load_certificate(*hub, certificate, key); !status.ok()) return status;
  }
  if (Status status = open(*hub); !status.ok()) return status;
  accept_next(hub);
  return std::unique_ptr<Server>(std::make_unique<ServerImpl>(hub));
}

}  // namespace base::http

// A server of Modbus/TCP Security: TLS 1.2 and up, clients with a certificate of our authority.
#include <boost/asio/ssl.hpp>

#include "base/text.hpp"
#include "sim/servers.hpp"

namespace modbus_sim {

using asio::ip::tcp;
using base::cat;
using base::Code;
using base::Status;
using modbus::Endpoint;
using TlsStream = asio::ssl::stream<tcp::socket>;

namespace {

class TlsServer final : public Server {
 public:
  TlsServer(tcp::acceptor acceptor, asio::ssl::context context, modbus::Framing framing,
            SharedHandler handler)
      : context_(std::move(context)),
        sessions_(framing, std::move(handler)),
        listener_(std::move(acceptor), [this](tcp::socket socket) { start(std::move(socket)); }) {
    listener_.accept(sessions_.alive());
  }
  std::uint16_t port() const override { return listener_.port(); }
  std::size_t connections() const override { return sessions_.size(); }
  void drop_connections() override { sessions_.close_all(); }

 private:
  void start(tcp::socket socket) {
    auto session = sessions_.make(TlsStream(std::move(socket), context_));
    TlsStream& stream = session->stream();
    stream.async_handshake(TlsStream::server, [session](const Error& error) {
      error ? session->end() : session->start();
    });
  }

  asio::ssl::context context_;
  SessionSet sessions_;
  Listener listener_;
};

}  // namespace

ServerResult open_tls(base::IoLoop& loop, const Endpoint& endpoint, SharedHandler handler) {
  const modbus::TlsSettings& tls = endpoint.tls;
  asio::ssl::context context(asio::ssl::context::tls_server);
  Error error;
  const auto failed = [&](std::string_view what, const std::string& file) {
    return Status(Code::invalid, cat(what, " ", file, ": ", error.message()));
  };
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv3 |
                          asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                      error);
  context.use_certificate_chain_file(tls.cert_file, error);
  if (error) return failed("certificate", tls.cert_file);
  context.use_private_key_file(tls.key_file, asio::ssl::context::pem, error);
  if (error) return failed("key", tls.key_file);
  if (!tls.ca_file.empty()) {
    context.load_verify_file(tls.ca_file, error);
    if (error) return failed("authority", tls.ca_file);
    context.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  }
  base::Result<tcp::acceptor> acceptor = make_acceptor(loop, endpoint.host, endpoint.port);
  if (!acceptor) return acceptor.status();
  return std::unique_ptr<Server>(std::make_unique<TlsServer>(
      std::move(*acceptor), std::move(context), endpoint.framing, std::move(handler)));
}

}  // namespace modbus_sim

// A line over TLS, 1.2 or later: Modbus/TCP Security. The server's certificate is verified unless
// told otherwise. Files are read at every connect, so that renewed ones are used. On the loop.
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/text.hpp"
#include "base/trust.hpp"
#include "tcp_line.hpp"

namespace modbus {

namespace {

using asio::ip::tcp;
using base::cat;

// Asio's TLS operations touch stream and buffers after their socket was closed: they hold it all.
struct Connection {
  Connection(asio::io_context& io, asio::ssl::context settings)
      : context(std::move(settings)), stream(io, context) {}

  asio::ssl::context context;
  asio::ssl::stream<tcp::socket> stream;
  std::array<std::uint8_t, 2 * max_adu_bytes> in{};
  std::vector<std::uint8_t> out;
};

// What is wrong with the file; "": it can be read, and is nobody's to change but ours.
std::string unusable(const std::string& path, base::Trust how) {
  const base::Status trust = base::trusted(path, how);
  if (trust.code() == base::Code::refused) return trust.text();
  errno = 0;
  if (std::ifstream(path).good()) return "";
  return cat(path, " cannot be read: ", std::strerror(errno));
}

// The text of what is wrong with the settings; "": nothing.
std::string load(asio::ssl::context& context, const TlsSettings& tls) {
  for (const std::string* path : {&tls.ca_file, &tls.cert_file, &tls.key_file}) {
    if (path->empty()) continue;
    const auto how = path == &tls.key_file ? base::Trust::secret : base::Trust::file;
    if (std::string why = unusable(*path, how); !why.empty()) return why;
  }
  Error error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (!tls.ca_file.empty()) {
    context.load_verify_file(tls.ca_file, error);
    if (error) return cat(tls.ca_file, " holds no certificates: ", error.message());
  } else if (tls.verify) {
    context.set_default_verify_paths(error);
    if (error) return cat("the system's certificates: ", error.message());
  }
  if (tls.cert_file.empty()) return "";
  context.use_certificate_chain_file(tls.cert_file, error);
  if (error) return cat(tls.cert_file, " holds no certificate: ", error.message());
  context.use_private_key_file(tls.key_file, asio::ssl::context::pem, error);
  if (error) return cat(tls.key_file, " holds no key for ", tls.cert_file, ": ", error.message());
  return "";
}

// Through OpenSSL itself, so that its verdict says whether it was the name.
void expect_name(SSL* ssl, const std::string& name) {
  Error not_an_address;
  asio::ip::make_address(name, not_an_address);
  if (not_an_address) {
    SSL_set_tlsext_host_name(ssl, name.c_str());
    SSL_set1_host(ssl, name.c_str());
  } else {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
  }
}

class TlsLine final : public SocketLine {
 public:
  TlsLine(asio::io_context& io, const Endpoint& endpoint, Client& client)
      : SocketLine(io, endpoint, client) {}

 private:
  void open() override;
  Error write(Bytes frame) override;
  bool writing() const override { return tls_ && !tls_->out.empty(); }
  bool has_bytes() override;
  // What has arrived is encrypted, and being read all the time: there is nothing to look at here.
  void drain() override {}
  void shut() override;

  const std::string& name() const {
    return endpoint_.tls.server_name.empty() ? endpoint_.host : endpoint_.tls.server_name;
  }
  std::string prepare();
  void handshake();
  std::string verdict(const Error& error);
  void listen();
  void received(std::size_t count);

  std::shared_ptr<Connection> tls_;
};

std::string TlsLine::prepare() {
  // A stream takes over what its context holds when it is made: the context comes first.
  asio::ssl::context settings(asio::ssl::context::tls_client);
  if (std::string why = load(settings, endpoint_.tls); !why.empty()) return why;
  tls_ = std::make_shared<Connection>(io_, std::move(settings));
  SSL* ssl = tls_->stream.native_handle();
  expect_name(ssl, name());
  Error error;
  tls_->stream.set_verify_mode(
      endpoint_.tls.verify ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
  return error ? error.message() : "";
}

void TlsLine::open() {
  if (const std::string why = prepare(); !why.empty()) {
    return later([this, why] { no_connection(why); });
  }
  look_up([this](const Addresses& addresses) {
    std::vector<tcp::endpoint> peers;
    for (const auto& address : addresses) peers.emplace_back(address, endpoint_.port);
    asio::async_connect(tls_->stream.lowest_layer(), peers,
                        guarded([this, held = tls_](const Error& error, const auto&) {
                          if (error) return no_connection(error.message());
                          Error ignored;
                          held->stream.lowest_layer().set_option(tcp::no_delay(true), ignored);
                          handshake();
                        }));
  });
}

void TlsLine::handshake() {
  tls_->stream.async_handshake(asio::ssl::stream_base::client,
                               guarded([this, held = tls_](const Error& error) {
                                 if (error) return no_connection(verdict(error));
                                 listen();
                                 opened();
                               }));
}

std::string TlsLine::verdict(const Error& error) {
  const long result = SSL_get_verify_result(tls_->stream.native_handle());
  if (!endpoint_.tls.verify || result == X509_V_OK) return cat("TLS: ", error.message());
  const char* reason = X509_verify_cert_error_string(result);
  if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return cat("the server's certificate is not for ", name(), " (", reason, ")");
  }
  const std::string authority =
      endpoint_.tls.ca_file.empty() ? std::string("the system's") : endpoint_.tls.ca_file;
  return cat("the server's certificate is not accepted: ", reason, " (authorities: ", authority,
             ")");
}

Error TlsLine::write(Bytes frame) {
  tls_->out.assign(frame.begin(), frame.end());
  // An error shows up in listen() too, which ends the connection.
  asio::async_write(tls_->stream, asio::buffer(tls_->out),
                    guarded([this, held = tls_](const Error& error, std::size_t) {
                      held->out.clear();
                      if (!error) written();
                    }));
  return {};
}

void TlsLine::listen() {
  tls_->stream.async_read_some(asio::buffer(tls_->in),
                               guarded([this, held = tls_](const Error& error, std::size_t count) {
                                 if (error) return lost(error);
                                 received(count);
                               }));
}

void TlsLine::received(std::size_t count) {
  const std::shared_ptr<Connection> held = tls_;
  for (std::size_t from = 0; from < count;) {
    const std::span<std::uint8_t> space = dialogue_->space();
    const std::size_t piece = std::min(space.size(), count - from);
    std::copy_n(held->in.begin() + static_cast<std::ptrdiff_t>(from), piece, space.begin());
    dialogue_->received(piece);
    from += piece;
    if (!digest()) return;
  }
  listen();
  digested();
}

bool TlsLine::has_bytes() {
  Error error;
  return tls_ && tls_->stream.lowest_layer().available(error) > 0;
}

void TlsLine::shut() {
  if (!tls_) return;
  Error ignored;  // it is being thrown away
  tls_->stream.lowest_layer().close(ignored);
  tls_.reset();
}

}  // namespace

std::shared_ptr<Line> tls_line(asio::io_context& io, const Endpoint& endpoint,
                               Line::Client& client) {
  return std::make_shared<TlsLine>(io, endpoint, client);
}

}  // namespace modbus

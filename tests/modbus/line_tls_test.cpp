// A line over TLS against modbus-sim's server, with certificates made for the occasion.
#include <gmock/gmock.h>

#include <fstream>

#include "modbus/line_rig.hpp"
#include "sim/server.hpp"

namespace modbus_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class TlsLines : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  void openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const auto outcome = test_support::run(arguments);
    ASSERT_EQ(outcome.exit, 0) << outcome.output;
  }
  void authority(const std::string& name) {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", path(name + ".key"), "-out", path(name + ".pem"), "-subj", "/CN=" + name,
             "-days", "30"});
  }
  // A certificate of authority for alternative: an address or a name.
  void certificate(const std::string& name, const std::string& authority,
                   const std::string& alternative) {
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", path(name + ".key"), "-out", path(name + ".csr"), "-subj", "/CN=" + name});
    std::ofstream(path(name + ".ext")) << "subjectAltName=" << alternative << "\n";
    openssl({"x509", "-req", "-in", path(name + ".csr"), "-CA", path(authority + ".pem"), "-CAkey",
             path(authority + ".key"), "-CAcreateserial", "-days", "30", "-extfile",
             path(name + ".ext"), "-out", path(name + ".pem")});
  }

  void serve(const std::string& name, bool ask_client) {
    modbus::Endpoint endpoint;
    endpoint.transport = modbus::Transport::tls;
    endpoint.host = "127.0.0.1";
    endpoint.port = 0;
    endpoint.tls.cert_file = path(name + ".pem");
    endpoint.tls.key_file = path(name + ".key");
    if (ask_client) endpoint.tls.ca_file = path("plant.pem");
    auto server = modbus_sim::Server::open(
        loop_, endpoint, [](const modbus::Adu& request, modbus_sim::Reply& reply) {
          modbus::Pdu pdu;
          pdu.byte(3);
          pdu.byte(2);
          pdu.word(4711);
          reply.frame(request.transaction, request.unit, pdu);
        });
    ASSERT_TRUE(server.ok()) << server.status().text();
    server_ = std::move(*server);
  }
  void make_line(modbus::TlsSettings tls) {
    modbus::Endpoint endpoint;
    endpoint.transport = modbus::Transport::tls;
    endpoint.host = "127.0.0.1";
    endpoint.port = server_->port();
    endpoint.tls = std::move(tls);
    line_ = modbus::make_line(loop_, endpoint, owner_);
  }
  bool run_until(const std::function<bool()>& condition) {
    return modbus_test::run_until(loop_, condition);
  }
  Status connect() {
    owner_.connections.clear();
    line_->connect();
    EXPECT_TRUE(run_until([&] { return !owner_.connections.empty(); }));
    return owner_.connections.empty() ? Status(Code::internal, "") : owner_.connections.back();
  }
  Status read() {
    line_->send({1, false, std::chrono::milliseconds(2000), &request_});
    EXPECT_TRUE(run_until([&] { return !owner_.answers.empty(); }));
    return owner_.answers.back().first;
  }
  modbus::TlsSettings trusting(const std::string& authority) const {
    modbus::TlsSettings tls;
    tls.ca_file = path(authority + ".pem");
    return tls;
  }

  test_support::TempFolder folder_;
  base::IoLoop loop_;
  std::unique_ptr<modbus_sim::Server> server_;
  Owner owner_;
  std::unique_ptr<modbus::Line> line_;
  modbus::Pdu request_ = modbus::read_request({modbus::Table::holding, 0, 1});
};

TEST_F(TlsLines, AVerifiedServerIsReadWithAClientCertificate) {
  authority("plant");
  certificate("server", "plant", "IP:127.0.0.1");
  certificate("client", "plant", "DNS:mapper");
  serve("server", true);
  modbus::TlsSettings tls = trusting("plant");
  tls.cert_file = path("client.pem");
  tls.key_file = path("client.key");
  make_line(tls);
  ASSERT_EQ(connect(), Status());
  EXPECT_EQ(read(), Status());
  EXPECT_EQ(owner_.answers.back().second, (ByteVector{3, 2, 0x12, 0x67}));
}

TEST_F(TlsLines, AServerOfAnotherAuthorityOrNameIsRefusedAndWhy) {
  authority("plant");
  authority("other");
  certificate("server", "plant", "DNS:plc7");
  serve("server", false);
  make_line(trusting("other"));
  EXPECT_THAT(connect().text(), HasSubstr("the server's certificate is not accepted: "));
  EXPECT_THAT(owner_.connections.back().text(), HasSubstr("other.pem"));
  make_line(trusting("plant"));
  EXPECT_THAT(connect().text(), HasSubstr("the server's certificate is not for 127.0.0.1"));
  modbus::TlsSettings named = trusting("plant");
  named.server_name = "plc7";
  make_line(named);
  EXPECT_EQ(connect(), Status());
  modbus::TlsSettings blind;
  blind.verify = false;
  make_line(blind);
  EXPECT_EQ(connect(), Status());
}

TEST_F(TlsLines, WithoutTheClientCertificateTheServerAskedForNothingIsRead) {
  authority("plant");
  certificate("server", "plant", "IP:127.0.0.1");
  serve("server", true);
  make_line(trusting("plant"));
  // TLS 1.3: the client is done before the server has seen that the certificate is missing.
  if (connect().ok()) {
    ASSERT_TRUE(run_until([&] { return !owner_.losses.empty(); }));
    EXPECT_THAT(owner_.losses.back().text(), HasSubstr("certificate required"));
  }
  EXPECT_FALSE(line_->is_up());
}

TEST_F(TlsLines, AFileThatCannotBeReadIsNamed) {
  authority("plant");
  certificate("server", "plant", "IP:127.0.0.1");
  serve("server", false);
  make_line(trusting("missing"));
  EXPECT_THAT(connect().text(), AnyOf(HasSubstr("missing.pem cannot be read: No such file")));
}

}  // namespace
}  // namespace modbus_test

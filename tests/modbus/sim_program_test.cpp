// modbus-sim as a program: what its flags and its HTTP control promise, over the real wires.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "sim/framing.hpp"
#include "support/plane.hpp"

namespace modbus_test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::cat;
using test_support::Process;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Octets = std::vector<std::uint8_t>;

// Reads the register pair of unit 7's "float" (42.5F) in tests/data/modbus/interop.yaml.
const Octets ask_float = {0, 9, 0, 0, 0, 6, 7, 3, 0, 100, 0, 2};
const Octets float_answer = {0, 9, 0, 0, 0, 7, 7, 3, 4, 0x42, 0x2a, 0, 0};

class SimProgram : public ::testing::Test {
 protected:
  static std::string program() { return test_support::built("mappers/modbus/modbus-sim"); }
  static std::string yaml() { return cat(TEST_DATA, "/modbus/interop.yaml"); }

  void start(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {program(), yaml()});
    simulator_ = std::make_unique<Process>(flags);
    ASSERT_TRUE(simulator_->wait_for_output("\n")) << simulator_->output();
  }
  std::string said(std::string_view before) {
    EXPECT_TRUE(simulator_->wait_for_output(before)) << simulator_->output();
    const std::string output = simulator_->output();
    const std::size_t begin = output.find(before) + before.size();
    return output.substr(begin, output.find('\n', begin) - begin);
  }
  std::uint16_t port(std::string_view scheme = "tcp") {
    const std::string url = said(cat("listening on ", scheme, "://127.0.0.1:"));
    return static_cast<std::uint16_t>(std::atoi(url.c_str()));
  }
  static test_support::Outcome fails(std::vector<std::string> flags) {
    flags.insert(flags.begin(), program());
    return test_support::run(flags);
  }

  asio::io_context io_;
  test_support::TempFolder folder_;
  std::unique_ptr<Process> simulator_;
};

Octets exchange(auto& stream, const Octets& request, std::size_t size) {
  asio::write(stream, asio::buffer(request));
  Octets answer(size);
  asio::read(stream, asio::buffer(answer));
  return answer;
}

TEST_F(SimProgram, TakenPortIsAClearError) {
  start({"--listen", "tcp://127.0.0.1:0"});
  const std::string url = cat("tcp://127.0.0.1:", port());
  const auto second = fails({yaml(), "--listen", url});
  EXPECT_EQ(second.exit, 1);
  EXPECT_THAT(second.output,
              HasSubstr(cat("cannot listen on 127.0.0.1:", port(), ": Address already in use")));
}

TEST_F(SimProgram, WrongFlagsAndFilesAreNamedWithTheirPlace) {
  EXPECT_THAT(fails({yaml(), "--listen", "tpc://1:2"}).output,
              HasSubstr("--listen: \"tpc://1:2\""));
  EXPECT_THAT(fails({yaml(), "--fault", "late mss=3"}).output, HasSubstr("\"mss=3\""));
  EXPECT_THAT(fails({yaml(), "--listen", "tls://127.0.0.1:0"}).output,
              HasSubstr("needs --cert and --key"));
  const std::string bad = (folder_ / "bad.yaml").string();
  std::ofstream(bad) << "kind: Device\napiVersion: devices.kubeedge.io/v1beta1\nspec: 7\n";
  const auto outcome = fails({bad});
  EXPECT_EQ(outcome.exit, 2);
  EXPECT_THAT(outcome.output, HasSubstr(cat(bad, ":")));
  EXPECT_THAT(fails({(folder_ / "none.yaml").string()}).output, HasSubstr("none.yaml"));
}

TEST_F(SimProgram, ServesWhereTheDevicesSettingsSay) {
  std::ifstream in(yaml());
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::uint16_t free = test_support::free_port();
  text.replace(text.find("port: 1502"), 10, cat("port: ", free));
  const std::string moved = (folder_ / "moved.yaml").string();
  std::ofstream(moved) << text;
  simulator_ = std::make_unique<Process>(std::vector<std::string>{program(), moved});
  EXPECT_EQ(port(), free) << simulator_->output();
  tcp::socket client(io_);
  client.connect({asio::ip::address_v4::loopback(), free});
  EXPECT_EQ(exchange(client, ask_float, float_answer.size()), float_answer);
}

TEST_F(SimProgram, SeveralEndpointsServeTheSameMemory) {
  start({"--listen", "tcp://127.0.0.1:0", "--listen", "rtu+tcp://127.0.0.1:0"});
  tcp::socket one(io_), other(io_);
  one.connect({asio::ip::address_v4::loopback(), port("tcp")});
  other.connect({asio::ip::address_v4::loopback(), port("rtu+tcp")});
  exchange(one, {0, 1, 0, 0, 0, 6, 7, 6, 0, 104, 0, 3}, 12);
  Octets request;
  const Octets pdu = {3, 0, 104, 0, 1};
  modbus_sim::append_frame(modbus::Framing::rtu, {0, 7, pdu}, request);
  const Octets answer = exchange(other, request, 7);
  EXPECT_EQ(answer[4], 3);
  EXPECT_EQ(modbus::crc16(answer), 0);
}

TEST_F(SimProgram, DialsInAndDialsAgainAfterALoss) {
  tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
  const std::uint16_t listened = acceptor.local_endpoint().port();
  start({"--listen", cat("dial://127.0.0.1:", listened)});
  EXPECT_THAT(simulator_->output(), StartsWith(cat("dialling dial://127.0.0.1:", listened)));
  for (int i = 0; i < 2; ++i) {
    tcp::socket device = acceptor.accept();
    EXPECT_EQ(exchange(device, ask_float, float_answer.size()), float_answer);
  }
}

TEST_F(SimProgram, TlsDemandsACertificateOfItsAuthority) {
  const auto openssl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const auto outcome = test_support::run(arguments);
    ASSERT_EQ(outcome.exit, 0) << outcome.output;
  };
  const auto file = [&](const char* name) { return (folder_ / name).string(); };
  openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-keyout", file("key"), "-out", file("cert"), "-subj", "/CN=plc", "-days", "2"});
  start({"--listen", "tls://127.0.0.1:0", "--cert", file("cert"), "--key", file("key"), "--ca",
         file("cert")});
  const auto attempt = [&](bool with_certificate) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.load_verify_file(file("cert"));
    context.set_verify_mode(asio::ssl::verify_peer);
    if (with_certificate) {
      context.use_certificate_chain_file(file("cert"));
      context.use_private_key_file(file("key"), asio::ssl::context::pem);
    }
    asio::ssl::stream<tcp::socket> stream(io_, context);
    stream.next_layer().connect({asio::ip::address_v4::loopback(), port("tls")});
    boost::system::error_code error;
    stream.handshake(asio::ssl::stream_base::client, error);
    Octets answer(float_answer.size());
    if (!error) asio::write(stream, asio::buffer(ask_float), error);
    if (!error) asio::read(stream, asio::buffer(answer), error);
    return error ? Octets() : answer;
  };
  EXPECT_EQ(attempt(true), float_answer);
  EXPECT_EQ(attempt(false), Octets());
}

TEST_F(SimProgram, AnswersOnAPtyKeepTheCharacterTimes) {
  const std::string line = (folder_ / "plc").string();
  start({"--listen", cat("pty://", line, "?9600-8E1")});
  const int fd = ::open(line.c_str(), O_RDWR | O_NOCTTY);
  ASSERT_GE(fd, 0);
  Octets request;
  const Octets pdu = {3, 0, 100, 0, 9};
  modbus_sim::append_frame(modbus::Framing::rtu, {0, 7, pdu}, request);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(::write(fd, request.data(), request.size()), 8);
  Octets answer(23);
  std::size_t got = 0;
  int pieces = 0;
  while (got < answer.size()) {
    pollfd ready{fd, POLLIN, 0};
    ASSERT_EQ(::poll(&ready, 1, 2000), 1);
    const ssize_t count = ::read(fd, answer.data() + got, answer.size() - got);
    ASSERT_GT(count, 0);
    got += static_cast<std::size_t>(count);
    ++pieces;
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  ::close(fd);
  EXPECT_EQ(modbus::crc16(answer), 0);
  // 8 characters of request, 3.5 of silence, 23 of answer, of 11 bits each.
  EXPECT_GE(took, std::chrono::microseconds(34'500 * 11 / 96 * 10));
  EXPECT_GT(pieces, 1) << "a serial line brings bytes as they come";
}

TEST_F(SimProgram, APtyReplacesADeadLinkAndNothingElse) {
  const std::string line = (folder_ / "plc").string();
  std::filesystem::create_symlink("/dev/pts/none", line);
  start({"--listen", cat("pty://", line)});
  EXPECT_TRUE(std::filesystem::is_character_file(line));
  EXPECT_EQ(simulator_->stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(line)));
  std::ofstream(line) << "precious";
  const auto refused = fails({yaml(), "--listen", cat("pty://", line)});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.output, HasSubstr(cat("cannot make the link ", line)));
}

class SimControl : public SimProgram {
 protected:
  std::string http(std::vector<std::string> arguments, const std::string& path) {
    arguments.insert(arguments.begin(), {"curl", "-s", "--max-time", "5"});
    arguments.push_back(cat("http://127.0.0.1:", said("control on http://127.0.0.1:"), path));
    return test_support::run(arguments).output;
  }
};

TEST_F(SimControl, FaultsComeGoAndAreCounted) {
  start({"--listen", "tcp://127.0.0.1:0", "--control", "127.0.0.1:0"});
  EXPECT_EQ(http({"-d", "exception code=6 unit=7\nsilence unit=9"}, "/faults"), "1\n2\n");
  EXPECT_THAT(http({"-d", "dead\nlaet"}, "/faults"), HasSubstr("\"laet\": no such kind"));
  tcp::socket client(io_);
  client.connect({asio::ip::address_v4::loopback(), port()});
  EXPECT_EQ(exchange(client, ask_float, 9), (Octets{0, 9, 0, 0, 0, 3, 7, 0x83, 6}));
  EXPECT_EQ(http({}, "/faults"),
            "1 exception unit=7 code=6 (struck 1 of 1)\n2 silence unit=9 (struck 0 of 0)\n");
  EXPECT_EQ(http({"-X", "DELETE"}, "/faults/1"), "");
  EXPECT_EQ(exchange(client, ask_float, float_answer.size()), float_answer);
  EXPECT_EQ(http({"-X", "DELETE"}, "/faults/1"), "no such fault\n");
  EXPECT_EQ(http({"-X", "DELETE"}, "/faults"), "");
  EXPECT_EQ(http({}, "/faults"), "");
  EXPECT_EQ(http({}, "/counters"),
            "{\"broadcasts\":0,\"exceptions\":0,\"faults\":{\"exception\":1},"
            "\"requests\":{\"7\":{\"3\":2}},\"unknown_unit\":0}\n");
}

TEST_F(SimControl, MemoryIsLookedAtAndChanged) {
  start({"--listen", "tcp://127.0.0.1:0", "--control", "127.0.0.1:0"});
  EXPECT_EQ(http({}, "/units/7/holding/100?count=2"), "16938\n0\n");
  EXPECT_EQ(http({"-X", "PUT", "-d", "16968\n0"}, "/units/7/holding/100"), "");
  tcp::socket client(io_);
  client.connect({asio::ip::address_v4::loopback(), port()});
  EXPECT_EQ(exchange(client, ask_float, float_answer.size())[10], 0x48);
  EXPECT_EQ(http({"-X", "PUT", "-d", "1"}, "/units/7/coils/1"), "");
  EXPECT_EQ(http({}, "/units/7/coils/1"), "1\n");
  EXPECT_THAT(http({"-X", "PUT", "-d", "65536"}, "/units/7/holding/100"),
              HasSubstr("expected 0..65535"));
  EXPECT_THAT(http({}, "/units/8/holding/100"), HasSubstr("there is no unit 8"));
  EXPECT_THAT(http({}, "/units/7/holdings/100"), HasSubstr("table coils, discrete-inputs"));
}

TEST_F(SimProgram, CountersAreToldAtTheEndWithVerbose) {
  start({"--listen", "tcp://127.0.0.1:0", "--verbose"});
  tcp::socket client(io_);
  client.connect({asio::ip::address_v4::loopback(), port()});
  exchange(client, ask_float, float_answer.size());
  EXPECT_EQ(simulator_->stop(), 0);
  EXPECT_THAT(simulator_->output(), HasSubstr("\"requests\":{\"7\":{\"3\":1}}"));
}

}  // namespace
}  // namespace modbus_test

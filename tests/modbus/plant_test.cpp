// modbus-plant as a program: what its flags promise.
#include <gmock/gmock.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>

#include "support/plane.hpp"

namespace modbus_test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using test_support::Process;
using ::testing::HasSubstr;

class PlantProgram : public ::testing::Test {
 protected:
  void start(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {program(), "--listen", "127.0.0.1:0"});
    plant_ = std::make_unique<Process>(flags);
    ASSERT_TRUE(plant_->wait_for_output("\n")) << plant_->output();
    const std::string said = plant_->output();
    ASSERT_THAT(said, ::testing::StartsWith("listening on 127.0.0.1:"));
    port_ = std::atoi(said.c_str() + said.rfind(':') + 1);
  }
  static std::string program() { return test_support::built("mappers/modbus/modbus-plant"); }

  std::unique_ptr<Process> plant_;
  int port_ = 0;
};

TEST_F(PlantProgram, TakenPortIsAClearError) {
  start();
  const auto second =
      test_support::run({program(), "--listen", "127.0.0.1:" + std::to_string(port_)});
  EXPECT_EQ(second.exit, 1);
  EXPECT_THAT(second.output, HasSubstr("cannot listen on 127.0.0.1:" + std::to_string(port_) +
                                       ": Address already in use"));
}

TEST_F(PlantProgram, WrongFlagsAreNamed) {
  const auto address = test_support::run({program(), "--listen", "nowhere"});
  EXPECT_EQ(address.exit, 2);
  EXPECT_THAT(address.output, HasSubstr("\"nowhere\" is not ADDRESS:PORT"));
  const auto port = test_support::run({program(), "--listen", "127.0.0.1:70000"});
  EXPECT_THAT(port.output, HasSubstr("\"70000\" is not a port (0..65535)"));
  EXPECT_NE(test_support::run({program(), "--units", "0"}).exit, 0);
}

TEST_F(PlantProgram, EndsCleanlyOnSigtermWithClientsConnected) {
  start();
  asio::io_context io;
  tcp::socket client(io);
  client.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port_)});
  EXPECT_EQ(plant_->stop(), 0) << plant_->output();
}

TEST_F(PlantProgram, ServesAThousandConnections) {
  start();
  asio::io_context io;
  std::vector<tcp::socket> clients;
  // As many as this shell's descriptors allow, up to a thousand; the plant raises its own limit.
  for (int i = 0; i < 1000; ++i) {
    tcp::socket client(io);
    boost::system::error_code error;
    client.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port_)}, error);
    if (error == asio::error::no_descriptors) break;
    ASSERT_FALSE(error) << i << ": " << error.message();
    clients.push_back(std::move(client));
  }
  EXPECT_GE(clients.size(), 900u);
  const std::uint8_t request[] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2};
  for (tcp::socket& client : clients) asio::write(client, asio::buffer(request));
  for (tcp::socket& client : clients) {
    std::uint8_t answer[13];
    asio::read(client, asio::buffer(answer));
    EXPECT_EQ(answer[9], 0x42);  // 60.0F, the setpoint
  }
}

TEST_F(PlantProgram, MbpollReadsAndWritesIt) {
  const std::string mbpoll = test_support::find_program("mbpoll");
  if (mbpoll.empty()) GTEST_SKIP() << "mbpoll is not installed";
  start();
  const auto poll = [&](std::vector<std::string> flags, std::vector<std::string> values = {}) {
    flags.insert(flags.begin(), {mbpoll, "-m", "tcp", "-p", std::to_string(port_), "-1", "-B"});
    flags.push_back("127.0.0.1");
    flags.insert(flags.end(), values.begin(), values.end());
    return test_support::run(flags).output;
  };
  EXPECT_THAT(poll({"-a", "1", "-t", "4:float", "-r", "1"}, {"65.5"}), HasSubstr("Written 1"));
  EXPECT_THAT(poll({"-a", "1", "-t", "4:float", "-r", "1", "-c", "2"}), HasSubstr("65.5"));
  EXPECT_THAT(poll({"-a", "3", "-t", "0", "-r", "1", "-c", "1"}), HasSubstr("[1]: \t1"));
  EXPECT_THAT(poll({"-a", "3", "-t", "0", "-r", "1"}, {"0"}), HasSubstr("Written 1"));
  EXPECT_THAT(poll({"-a", "3", "-t", "0", "-r", "1", "-c", "1"}), HasSubstr("[1]: \t0"));
}

}  // namespace
}  // namespace modbus_test

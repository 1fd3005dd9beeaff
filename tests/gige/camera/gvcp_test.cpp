#include "src/gvcp.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <thread>

#include "src/gvcp_socket.hpp"

namespace gige::gvcp {
namespace {

TEST(Gvcp, CommandsAreAsTheStandardHasThem) {
  EXPECT_EQ(discovery(0x1234, false), (Bytes{0x42, 0x01, 0, 2, 0, 0, 0x12, 0x34}));
  EXPECT_EQ(discovery(1, true), (Bytes{0x42, 0x11, 0, 2, 0, 0, 0, 1}));
  const std::array addresses{0x0A00U, 0x0A14U};
  EXPECT_EQ(read_registers(7, addresses),
            (Bytes{0x42, 0x01, 0, 0x80, 0, 8, 0, 7, 0, 0, 0x0A, 0, 0, 0, 0x0A, 0x14}));
  EXPECT_EQ(read_memory(7, 0x200, 512),
            (Bytes{0x42, 0x01, 0, 0x84, 0, 8, 0, 7, 0, 0, 2, 0, 0, 0, 2, 0}));
}

TEST(Gvcp, AnswersShorterThanTheySayAreNone) {
  const Bytes whole{0, 0, 0, 0x81, 0, 4, 0, 7, 1, 2, 3, 4};
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(parse(View(whole).first(bytes))) << bytes;
  }
  const auto answer = parse(whole);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->to(Command::read_register));
  EXPECT_EQ(answer->id, 7);
  EXPECT_EQ(registers(*answer, 1), (std::vector<std::uint32_t>{0x01020304}));
  EXPECT_FALSE(registers(*answer, 2));
}

TEST(Gvcp, MemoryOfAnotherAddressOrLengthIsNone) {
  const Bytes bytes{0, 0, 0, 0x85, 0, 8, 0, 7, 0, 0, 2, 0, 'x', 'y', 'z', 0};
  const auto answer = parse(bytes);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(memory(*answer, 0x200, 4));
  EXPECT_FALSE(memory(*answer, 0x204, 4));
  EXPECT_FALSE(memory(*answer, 0x200, 8));
}

TEST(Gvcp, TextsOfADiscoveryEndWhereTheirFieldsEnd) {
  Bytes bytes(8 + 0xF8, 'A');
  bytes = Bytes(8 + 0xF8, 'A');
  const Bytes header{0, 0, 0, 3, 0, 0xF8, 0, 1};
  std::copy(header.begin(), header.end(), bytes.begin());
  bytes[8 + 0x48] = 0x1B;
  const auto answer = parse(bytes);
  ASSERT_TRUE(answer);
  const auto camera = discovered(*answer);
  ASSERT_TRUE(camera);
  EXPECT_EQ(camera->mac, "41:41:41:41:41:41");
  EXPECT_EQ(camera->manufacturer, "?" + std::string(31, 'A'));
  EXPECT_EQ(camera->serial, std::string(16, 'A'));
  bytes[5] = 0xF7;
  EXPECT_FALSE(discovered(*parse(bytes)));
}

// A camera of one answer: to the first command, several datagrams.
class Answerer {
 public:
  explicit Answerer(std::function<std::vector<Bytes>(std::uint8_t high, std::uint8_t low)> answers)
      : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(port);
    inet_pton(AF_INET, "127.0.0.6", &own.sin_addr);
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    thread_ = std::thread([this, answers = std::move(answers)] {
      Bytes command(600);
      sockaddr_in from{};
      socklen_t bytes = sizeof from;
      recvfrom(socket_, command.data(), command.size(), 0, reinterpret_cast<sockaddr*>(&from),
               &bytes);
      for (const Bytes& answer : answers(command[6], command[7])) {
        sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), bytes);
      }
    });
  }
  ~Answerer() {
    thread_.join();
    close(socket_);
  }

 private:
  int socket_;
  std::thread thread_;
};

TEST(GvcpSocket, AnswersToOtherQuestionsAreNotTaken) {
  const Answerer camera([](std::uint8_t high, std::uint8_t low) {
    const auto other = static_cast<std::uint8_t>(low + 1);
    return std::vector<Bytes>{{0, 0, 0, 0x81, 0, 4, high, other, 0, 0, 0, 66},
                              {0, 0, 0, 0x85, 0, 4, high, low, 0, 0, 0, 67},
                              {0, 0, 0, 0x81, 0, 40, high, low, 0, 0, 0, 68},
                              {0, 0, 0, 0x81, 0, 4, high, low, 0, 0, 0, 69}};
  });
  auto socket = GvcpSocket::open(0x7F000001, 0x7F000006);
  ASSERT_TRUE(socket.ok());
  const std::array address{0x0A00U};
  const auto value = socket->read_registers(address, std::chrono::seconds(10));
  ASSERT_TRUE(value.ok()) << value.status().to_string();
  EXPECT_EQ(value->front(), 69U);
}

TEST(GvcpSocket, ARefusalAndAWrongLengthAreToldApart) {
  const std::array address{0x0A00U};
  const auto ask = [&](Bytes answer) {
    const Answerer camera([&](std::uint8_t high, std::uint8_t low) {
      answer[6] = high;
      answer[7] = low;
      return std::vector<Bytes>{answer};
    });
    auto socket = GvcpSocket::open(0x7F000001, 0x7F000006);
    return socket->read_registers(address, std::chrono::seconds(10)).status().code();
  };
  EXPECT_EQ(ask({0x80, 0x06, 0, 0x81, 0, 0, 0, 0}), base::Code::conflict);
  EXPECT_EQ(ask({0x80, 0x03, 0, 0x81, 0, 0, 0, 0}), base::Code::refused);
  EXPECT_EQ(ask({0, 0, 0, 0x81, 0, 2, 0, 0, 1, 2}), base::Code::malformed);
}

TEST(GvcpSocket, SilenceIsATimeout) {
  auto socket = GvcpSocket::open(0x7F000001, 0x7F000006);
  ASSERT_TRUE(socket.ok());
  EXPECT_EQ(socket->discover(std::chrono::milliseconds(120)).status().code(), base::Code::timeout);
}

}  // namespace
}  // namespace gige::gvcp

#include "src/gvcp.hpp"

#include <gtest/gtest.h>

#include <array>

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

}  // namespace
}  // namespace gige::gvcp

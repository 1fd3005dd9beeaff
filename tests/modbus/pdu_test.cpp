#include "modbus/pdu.hpp"

#include <gmock/gmock.h>

#include "modbus/random.hpp"
#include "sim/memory.hpp"

namespace modbus {
namespace {

using base::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint8_t> bytes_of(const Pdu& pdu) {
  return {pdu.bytes().begin(), pdu.bytes().end()};
}

// The examples of the Modbus Application Protocol V1.1b3, sections 6.1 to 6.12.
TEST(Pdu, RequestsAreThoseOfTheSpecification) {
  EXPECT_THAT(bytes_of(read_request({Table::coils, 0x13, 0x13})), ElementsAre(1, 0, 0x13, 0, 0x13));
  EXPECT_THAT(bytes_of(read_request({Table::discrete_inputs, 0xc4, 0x16})),
              ElementsAre(2, 0, 0xc4, 0, 0x16));
  EXPECT_THAT(bytes_of(read_request({Table::holding, 0x6b, 3})), ElementsAre(3, 0, 0x6b, 0, 3));
  EXPECT_THAT(bytes_of(read_request({Table::input, 8, 1})), ElementsAre(4, 0, 8, 0, 1));
  EXPECT_THAT(bytes_of(write_coil_request(0xac, true)), ElementsAre(5, 0, 0xac, 0xff, 0));
  EXPECT_THAT(bytes_of(write_register_request(1, 3)), ElementsAre(6, 0, 1, 0, 3));
  const bool coils[] = {true, false, true, true, false, false, true, true, true, false};
  EXPECT_THAT(bytes_of(write_coils_request(0x13, coils)),
              ElementsAre(15, 0, 0x13, 0, 10, 2, 0xcd, 1));
  const std::uint16_t registers[] = {10, 0x102};
  EXPECT_THAT(bytes_of(write_registers_request(1, registers)),
              ElementsAre(16, 0, 1, 0, 2, 4, 0, 10, 1, 2));
  EXPECT_THAT(bytes_of(mask_write_request(4, 0xf2, 0x25)), ElementsAre(22, 0, 4, 0, 0xf2, 0, 0x25));
}

TEST(Pdu, MaskWriteIsAnsweredByAllOfItsBytes) {
  const Pdu request = mask_write_request(4, 0xf2, 0x25);
  EXPECT_TRUE(check_answer(request.bytes(), request.bytes()).ok());
  EXPECT_EQ(check_answer(request.bytes(), request.bytes().first(5)).code(), Code::malformed);
  const std::uint8_t other_bits[] = {22, 0, 4, 0, 0xf2, 0, 0x24};
  EXPECT_EQ(check_answer(request.bytes(), other_bits).code(), Code::malformed);
  const std::uint8_t refused[] = {0x96, 1};
  EXPECT_EQ(check_answer(request.bytes(), refused).code(), Code::refused);
}

TEST(Pdu, EveryAnswerOfTheServerSideIsAccepted) {
  modbus_sim::Memory memory{std::vector<bool>(2000), std::vector<bool>(2000),
                            std::vector<std::uint16_t>(200), std::vector<std::uint16_t>(200)};
  const bool coils[] = {true, false, true};
  const std::uint16_t registers[] = {7, 8, 9};
  for (const Pdu& request :
       {read_request({Table::coils, 3, 1997}), read_request({Table::discrete_inputs, 0, 1}),
        read_request({Table::holding, 75, 125}), read_request({Table::input, 0, 1}),
        write_coil_request(9, true), write_register_request(9, 1234), write_coils_request(4, coils),
        write_registers_request(5, registers), mask_write_request(9, 0xff0f, 0x0070)}) {
    const Pdu answer = modbus_sim::answer(memory, request.bytes());
    EXPECT_TRUE(check_answer(request.bytes(), answer.bytes()).ok());
  }
  EXPECT_TRUE(memory.coils[4] && !memory.coils[5] && memory.coils[6] && memory.coils[9]);
  EXPECT_EQ(memory.holding[5], 7);
  EXPECT_EQ(memory.holding[9], (1234 & 0xff0f) | 0x70);
}

TEST(Pdu, ExceptionIsRefusedWithItsName) {
  const Pdu request = read_request({Table::holding, 40, 13});
  const std::uint8_t answer[] = {0x83, 2};
  const base::Status status = check_answer(request.bytes(), answer);
  EXPECT_EQ(status.code(), Code::refused);
  EXPECT_EQ(status.text(), "illegal data address (exception 02)");
  EXPECT_EQ(exception_of(answer), 2);
  EXPECT_EQ(exception_text(11), "gateway target device failed to respond (exception 11)");
  EXPECT_EQ(exception_text(99), "exception 99");
}

TEST(Pdu, AnswersThatDoNotBelongToTheRequestAreMalformed) {
  const Pdu read = read_request({Table::holding, 0, 2});
  const std::vector<std::vector<std::uint8_t>> answers = {{},
                                                          {3},
                                                          {4, 4, 0, 0, 0, 0},
                                                          {3, 4, 0, 0, 0},
                                                          {3, 3, 0, 0, 0},
                                                          {3, 4, 0, 0, 0, 0, 0},
                                                          {3, 6, 0, 0, 0, 0, 0, 0},
                                                          {0x83},
                                                          {0x83, 2, 0},
                                                          {0x84, 2}};
  for (const auto& answer : answers) {
    EXPECT_EQ(check_answer(read.bytes(), answer).code(), Code::malformed)
        << ::testing::PrintToString(answer);
  }
  const Pdu write = write_register_request(1, 3);
  const std::uint8_t other_value[] = {6, 0, 1, 0, 4};
  EXPECT_EQ(check_answer(write.bytes(), other_value).code(), Code::malformed);
}

TEST(Pdu, RandomAnswersNeverPassUnlessTheyFit) {
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    modbus_test::Random random(seed);
    const Table table = static_cast<Table>(random.number(0, 3));
    const auto count =
        static_cast<std::uint16_t>(random.number(1, is_bits(table) ? max_read_bits : 125));
    const Pdu request = read_request({table, 10, count});
    std::vector<std::uint8_t> answer = random.bytes(random.number(0, 60));
    if (!answer.empty() && random.chance(0.8)) answer[0] = request.bytes()[0];
    const base::Status status = check_answer(request.bytes(), answer);
    if (!status.ok()) continue;
    const std::size_t bytes = is_bits(table) ? (count + 7u) / 8u : count * 2u;
    ASSERT_EQ(payload(answer).size(), bytes) << "seed " << seed;
  }
}

TEST(Memory, RequestsBeyondItsLimitsGetTheSpecifiedException) {
  modbus_sim::Memory memory{{}, {}, std::vector<std::uint16_t>(10), {}};
  const auto exception = [&](std::vector<std::uint8_t> request) {
    return exception_of(modbus_sim::answer(memory, request).bytes());
  };
  EXPECT_EQ(exception({3, 0, 9, 0, 2}), illegal_data_address);
  EXPECT_EQ(exception({3, 0, 0, 0, 0}), illegal_data_value);
  EXPECT_EQ(exception({3, 0, 0, 0, 126}), illegal_data_value);
  EXPECT_EQ(exception({3, 0, 0}), illegal_data_value);
  EXPECT_EQ(exception({16, 0, 0, 0, 2, 4, 0}), illegal_data_value);
  EXPECT_EQ(exception({99}), illegal_function);
  EXPECT_EQ(exception({3, 0, 9, 0, 1}), 0);
}

TEST(Memory, RandomRequestsAreAlwaysAnswered) {
  modbus_sim::Memory memory{std::vector<bool>(50), std::vector<bool>(50),
                            std::vector<std::uint16_t>(50), std::vector<std::uint16_t>(50)};
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    modbus_test::Random random(seed);
    std::vector<std::uint8_t> request = random.bytes(random.number(1, 40));
    if (random.chance(0.8)) request[0] = static_cast<std::uint8_t>(random.number(1, 22));
    for (std::size_t i = 1; i < request.size(); ++i) {
      if (random.chance(0.5)) request[i] = static_cast<std::uint8_t>(random.number(0, 40) % 41);
    }
    const Pdu answer = modbus_sim::answer(memory, request);
    ASSERT_GE(answer.size(), 2u) << "seed " << seed;
    ASSERT_EQ(answer.bytes()[0] & 0x7f, request[0] & 0x7f) << "seed " << seed;
  }
}

TEST(Range, NamesItsAddresses) {
  EXPECT_EQ((Range{Table::holding, 40, 13}).to_string(), "holding 40..52");
  EXPECT_EQ((Range{Table::coils, 65535, 1}).to_string(), "coils 65535");
}

}  // namespace
}  // namespace modbus

#include "dmi/value.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

namespace dmi {
namespace {

using base::Code;

TEST(Value, RoundTripsExactlyInEveryType) {
  std::mt19937_64 random(20261122);
  for (int round = 0; round < 20000; ++round) {
    const std::uint64_t bits = random();
    const auto integer = static_cast<std::int64_t>(bits);
    const double real = std::bit_cast<double>(bits);
    const double single =
        static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    ASSERT_EQ(*parse_value(to_text(Value(integer), Type::integer), Type::integer), Value(integer));
    if (std::isfinite(real)) {
      ASSERT_EQ(*parse_value(to_text(Value(real), Type::float64), Type::float64), Value(real));
    }
    if (std::isfinite(single)) {
      ASSERT_EQ(*parse_value(to_text(Value(single), Type::float32), Type::float32), Value(single));
    }
    Bytes bytes(round % 9, static_cast<std::uint8_t>(bits));
    ASSERT_EQ(*parse_value(to_text(Value(bytes), Type::bytes), Type::bytes), Value(bytes));
  }
}

TEST(Value, FloatTextIsShortAndWithoutExponent) {
  EXPECT_EQ(to_text(Value(static_cast<double>(0.1f)), Type::float32), "0.1");
  EXPECT_EQ(to_text(Value(1e20), Type::float64), "100000000000000000000");
  EXPECT_EQ(to_text(Value(21.5), Type::float64), "21.5");
  EXPECT_LE(to_text(Value(5e-324), Type::float64).size(), 512u);
}

TEST(Value, WrongTextNamesTheTypeAndQuotesAtMostFortyCharacters) {
  const auto status = parse_value(std::string(1000, 'x'), Type::integer).status();
  EXPECT_EQ(status.code(), Code::invalid);
  EXPECT_LT(status.text().size(), 100u);
  EXPECT_NE(status.text().find("INT"), std::string::npos);
}

TEST(Value, IntegersTakeWholeNumbersInAnyNotation) {
  EXPECT_EQ(*parse_value("5.0", Type::integer), Value(std::int64_t{5}));
  EXPECT_EQ(*parse_value("1e3", Type::integer), Value(std::int64_t{1000}));
  EXPECT_EQ(parse_value("5.5", Type::integer).status().code(), Code::invalid);
  EXPECT_EQ(parse_value("9223372036854775808", Type::integer).status().code(), Code::out_of_range);
  EXPECT_EQ(parse_value("1e19", Type::integer).status().code(), Code::out_of_range);
}

TEST(Value, FloatsBeyondTheirTypeAreOutOfRange) {
  EXPECT_EQ(parse_value("1e39", Type::float32).status().code(), Code::out_of_range);
  EXPECT_EQ(parse_value("1e309", Type::float64).status().code(), Code::out_of_range);
  EXPECT_EQ(parse_value("nan", Type::float64).status().code(), Code::out_of_range);
  EXPECT_TRUE(parse_value("1e39", Type::float64).ok());
}

TEST(Value, BooleansTakeGoSpellings) {
  for (const char* yes : {"true", "TRUE", "1"}) {
    EXPECT_EQ(*parse_value(yes, Type::boolean), Value(true));
  }
  EXPECT_EQ(*parse_value("False", Type::boolean), Value(false));
  EXPECT_FALSE(parse_value("yes", Type::boolean).ok());
}

TEST(Type, IsKnownByCrdAndMqttWords) {
  EXPECT_EQ(*type_of("INT"), Type::integer);
  EXPECT_EQ(*type_of("integer"), Type::integer);
  EXPECT_EQ(*type_of("Boolean"), Type::boolean);
  EXPECT_EQ(*type_of("double"), Type::float64);
  EXPECT_NE(type_of("REAL").status().text().find("INT, FLOAT"), std::string::npos);
}

}  // namespace
}  // namespace dmi

#include "refine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Sample;
using dmi::Type;
using dmi::Value;

const base::Time t0 = base::from_ms(1'700'000'000'000);

Point point_of(Type type, double scale = 1, double offset = 0) {
  Point point;
  point.name = "temp";
  point.type = type;
  point.writable = true;
  point.scale = scale;
  point.value_offset = offset;
  return point;
}
Sample refined(const Point& point, Value raw) {
  Sample sample(std::move(raw), t0);
  refine(point, sample);
  return sample;
}
Value value_of(const Point& point, Value raw) {
  const Sample sample = refined(point, std::move(raw));
  EXPECT_TRUE(sample.status.ok()) << sample.status.to_string();
  return sample.value.value_or(Value(std::string("none")));
}

TEST(Refine, ScaledIntegersRoundToNearest) {
  EXPECT_EQ(value_of(point_of(Type::integer, 0.1), Value(std::int64_t{126})),
            Value(std::int64_t{13}));
  EXPECT_EQ(value_of(point_of(Type::integer, 10, 3), Value(2.04)), Value(std::int64_t{23}));
}

TEST(Refine, UnscaledIntegersKeepEveryDigit) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(value_of(point_of(Type::integer), Value(most)), Value(most));
  EXPECT_EQ(refined(point_of(Type::integer), Value(3.7)).status.code(), Code::malformed);
}

TEST(Refine, FloatKeepsTheDigitsOfAFloat) {
  const Value value = value_of(point_of(Type::float32, 0.1), Value(std::int64_t{1004}));
  EXPECT_EQ(dmi::to_text(value, Type::float32), "100.4");
}

TEST(Refine, NotANumberIsMalformedAndHasNoValue) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const Type type : {Type::integer, Type::float32, Type::float64}) {
      const Sample sample = refined(point_of(type), Value(bad));
      EXPECT_EQ(sample.status.code(), Code::malformed);
      EXPECT_FALSE(sample.value.has_value());
    }
  }
}

TEST(Refine, OutsideTheLimitsIsAValueWithTheLimitsInTheReason) {
  Point point = point_of(Type::float64);
  point.minimum = 0;
  point.maximum = 100;
  const Sample sample = refined(point, Value(120.5));
  EXPECT_EQ(sample.value, Value(120.5));
  EXPECT_EQ(sample.status,
            Status(Code::out_of_range, "temp: 120.5 is above the maximum 100 (0..100)"));
  EXPECT_TRUE(refined(point, Value(100.0)).status.ok());
  EXPECT_EQ(refined(point, Value(-1.0)).status.code(), Code::out_of_range);
}

TEST(Refine, BeyondTheTypeHasNoValue) {
  EXPECT_EQ(refined(point_of(Type::float32, 1e30), Value(1e30)).value, std::nullopt);
  EXPECT_EQ(refined(point_of(Type::integer, 1e10), Value(1e10)).status.code(), Code::out_of_range);
}

TEST(Refine, OtherTypesTakeOnlyWhatTheyAre) {
  EXPECT_EQ(value_of(point_of(Type::boolean), Value(std::int64_t{1})), Value(true));
  EXPECT_EQ(refined(point_of(Type::boolean), Value(std::int64_t{7})).status.code(),
            Code::malformed);
  EXPECT_EQ(value_of(point_of(Type::string), Value(std::int64_t{7})), Value(std::string("7")));
  EXPECT_EQ(refined(point_of(Type::string), Value(std::string("\xff"))).status.code(),
            Code::malformed);
  EXPECT_EQ(refined(point_of(Type::bytes), Value(std::string("x"))).status.code(), Code::malformed);
  EXPECT_EQ(value_of(point_of(Type::bytes), Value(dmi::Bytes{1, 2})), Value(dmi::Bytes{1, 2}));
  EXPECT_EQ(refined(point_of(Type::integer), Value(std::string("12"))).status.code(),
            Code::malformed);
  EXPECT_EQ(
      refined(point_of(Type::bytes), Value(dmi::Bytes(dmi::max_value_bytes + 1))).status.code(),
      Code::malformed);
}

TEST(Refine, AStatusOfTheDriverStays) {
  Sample sample(Status(Code::refused, "no"), t0);
  refine(point_of(Type::integer), sample);
  EXPECT_EQ(sample.status, Status(Code::refused, "no"));
  EXPECT_FALSE(sample.value.has_value());
}

TEST(ToRaw, UndoesTheScaleWithoutLeftovers) {
  EXPECT_EQ(*to_raw(point_of(Type::float64, 0.1), Value(100.4)), Value(1004.0));
  EXPECT_EQ(*to_raw(point_of(Type::integer, 10), Value(std::int64_t{120})),
            Value(std::int64_t{12}));
  EXPECT_EQ(*to_raw(point_of(Type::integer, 10), Value(std::int64_t{105})), Value(10.5));
}

TEST(ToRaw, ChecksAccessTypeAndLimits) {
  Point point = point_of(Type::integer);
  point.maximum = 100;
  EXPECT_EQ(to_raw(point, Value(std::int64_t{900})).status(),
            Status(Code::out_of_range, "temp: 900 is above the maximum 100 (..100)"));
  EXPECT_EQ(to_raw(point, Value(std::string("warm"))).status(),
            Status(Code::invalid, "temp: \"warm\" is not of type INT"));
  EXPECT_EQ(to_raw(point, Value(true)).status().code(), Code::invalid);
  point.writable = false;
  EXPECT_EQ(to_raw(point, Value(std::int64_t{9})).status().code(), Code::unsupported);
}

TEST(ToRaw, IsUndoneByRefineForAnyScale) {
  const unsigned seed = std::random_device()();
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> exponent(-4, 4);
  std::uniform_int_distribution<std::int64_t> register_value(-32768, 65535);
  for (int i = 0; i < 20'000; ++i) {
    const double sign = random() % 2 == 0 ? 1 : -1;
    const Type type = random() % 2 == 0 ? Type::float32 : Type::float64;
    const Point point = point_of(type, sign * std::pow(10, exponent(random)), sign * 40);
    const Value raw(static_cast<double>(register_value(random)));
    const Value value = value_of(point, raw);
    const Value again = value_of(point, *to_raw(point, value));
    ASSERT_TRUE(holds(point, again, value)) << "seed " << seed << " scale " << point.scale;
    const double back = std::get<double>(*to_raw(point, value));
    const double precision =
        type == Type::float32 ? 40 / std::fabs(point.scale) * 1e-6 + 0.01 : 1e-3;
    ASSERT_NEAR(back, std::get<double>(raw), precision) << "seed " << seed;
  }
}

}  // namespace
}  // namespace mapper

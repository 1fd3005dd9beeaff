#include "base/number.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace base {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double two_63 = 9223372036854775808.0;

TEST(Number, WholeOnesWithinTheTypeAreThemselves) {
  std::int64_t whole = 7;
  EXPECT_TRUE(to_whole(-two_63, whole));
  EXPECT_EQ(whole, INT64_MIN);
  EXPECT_TRUE(to_whole(std::nextafter(two_63, 0), whole));
  EXPECT_EQ(whole, INT64_MAX - 1023);
  EXPECT_TRUE(to_whole(9223372036854775807.0L, whole));
  EXPECT_EQ(whole, INT64_MAX);
  EXPECT_TRUE(to_whole(-0.0, whole));
  EXPECT_EQ(whole, 0);
}

TEST(Number, OthersAreNone) {
  std::int64_t whole = 7;
  for (const double none : {two_63, std::nextafter(-two_63, -infinity), 1e300, -1e300, 0.5, -1e-300,
                            infinity, -infinity, nan}) {
    EXPECT_FALSE(to_whole(none, whole)) << none;
  }
  EXPECT_EQ(whole, 7);
  std::uint32_t small = 7;
  EXPECT_FALSE(to_whole(4294967296.0, small));
  EXPECT_FALSE(to_whole(-1.0, small));
  EXPECT_TRUE(to_whole(4294967295.0, small));
  EXPECT_EQ(small, UINT32_MAX);
}

TEST(Number, ClampedOnesEndAtTheTypes) {
  EXPECT_EQ(clamped<std::int64_t>(1e300), INT64_MAX);
  EXPECT_EQ(clamped<std::int64_t>(-infinity), INT64_MIN);
  EXPECT_EQ(clamped<std::int64_t>(nan), 0);
  EXPECT_EQ(clamped<std::int64_t>(-2.9), -2);
  EXPECT_EQ(clamped<std::uint32_t>(-0.9), 0u);
  EXPECT_EQ(clamped<std::uint32_t>(-1.0), 0u);
  EXPECT_EQ(clamped<std::uint32_t>(4294967295.5), UINT32_MAX);
}

}  // namespace
}  // namespace base

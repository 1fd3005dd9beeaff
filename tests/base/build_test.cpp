#include "base/build.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace base {
namespace {

TEST(Build, ACalendarBeforeTheCommitIsNotBelieved) {
  const Time date = build().date;
  EXPECT_FALSE(believable(from_ms(0)));
  EXPECT_FALSE(believable(date - std::chrono::seconds(1)));
  EXPECT_TRUE(believable(date));
  EXPECT_EQ(believed(from_ms(0)), date);
  EXPECT_EQ(believed(date + std::chrono::hours(1)), date + std::chrono::hours(1));
}

TEST(Build, VersionTextNamesProgramVersionAndCommit) {
  EXPECT_EQ(version_text("x"), cat("x ", build().version, " (", build().commit, ")"));
}

}  // namespace
}  // namespace base

#include "base/file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"

namespace base {
namespace {

class File : public ::testing::Test {
 protected:
  File() { std::filesystem::create_directories(folder_); }
  ~File() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / cat("file_test.", ::getpid(), ".", random_hex(4));
};

TEST_F(File, IsWrittenWholeWithItsMode) {
  const auto path = folder_ / "token";
  ASSERT_TRUE(write_file(path, "secret", 0600).ok());
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(*read_file(path), "secret");
}

TEST_F(File, FailedWriteLeavesTheOldContent) {
  ASSERT_TRUE(write_file(folder_ / "a", "old").ok());
  EXPECT_FALSE(write_file(folder_ / "a" / "b", "new").ok());
  EXPECT_EQ(*read_file(folder_ / "a"), "old");
}

// What lies under the temporary name is of a dead process with our pid, or put there to be
// followed.
TEST_F(File, WritesThroughNoLinkAndOverNoLeftover) {
  const auto path = folder_ / "token";
  const auto temporary = folder_ / cat("token.", ::getpid(), ".tmp");
  ASSERT_TRUE(write_file(folder_ / "victim", "old").ok());
  std::filesystem::create_symlink(folder_ / "victim", temporary);
  ASSERT_TRUE(write_file(path, "secret", 0600).ok());
  EXPECT_EQ(*read_file(folder_ / "victim"), "old");
  EXPECT_EQ(*read_file(path), "secret");
  EXPECT_FALSE(std::filesystem::is_symlink(path));
  std::filesystem::copy_file(folder_ / "victim", temporary);
  ASSERT_TRUE(write_file(path, "another").ok());
  EXPECT_EQ(*read_file(path), "another");
}

TEST_F(File, AbsentAndTooLongAreTold) {
  EXPECT_EQ(read_file(folder_ / "absent").status().code(), Code::not_found);
  ASSERT_TRUE(write_file(folder_ / "long", std::string(100, 'x')).ok());
  const Status status = read_file(folder_ / "long", 99).status();
  EXPECT_EQ(status.code(), Code::invalid);
  EXPECT_NE(status.text().find("longer than 99 bytes"), std::string::npos);
}

TEST_F(File, LockIsHeldByOneAndNamesItsHolder) {
  auto first = FileLock::take(folder_ / "lock");
  ASSERT_TRUE(first.ok());
  const auto second = FileLock::take(folder_ / "lock");
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_NE(second.status().text().find(cat("pid ", ::getpid())), std::string::npos);
  { const FileLock released = std::move(*first); }
  EXPECT_TRUE(FileLock::take(folder_ / "lock").ok());
}

TEST(Status, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    EXPECT_EQ(code_of(name(static_cast<Code>(i))), static_cast<Code>(i));
  }
  EXPECT_EQ(code_of("nonsense"), Code::internal);
  EXPECT_EQ(Status(Code::timeout, "unit 7").to_string(), "timeout: unit 7");
}

}  // namespace
}  // namespace base

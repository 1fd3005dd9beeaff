#include "base/file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "base/text.hpp"

namespace {

// What this thread flushed since its test looked, and what it cannot: other tests have threads.
std::vector<std::string>& flushed() {
  thread_local std::vector<std::string> names;
  return names;
}
std::string& unflushable() {
  thread_local std::string name;
  return name;
}

}  // namespace

// In place of the C library's, for this program.
extern "C" int fsync(int fd) {
  const std::string name =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
  flushed().push_back(name);
  if (name != unflushable()) return static_cast<int>(::syscall(SYS_fsync, fd));
  errno = EIO;
  return -1;
}

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

TEST_F(File, FlushesTheFolderAfterTheRename) {
  flushed().clear();
  ASSERT_TRUE(write_file(folder_ / "a", "1").ok());
  ASSERT_EQ(flushed().size(), 2u);
  EXPECT_TRUE(flushed()[0].starts_with((folder_ / "a.").string())) << flushed()[0];
  EXPECT_EQ(flushed()[1], folder_.string());
  unflushable() = folder_.string();
  const Status status = write_file(folder_ / "a", "2");
  unflushable().clear();
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_NE(status.text().find(folder_.string()), std::string::npos) << status.text();
}

TEST_F(File, WritesNothingThatIsThere) {
  const auto path = folder_ / "a";
  ASSERT_TRUE(write_file(path, "same", 0600).ok());
  flushed().clear();
  ASSERT_TRUE(write_file(path, "same", 0600).ok());
  EXPECT_TRUE(flushed().empty());
  ASSERT_TRUE(write_file(path, "same", 0644).ok());
  EXPECT_EQ(flushed().size(), 2u) << "another mode";
  std::filesystem::rename(path, folder_ / "b");
  std::filesystem::create_symlink(folder_ / "b", path);
  ASSERT_TRUE(write_file(path, "same", 0644).ok());
  EXPECT_FALSE(std::filesystem::is_symlink(path));
}

// A name that is known beforehand is one that somebody can take beforehand.
TEST_F(File, NoTemporaryNameIsUsedTwice) {
  flushed().clear();
  ASSERT_TRUE(write_file(folder_ / "a", "1").ok());
  ASSERT_TRUE(write_file(folder_ / "a", "2").ok());
  ASSERT_EQ(flushed().size(), 4u);
  EXPECT_NE(flushed()[0], flushed()[2]);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().filename(), "a");
  }
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

TEST_F(File, LockIsTakenWhereTheDiskHasNoRoomForThePid) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit full{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto lock = FileLock::take(folder_ / "lock");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_TRUE(lock.ok()) << lock.status().text();
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

#include "base/trust.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {
namespace {

using ::testing::HasSubstr;

constexpr uid_t stranger = 65'534;
// Of a group that a test is run by hardly ever.
constexpr gid_t strange_group = 54'321;

class Trusting : public ::testing::Test {
 protected:
  Trusting() { EXPECT_TRUE(own_folder(folder_).ok()); }
  ~Trusting() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path file(const std::string& name, unsigned mode) const {
    const auto path = folder_ / name;
    EXPECT_TRUE(write_file(path, "secret", mode).ok());
    return path;
  }
  static void set_mode(const std::filesystem::path& path, unsigned mode) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
  }
  // false: only root gives files away. The mode stays as it is.
  static bool give(const std::filesystem::path& path, uid_t user, gid_t group) {
    return ::geteuid() == 0 && ::chown(path.c_str(), user, group) == 0;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / cat("trust_test.", ::getpid(), ".", random_hex(4));
};

TEST_F(Trusting, AFolderThatEverybodyMayWriteToIsRefusedWithItsRemedy) {
  EXPECT_TRUE(trusted(folder_, Trust::folder).ok());
  set_mode(folder_, 0777);
  const Status status = own_folder(folder_);
  EXPECT_EQ(status.code(), Code::refused);
  EXPECT_THAT(status.text(), HasSubstr(folder_.string() + ": not trusted: it belongs to user "));
  EXPECT_THAT(status.text(), HasSubstr(cat("(", ::geteuid(), "), mode 0777: everybody may write")));
  EXPECT_THAT(status.text(), HasSubstr(cat("then: chmod o-w ", folder_.string())));
}

// The sticky bit keeps what is there from others, and not what is not there yet.
TEST_F(Trusting, TheStickyBitMakesAFolderGoodForSocketsAndNotForState) {
  set_mode(folder_, 01777);
  EXPECT_TRUE(trusted(folder_, Trust::shared_folder).ok());
  EXPECT_EQ(trusted(folder_, Trust::folder).code(), Code::refused);
  EXPECT_TRUE(own_folder(folder_ / "below").ok());
  set_mode(folder_, 0777);
  EXPECT_EQ(trusted(folder_, Trust::shared_folder).code(), Code::refused);
}

TEST_F(Trusting, WhatAnotherUserOwnsIsRefused) {
  const auto secret = file("token", 0600);
  if (!give(secret, stranger, 0)) GTEST_SKIP() << "only root gives files away";
  const auto text = read_trusted(secret, Trust::secret);
  EXPECT_EQ(text.status().code(), Code::refused);
  EXPECT_THAT(text.status().text(), HasSubstr("(65534), mode 0600, and not to us, user root (0)"));
  EXPECT_THAT(text.status().text(), HasSubstr(cat("chown 0 ", secret.string())));
  ASSERT_TRUE(give(folder_, stranger, 0));
  EXPECT_EQ(own_folder(folder_).code(), Code::refused);
  EXPECT_EQ(FileLock::take(secret).status().code(), Code::refused);
}

// A password is read at every connect and every request, and Kubernetes mounts secrets 0644.
TEST_F(Trusting, ASecretThatEverybodyMayReadIsSaidOnce) {
  const auto secret = file("password", 0644);
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(read_trusted(secret, Trust::secret).ok());
  const std::string log = ::testing::internal::GetCapturedStderr();
  const auto first = log.find("everybody on this machine may read this secret");
  ASSERT_NE(first, log.npos);
  EXPECT_EQ(log.find("everybody on this machine", first + 1), log.npos) << log;
}

TEST_F(Trusting, AGroupMayWriteWhereItIsOurs) {
  set_mode(folder_, 02775);
  give(folder_, 0, ::getegid());
  EXPECT_TRUE(own_folder(folder_).ok());
  if (!give(folder_, 0, strange_group)) GTEST_SKIP() << "only root gives files away";
  set_mode(folder_, 02775);
  EXPECT_THAT(own_folder(folder_).text(), HasSubstr("group 54321, which we are not in"));
  set_mode(folder_, 03775);
  EXPECT_TRUE(trusted(folder_, Trust::shared_folder).ok());
  // An edge core's user lets the mappers' group in.
  ASSERT_TRUE(give(folder_, stranger, ::getegid()));
  set_mode(folder_, 02775);
  EXPECT_TRUE(trusted(folder_, Trust::shared_folder).ok());
  EXPECT_EQ(trusted(folder_, Trust::folder).code(), Code::refused);
}

TEST_F(Trusting, ASecretIsReadThroughALinkWhenWhatItLeadsToIsOurs) {
  const auto secret = file("data", 0640);
  std::filesystem::create_symlink("data", folder_ / "token");
  EXPECT_EQ(*read_trusted(folder_ / "token", Trust::secret), "secret");
  set_mode(secret, 0646);
  EXPECT_EQ(read_trusted(folder_ / "token", Trust::secret).status().code(), Code::refused);
  EXPECT_EQ(read_trusted(folder_ / "none", Trust::secret).status().code(), Code::not_found);
}

TEST_F(Trusting, AFolderIsMadeForUsAloneWhateverTheUmaskIs) {
  const mode_t before = ::umask(0);
  const Status made = own_folder(folder_ / "a" / "b");
  ::umask(before);
  EXPECT_TRUE(made.ok()) << made.text();
  struct stat info {};
  ASSERT_EQ(::stat((folder_ / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
  EXPECT_EQ(own_folder(file("plain", 0600)).code(), Code::invalid);
  EXPECT_FALSE(own_folder(folder_ / "plain" / "below").ok());
}

// Else whoever may write into the folder has us overwrite what he may not.
TEST_F(Trusting, ALockFileIsNoLink) {
  const auto victim = file("victim", 0600);
  std::filesystem::create_symlink(victim, folder_ / "lock");
  EXPECT_EQ(FileLock::take(folder_ / "lock").status().code(), Code::refused);
  EXPECT_EQ(*read_file(victim), "secret");
}

}  // namespace
}  // namespace base

#include "base/token.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"

namespace base {
namespace {

class Token : public ::testing::Test {
 protected:
  ~Token() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / cat("token_test.", ::getpid(), ".", random_hex(4));
  std::filesystem::path file_ = folder_ / "state" / "token";
};

TEST_F(Token, IsMadeOnceForItsOwnerAndUsedAgain) {
  const std::string token = *token_of(file_);
  EXPECT_EQ(token.size(), 64u);
  EXPECT_EQ(*token_of(file_), token);
  EXPECT_EQ(*read_file(file_), token + "\n");
  struct stat info {};
  ASSERT_EQ(::stat(file_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(file_.parent_path()), {}), 1);
}

TEST_F(Token, OfAPersonIsTakenAndOneThatWasCutOffIsNot) {
  const std::string own(32, 'x');
  ASSERT_TRUE(own_folder(file_.parent_path()).ok());
  ASSERT_TRUE(write_file(file_, own + "\r\n", 0600).ok());
  EXPECT_EQ(*token_of(file_), own);
  ASSERT_TRUE(write_file(file_, own.substr(1), 0600).ok());
  EXPECT_EQ(token_of(file_)->size(), 64u);
}

TEST_F(Token, OthersThatMakeItAtTheSameTimeGetTheSame) {
  std::vector<std::string> tokens(8);
  std::vector<std::thread> makers;
  for (std::string& token : tokens) {
    makers.emplace_back([&] { token = token_of(file_).value(); });
  }
  for (std::thread& maker : makers) maker.join();
  for (const std::string& token : tokens) EXPECT_EQ(token, tokens.front());
}

TEST_F(Token, PreparedByAStrangerIsRefused) {
  ASSERT_TRUE(own_folder(file_.parent_path()).ok());
  ASSERT_TRUE(write_file(file_, std::string(64, 'a'), 0602).ok());
  EXPECT_EQ(token_of(file_).status().code(), Code::refused);
  std::filesystem::remove(file_);
  ASSERT_EQ(::chmod(file_.parent_path().c_str(), 0777), 0);
  EXPECT_EQ(token_of(file_).status().code(), Code::refused);
}

TEST(Bearer, IsTheTokenAndNothingElse) {
  const std::string token(64, 'a');
  EXPECT_TRUE(is_bearer("Bearer " + token, token));
  EXPECT_TRUE(is_bearer("bearer " + token, token));
  EXPECT_FALSE(is_bearer("Bearer " + token + "x", token));
  EXPECT_FALSE(is_bearer("Bearer " + std::string(64, '0'), token));
  EXPECT_FALSE(is_bearer("Basic  " + token, token));
  EXPECT_FALSE(is_bearer("", token));
  EXPECT_FALSE(is_bearer("Bearer ", ""));
}

}  // namespace
}  // namespace base

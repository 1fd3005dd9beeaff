#include "identity.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"

namespace devicetwin::kube {
namespace {

using testing::HasSubstr;

class IdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/identity-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Identity load(const std::string& address = "127.0.0.1", int years_later = 0) {
    auto identity = load_identity(folder_, address, now_ + std::chrono::hours(8766) * years_later);
    EXPECT_TRUE(identity.ok()) << identity.status().to_string();
    return std::move(*identity);
  }
  unsigned mode(const char* file) {
    struct stat info {};
    EXPECT_EQ(::stat((folder_ / file).c_str(), &info), 0) << file;
    return info.st_mode & 0777;
  }

  std::filesystem::path folder_;
  base::Time now_ = std::chrono::system_clock::now();
};

TEST_F(IdentityTest, IsMadeOnceAndUsedAgain) {
  const Identity first = load();
  const Identity second = load();
  EXPECT_EQ(first.ca_pem, second.ca_pem);
  EXPECT_EQ(first.certificate_pem, second.certificate_pem);
  EXPECT_EQ(first.token, second.token);
  EXPECT_EQ(first.token.size(), 64u);
}

TEST_F(IdentityTest, SecretsAreReadableByTheirOwnerOnly) {
  const Identity identity = load();
  ASSERT_TRUE(write_kubeconfig(folder_, identity, "127.0.0.1", 6443).ok());
  EXPECT_EQ(mode("server.key"), 0600u);
  EXPECT_EQ(mode("token"), 0600u);
  EXPECT_EQ(mode("kubeconfig"), 0600u);
  EXPECT_EQ(mode("ca.crt"), 0644u);
}

TEST_F(IdentityTest, AnotherAddressOrAPastDateMakesANewCertificateButKeepsTheToken) {
  const Identity first = load();
  const Identity other = load("10.1.2.3");
  EXPECT_NE(first.certificate_pem, other.certificate_pem);
  EXPECT_EQ(first.token, other.token);
  const Identity late = load("10.1.2.3", 8);
  EXPECT_EQ(late.certificate_pem, other.certificate_pem);
  EXPECT_NE(load("10.1.2.3", 9).certificate_pem, other.certificate_pem);
}

TEST_F(IdentityTest, DamagedFilesAreMadeAnew) {
  const Identity first = load();
  ASSERT_TRUE(base::write_file(folder_ / "server.key", "no key", 0600).ok());
  ASSERT_TRUE(base::write_file(folder_ / "token", "short", 0600).ok());
  const Identity second = load();
  EXPECT_NE(first.certificate_pem, second.certificate_pem);
  EXPECT_EQ(second.token.size(), 64u);
}

TEST_F(IdentityTest, AcceptsItsTokenOnly) {
  const Identity identity = load();
  EXPECT_TRUE(identity.accepts("Bearer " + identity.token));
  EXPECT_TRUE(identity.accepts("bearer " + identity.token));
  EXPECT_FALSE(identity.accepts("Bearer " + identity.token + "x"));
  EXPECT_FALSE(identity.accepts("Bearer " + std::string(64, '0')));
  EXPECT_FALSE(identity.accepts("Basic " + identity.token));
  EXPECT_FALSE(identity.accepts(""));
  EXPECT_FALSE(Identity().accepts("Bearer "));
}

TEST_F(IdentityTest, KubeconfigFollowsThePort) {
  const Identity identity = load();
  ASSERT_TRUE(write_kubeconfig(folder_, identity, "0.0.0.0", 1).ok());
  EXPECT_THAT(base::read_file(folder_ / "kubeconfig").value(), HasSubstr("https://127.0.0.1:1\n"));
  ASSERT_TRUE(write_kubeconfig(folder_, identity, "::", 2).ok());
  EXPECT_THAT(base::read_file(folder_ / "kubeconfig").value(), HasSubstr("https://[::1]:2\n"));
}

TEST_F(IdentityTest, AFolderThatCannotBeMadeIsNamed) {
  const auto identity = load_identity("/proc/nowhere", "127.0.0.1", now_);
  EXPECT_EQ(identity.status().code(), base::Code::unavailable);
  EXPECT_THAT(identity.status().text(), HasSubstr("/proc/nowhere"));
}

}  // namespace
}  // namespace devicetwin::kube

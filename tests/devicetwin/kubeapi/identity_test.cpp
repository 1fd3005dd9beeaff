#include "identity.hpp"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/build.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace devicetwin::kube {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr auto year = std::chrono::days(365);
constexpr base::Time boot_1970{std::chrono::seconds(20)};

class IdentityTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/identity-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Identity load(base::Time now, const std::string& address = "127.0.0.1") {
    auto identity = load_identity(folder_, address, now);
    EXPECT_TRUE(identity.ok()) << identity.status().to_string();
    EXPECT_TRUE(write_kubeconfig(folder_, *identity, "127.0.0.1", 6443).ok());
    return std::move(*identity);
  }
  Identity load() { return load(now_); }
  unsigned mode(const char* file) {
    struct stat info {};
    EXPECT_EQ(::stat((folder_ / file).c_str(), &info), 0) << file;
    return info.st_mode & 0777;
  }
  std::string text(const char* file) { return base::read_file(folder_ / file).value(); }
  void write(const char* file, const std::string& content) {
    ASSERT_TRUE(base::write_file(folder_ / file, content, 0600).ok());
  }
  // As a release before ca.key left it.
  void forget_key() { ASSERT_TRUE(std::filesystem::remove(folder_ / "ca.key")); }

  std::filesystem::path folder_;
  base::Time now_ = base::build().date + std::chrono::days(30);
};

// Whether a client whose clock shows `at` and who trusts ca_pem takes the certificate for
// 127.0.0.1.
::testing::AssertionResult trusted(const std::string& ca_pem, const std::string& certificate_pem,
                                   base::Time at) {
  const auto read = [](const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return certificate;
  };
  X509* const ca = read(ca_pem);
  X509* const own = read(certificate_pem);
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  X509_STORE_add_cert(store, ca);
  X509_STORE_CTX_init(context, store, own, nullptr);
  X509_VERIFY_PARAM* const wanted = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set1_ip_asc(wanted, "127.0.0.1");
  X509_VERIFY_PARAM_set_time(wanted, std::chrono::system_clock::to_time_t(at));
  const bool good = X509_verify_cert(context) == 1;
  const std::string why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  X509_free(own);
  X509_free(ca);
  if (good) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << why << " at " << base::to_rfc3339(at);
}

TEST_F(IdentityTest, IsMadeOnceAndUsedAgain) {
  const Identity first = load();
  const std::string key = text("ca.key");
  const Identity second = load();
  EXPECT_EQ(first.ca_pem, second.ca_pem);
  EXPECT_EQ(first.server.certificate_pem, second.server.certificate_pem);
  EXPECT_EQ(first.token, second.token);
  EXPECT_EQ(first.token.size(), 64u);
  EXPECT_EQ(text("ca.key"), key);
}

TEST_F(IdentityTest, SecretsAreReadableByTheirOwnerOnly) {
  load();
  EXPECT_EQ(mode("ca.key"), 0600u);
  EXPECT_EQ(mode("server.key"), 0600u);
  EXPECT_EQ(mode("token"), 0600u);
  EXPECT_EQ(mode("kubeconfig"), 0600u);
  EXPECT_EQ(mode("ca.crt"), 0644u);
}

TEST_F(IdentityTest, MadeIn1970ItIsGoodOnceTheClockIsRight) {
  const Identity first = load(boot_1970);
  const std::string kubeconfig = text("kubeconfig");
  for (const base::Time right : {base::build().date, now_, now_ + 9 * year}) {
    EXPECT_TRUE(trusted(first.ca_pem, first.server.certificate_pem, right));
    EXPECT_TRUE(trusted(first.ca_pem, first.server.certificate_pem, right - std::chrono::days(1)));
    EXPECT_EQ(load(right).server.certificate_pem, first.server.certificate_pem);
  }
  // An edge node without a clock battery does so at each boot.
  EXPECT_EQ(load(boot_1970).server.certificate_pem, first.server.certificate_pem);
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
}

TEST_F(IdentityTest, AWrongClockChangesNothingOfWhatARightOneMade) {
  const Identity first = load();
  const std::string kubeconfig = text("kubeconfig");
  EXPECT_EQ(load(boot_1970).server.certificate_pem, first.server.certificate_pem);
  // It jumps to 2099 and back: what is made meanwhile is good afterwards.
  const Identity ahead = load(base::from_ms(4'070'908'800'000));
  const Identity after = load(now_ + std::chrono::minutes(1));
  EXPECT_EQ(ahead.ca_pem, first.ca_pem);
  EXPECT_TRUE(trusted(first.ca_pem, after.server.certificate_pem, now_));
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
}

TEST_F(IdentityTest, MadeAYearAheadItIsGoodNow) {
  const Identity first = load(now_ + 20 * year);
  EXPECT_TRUE(trusted(first.ca_pem, first.server.certificate_pem, now_));
}

TEST_F(IdentityTest, WeeksBeforeItsEndTheServersCertificateIsMadeAnewUnderTheSameAuthority) {
  const Identity first = load();
  const std::string kubeconfig = text("kubeconfig");
  const base::Time end = now_ + server_life;
  const std::string address = "127.0.0.1";
  EXPECT_FALSE(renew(folder_, address, first, end - std::chrono::weeks(9)).value());
  EXPECT_FALSE(renew(folder_, address, first, boot_1970).value());
  const auto second = renew(folder_, address, first, end - std::chrono::weeks(7));
  ASSERT_TRUE(second.ok() && *second) << second.status().text();
  EXPECT_NE((*second)->certificate_pem, first.server.certificate_pem);
  EXPECT_EQ(text("server.crt"), (*second)->certificate_pem);
  EXPECT_TRUE(trusted(first.ca_pem, (*second)->certificate_pem, end + std::chrono::weeks(1)));
  EXPECT_EQ(text("ca.crt"), first.ca_pem);
  // The same at a start.
  EXPECT_EQ(load(end).server.certificate_pem, (*second)->certificate_pem);
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
}

TEST_F(IdentityTest, AnotherAddressGetsACertificateOfTheSameAuthority) {
  const Identity first = load();
  const Identity other = load(now_, "10.1.2.3");
  EXPECT_NE(first.server.certificate_pem, other.server.certificate_pem);
  EXPECT_EQ(first.ca_pem, other.ca_pem);
  EXPECT_EQ(first.token, other.token);
  EXPECT_TRUE(trusted(first.ca_pem, other.server.certificate_pem, now_));
}

TEST_F(IdentityTest, DamagedFilesAreMadeAnewUnderTheSameAuthority) {
  const Identity first = load();
  write("server.key", "no key");
  write("token", "short");
  const Identity second = load();
  EXPECT_NE(first.server.certificate_pem, second.server.certificate_pem);
  EXPECT_TRUE(trusted(first.ca_pem, second.server.certificate_pem, now_));
  EXPECT_EQ(second.token.size(), 64u);
}

TEST_F(IdentityTest, AFolderWithoutTheAuthoritysKeyWorksOnAsItIs) {
  const Identity first = load();
  const std::string kubeconfig = text("kubeconfig");
  forget_key();
  for (const base::Time when : {now_, boot_1970, now_ + 9 * year}) {
    EXPECT_EQ(load(when).server.certificate_pem, first.server.certificate_pem);
  }
  // What is due and cannot be had is served on, and said.
  const base::Time late = now_ + server_life - std::chrono::weeks(1);
  EXPECT_EQ(load(late).server.certificate_pem, first.server.certificate_pem);
  EXPECT_EQ(load(now_, "10.1.2.3").server.certificate_pem, first.server.certificate_pem);
  const auto renewed = renew(folder_, "127.0.0.1", first, late);
  EXPECT_THAT(renewed.status().text(),
              AllOf(HasSubstr((folder_ / "ca.key").string()), HasSubstr("eight weeks"),
                    HasSubstr("copy kubeconfig"), HasSubstr("is not there")));
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "ca.key"));
}

TEST_F(IdentityTest, AnUnreadableAuthorityIsKeptAndItsServerCertificateServedOn) {
  const Identity first = load();
  const std::string kubeconfig = text("kubeconfig");
  write("ca.crt", "damaged");
  const Identity second = load();
  EXPECT_EQ(second.server.certificate_pem, first.server.certificate_pem);
  EXPECT_EQ(text("ca.crt"), "damaged");
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
  EXPECT_THAT(renew(folder_, "127.0.0.1", second, now_).status().text(),
              HasSubstr((folder_ / "ca.crt").string()));
  // What the text says: moved away, it is made of its key, and who trusts the old one trusts it.
  std::filesystem::remove(folder_ / "ca.crt");
  const Identity third = load();
  EXPECT_TRUE(trusted(first.ca_pem, third.server.certificate_pem, now_));
  EXPECT_TRUE(trusted(third.ca_pem, first.server.certificate_pem, now_));
}

TEST_F(IdentityTest, AnEmptyAuthorityIsNoAbsentOne) {
  const Identity first = load();
  forget_key();
  write("ca.crt", "");
  EXPECT_EQ(load().server.certificate_pem, first.server.certificate_pem);
  EXPECT_EQ(text("ca.crt"), "");
}

TEST_F(IdentityTest, WhatTheDiskDoesNotTakeIsServedFromMemory) {
  const Identity first = load();
  std::filesystem::remove(folder_ / "server.crt");
  std::filesystem::create_directory(folder_ / "server.crt");
  EXPECT_TRUE(trusted(first.ca_pem, load().server.certificate_pem, now_));
}

TEST_F(IdentityTest, AnAuthorityThatIsOverIsNotReplaced) {
  const Identity first = load();
  const base::Time late = now_ + authority_life + year;
  EXPECT_EQ(load(late).ca_pem, first.ca_pem);
  EXPECT_THAT(renew(folder_, "127.0.0.1", first, late).status().text(), HasSubstr("is over since"));
}

TEST_F(IdentityTest, AForeignKeySignsNothing) {
  const Identity first = load();
  const auto other = make_authority("", now_);
  write("ca.key", other->key_pem);
  EXPECT_THAT(renew(folder_, "127.0.0.1", first, now_ + server_life).status().text(),
              HasSubstr("is not the key of ca.crt"));
}

TEST_F(IdentityTest, WithNothingThatCouldBeServedSomethingStandsInUntilSomebodyComes) {
  const Identity first = load();
  const std::string kubeconfig = text("kubeconfig");
  const std::string key = text("ca.key");
  forget_key();
  write("server.key", "no key");
  const Identity second = load();
  EXPECT_EQ(server_objection(second.server), "");
  EXPECT_FALSE(trusted(first.ca_pem, second.server.certificate_pem, now_));
  EXPECT_EQ(second.ca_pem, first.ca_pem);
  EXPECT_EQ(text("server.key"), "no key") << "not written over";
  EXPECT_EQ(text("kubeconfig"), kubeconfig);
  write("ca.key", key);
  const auto renewed = renew(folder_, "127.0.0.1", second, now_);
  ASSERT_TRUE(renewed.ok() && *renewed);
  EXPECT_TRUE(trusted(first.ca_pem, (*renewed)->certificate_pem, now_));
}

TEST_F(IdentityTest, AStartThatWasKilledAfterAnyFileIsMadeWhole) {
  load();
  for (const char* last : {"ca.key", "ca.crt", "server.key", "server.crt", "token"}) {
    // Files in the order of their writing, up to this one.
    bool written = true;
    for (const char* file : {"ca.key", "ca.crt", "server.key", "server.crt", "token"}) {
      if (!written) std::filesystem::remove(folder_ / file);
      if (std::string_view(file) == last) written = false;
    }
    const Identity whole = load();
    EXPECT_TRUE(trusted(whole.ca_pem, whole.server.certificate_pem, now_)) << last;
  }
}

TEST_F(IdentityTest, ATokenThatCannotBeReadIsNotReplaced) {
  load();
  std::filesystem::remove(folder_ / "token");
  std::filesystem::create_directory(folder_ / "token");
  const auto identity = load_identity(folder_, "127.0.0.1", now_);
  EXPECT_THAT(identity.status().text(), HasSubstr("token"));
}

// Who made the folder or a file in it knows the token, and could sign for the server.
TEST_F(IdentityTest, AFolderWithAPreparedTokenOrKeyIsRefused) {
  write("token", std::string(64, 'a'));
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  const auto open_to_all = load_identity(folder_, "127.0.0.1", now_);
  EXPECT_EQ(open_to_all.status().code(), base::Code::refused);
  EXPECT_THAT(open_to_all.status().text(), HasSubstr("chmod o-w " + folder_.string()));
  ASSERT_EQ(::chmod(folder_.c_str(), 0700), 0);
  for (const char* name : {"token", "ca.key", "server.key", "ca.crt"}) {
    std::filesystem::remove(folder_ / name);
    write(name, std::string(64, 'a'));
    ASSERT_EQ(::chmod((folder_ / name).c_str(), 0666), 0);
    const auto status = load_identity(folder_, "127.0.0.1", now_).status();
    EXPECT_EQ(status.code(), base::Code::refused) << name;
    EXPECT_THAT(status.text(), HasSubstr("chmod o-w " + (folder_ / name).string()));
    std::filesystem::remove(folder_ / name);
  }
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

// Cameras at brokers that want to know who they are: devicetwin's private one, and one with TLS.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "base/file.hpp"
#include "base/loop.hpp"
#include "devicetwin/broker.hpp"
#include "outlets/mqtt.hpp"
#include "support.hpp"
#include "support/certificates.hpp"
#include "support/on_loop.hpp"

namespace gige {
namespace {

using namespace test;
using test_support::Certificates;
using test_support::find_program;
using test_support::free_port;
using test_support::listens;
using test_support::Process;

class LoginTest : public testing::Test {
 protected:
  ~LoginTest() override {
    if (!thread_.joinable()) return;
    on_loop([this] { private_.reset(); });
    loop_.stop();
    thread_.join();
  }
  void on_loop(const std::function<void()>& task) { test_support::run_on(loop_, task); }
  void start_private_broker() {
    thread_ = std::thread([this] { loop_.run(); });
    on_loop([this] {
      auto broker =
          devicetwin::Broker::start(loop_, {.folder = folder_ / "mqtt", .port = 0, .program = ""});
      ASSERT_TRUE(broker.ok()) << broker.status().text();
      private_ = std::move(*broker);
    });
    ASSERT_NE(private_, nullptr);
  }
  // A Mosquitto that takes user "camera" with password "known" alone, over TLS.
  void start_tls_broker() {
    certificates_.make_ca("ca");
    certificates_.make("server", "ca", "IP:127.0.0.1");
    const std::string passwords = (folder_ / "passwords").string();
    test_support::run({find_program("mosquitto_passwd"), "-b", "-c", passwords, "camera", "known"});
    const auto config = folder_ / "mosquitto.conf";
    ASSERT_TRUE(base::write_file(
                    config, cat("listener ", port_, " 127.0.0.1\nallow_anonymous false\n",
                                "persistence false\npassword_file ", passwords, "\nuser root\n",
                                "require_certificate true\ncafile ", certificates_.file("ca.crt"),
                                "\ncertfile ", certificates_.file("server.crt"), "\nkeyfile ",
                                certificates_.file("server.key"), "\n"))
                    .ok());
    broker_ = std::make_unique<Process>(
        std::vector<std::string>{find_program("mosquitto"), "-v", "-c", config.string()});
    ASSERT_TRUE(wait_until([&] { return listens(port_); })) << broker_->output();
  }
  std::string secret(const std::string& name, const std::string& text) const {
    EXPECT_TRUE(base::write_file(folder_ / name, text + "\n", 0600).ok());
    return (folder_ / name).string();
  }
  // A feed whose every frame is published there.
  std::shared_ptr<Feed> feed(base::MqttAccess broker) {
    OutletSettings settings;
    settings.mqtt.broker = std::move(broker);
    settings.mqtt.every = milliseconds(0);
    return outlets_->feed(device, settings);
  }
  bool published(Feed& feed) {
    return wait_until([&] { return feed.counters().published == 1; });
  }

  TempFolder folder_;
  const Certificates certificates_{folder_.path()};
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> broker_;
  base::IoLoop loop_;
  std::thread thread_;
  std::unique_ptr<devicetwin::Broker> private_;  // of the loop
  std::unique_ptr<Outlets> outlets_ = start_outlets("off");
  Camera camera_;
};

// With nothing but what the private broker's folder holds for mappers.
TEST_F(LoginTest, PicturesAreTakenByTheProjectsOwnBroker) {
  start_private_broker();
  Process heard({find_program("stdbuf"), "-oL", find_program("mosquitto_sub"), "-d", "-i", "ear",
                 "-t", "cameras/#"},
                {{"XDG_CONFIG_HOME", (folder_ / "mqtt/reader").string()}});
  ASSERT_TRUE(heard.wait_for_output("SUBACK")) << heard.output();
  const auto feed = this->feed({.url = private_->url(),
                                .user = "mapper",
                                .password_file = (folder_ / "mqtt/mapper/password").string()});
  camera_.take(*feed);
  EXPECT_TRUE(heard.wait_for_output("\"sequence\":1")) << heard.output();
  EXPECT_TRUE(published(*feed));
}

TEST_F(LoginTest, APasswordThatIsMendedIsReadWithoutARestart) {
  start_private_broker();
  const std::string right = *base::read_file(folder_ / "mqtt/mapper/password");
  const auto feed = this->feed(
      {.url = private_->url(), .user = "mapper", .password_file = secret("password", "wrong")});
  camera_.take(*feed);
  secret("password", right);
  EXPECT_TRUE(published(*feed));
}

TEST_F(LoginTest, TlsWithOurCertificateUserAndPassword) {
  start_tls_broker();
  certificates_.make("camera", "ca", "DNS:camera");
  const auto feed = this->feed({.url = cat("ssl://127.0.0.1:", port_),
                                .ca = certificates_.file("ca.crt"),
                                .certificate = certificates_.file("camera.crt"),
                                .key = certificates_.file("camera.key"),
                                .user = "camera",
                                .password_file = secret("password", "known")});
  camera_.take(*feed);
  EXPECT_TRUE(published(*feed)) << broker_->output();
}

TEST_F(LoginTest, ABrokerWithoutTheRightCertificateIsToldNothing) {
  start_tls_broker();
  certificates_.make_ca("another");
  certificates_.make("camera", "ca", "DNS:camera");
  const auto feed = this->feed({.url = cat("ssl://127.0.0.1:", port_),
                                .ca = certificates_.file("another.crt"),
                                .certificate = certificates_.file("camera.crt"),
                                .key = certificates_.file("camera.key"),
                                .user = "camera",
                                .password_file = secret("password", "known")});
  camera_.take(*feed);
  EXPECT_TRUE(broker_->wait_for_output("unknown ca")) << broker_->output();
  EXPECT_EQ(feed->counters().published, 0u);
  EXPECT_EQ(broker_->output().find("as gige-mapper-"), std::string::npos);
}

TEST_F(LoginTest, CamerasOfTwoUsersHaveTwoConnections) {
  start_private_broker();
  const std::string own = (folder_ / "mqtt/mapper/password").string();
  const auto one = feed({.url = private_->url(), .user = "mapper", .password_file = own});
  OutletSettings settings;
  settings.mqtt.broker = {.url = private_->url(), .user = "nobody", .password_file = own};
  settings.mqtt.every = milliseconds(0);
  const auto two = outlets_->feed({"default", "cam2"}, settings);
  Camera other;
  other.take(*two);
  camera_.take(*one);
  EXPECT_TRUE(published(*one));
  EXPECT_EQ(two->counters().published, 0u);
}

}  // namespace
}  // namespace gige

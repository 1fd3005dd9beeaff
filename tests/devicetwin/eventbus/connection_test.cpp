// Versions, TLS and credentials at a real Mosquitto.
#include <algorithm>

#include "devicetwin/eventbus/broker_fixture.hpp"
#include "devicetwin/eventbus/gate.hpp"
#include "support/certificates.hpp"

namespace devicetwin {
namespace {

using base::cat;
using test::Gate;
using test_support::find_program;
using test_support::wait_until;

class ConnectionTest : public test::BusTest {
 protected:
  // What the bus logs goes to stderr; log_ has it from here on, after stop_log().
  static std::size_t count(const std::string& text, const std::string& word) {
    std::size_t found = 0;
    for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++found;
    return found;
  }
  const test_support::Certificates certificates_{folder_.path()};
  std::string file(const std::string& name) const { return certificates_.file(name); }
  void make_ca(const std::string& name) { certificates_.make_ca(name); }
  void make_certificate(const std::string& name, const std::string& ca, const std::string& alt) {
    certificates_.make(name, ca, alt);
  }
  std::string tls_options(const std::string& server = "server") {
    return cat("cafile ", file("ca.crt"), "\ncertfile ", file(server + ".crt"), "\nkeyfile ",
               file(server + ".key"), "\nallow_anonymous true\n");
  }
  EventBus::Settings tls_settings() const {
    EventBus::Settings settings = BusTest::settings();
    settings.url = cat("ssl://127.0.0.1:", port_);
    settings.ca = file("ca.crt");
    return settings;
  }
  void expect_answer() {
    on_loop([this] { before_ = bus_->counters().published; });
    TwinUpdate update;
    report("5");
    EXPECT_TRUE(wait_until([this] { return counters().published > before_; }));
  }
  std::uint64_t before_ = 0;
};

TEST_F(ConnectionTest, SpeaksMqtt5AndFetchesTheRequestsItMissed) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(broker_->wait_for_output("as devicetwin-edge-node (p5, c0, k20)"));
  expect_answer();
}

TEST_F(ConnectionTest, SpeaksMqtt311WhenTold) {
  start_broker();
  auto settings = BusTest::settings();
  settings.mqtt_version = 3;
  start_bus(settings);
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(broker_->wait_for_output("as devicetwin-edge-node (p2, c0, k20)"));
  expect_answer();
}

TEST_F(ConnectionTest, FallsBackTo311WhereTheBrokerRefuses5) {
  start_broker();
  Gate gate(port_);
  gate.without_mqtt5 = true;
  auto settings = BusTest::settings();
  settings.url = cat("tcp://127.0.0.1:", gate.port());
  start_bus(settings);
  ASSERT_TRUE(connected(true));
  EXPECT_GE(gate.refused, 1);
  EXPECT_TRUE(broker_->wait_for_output("as devicetwin-edge-node (p2, c0, k20)"));
  expect_answer();
  // The broker becomes a newer one: it is spoken to as such after the next loss.
  gate.without_mqtt5 = false;
  gate.closed = true;
  ASSERT_TRUE(connected(false));
  gate.closed = false;
  ASSERT_TRUE(connected(true));
  on_loop([this] { EXPECT_EQ(bus_->mqtt_version(), 5); });
  stop_bus();
}

// Each change of version replaces Paho's client. Of three, because a busy machine may hold up one.
TEST_F(ConnectionTest, TheLoopIsNotHeldUpByAClientThatGoes) {
  start_broker();
  Gate gate(port_);
  gate.without_mqtt5 = true;
  auto settings = BusTest::settings();
  settings.url = cat("tcp://127.0.0.1:", gate.port());
  start_bus(settings);
  using Clock = std::chrono::steady_clock;
  Clock::duration least = Clock::duration::max();
  for (int i = 0; i < 3; ++i) {
    Clock::duration longest{};
    EXPECT_TRUE(wait_until([&] {
      bool is = false;
      const auto begin = Clock::now();
      on_loop([&] { is = bus_->connected(); });
      longest = std::max(longest, Clock::now() - begin);
      return is;
    }));
    least = std::min(least, longest);
    gate.closed = true;
    ASSERT_TRUE(connected(false));
    gate.closed = false;
  }
  EXPECT_LT(least, std::chrono::milliseconds(80));
  stop_bus();
}

TEST_F(ConnectionTest, DoesNotFallBackWhenToldToSpeak5) {
  start_broker();
  Gate gate(port_);
  gate.without_mqtt5 = true;
  auto settings = BusTest::settings();
  settings.url = cat("tcp://127.0.0.1:", gate.port());
  settings.mqtt_version = 5;
  start_bus(settings);
  ASSERT_TRUE(wait_until([&] { return gate.refused >= 2; }));
  on_loop([this] {
    EXPECT_FALSE(bus_->connected());
    EXPECT_EQ(bus_->mqtt_version(), 5);
  });
  stop_bus();
}

TEST_F(ConnectionTest, BrokerIsVerifiedWithTheCaInBothVersions) {
  make_ca("ca");
  make_certificate("server", "ca", "IP:127.0.0.1");
  start_broker(tls_options());
  for (const int version : {3, 5}) {
    auto settings = tls_settings();
    settings.mqtt_version = version;
    start_bus(settings);
    EXPECT_TRUE(connected(true)) << version;
    stop_bus();
  }
}

TEST_F(ConnectionTest, BrokerOfAnotherCaIsRefusedOnceSaidAndTriedAgain) {
  make_ca("ca");
  make_ca("other");
  make_certificate("server", "ca", "IP:127.0.0.1");
  start_broker(tls_options());
  auto settings = tls_settings();
  settings.ca = file("given.crt");
  std::filesystem::copy_file(file("other.crt"), file("given.crt"));
  testing::internal::CaptureStderr();
  start_bus(settings);
  ASSERT_TRUE(wait_until([&] { return count(broker_->output(), "unknown ca") >= 2; }));
  on_loop([this] { EXPECT_FALSE(bus_->connected()); });
  std::filesystem::copy_file(file("ca.crt"), file("given.crt"),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_TRUE(connected(true));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(log, "its certificate must be signed by the CA of --mqtt-ca"), 1u) << log;
}

TEST_F(ConnectionTest, CertificateForAnotherHostIsRefused) {
  make_ca("ca");
  make_certificate("server", "ca", "DNS:elsewhere.example");
  start_broker(tls_options());
  start_bus(tls_settings());
  ASSERT_TRUE(wait_until([&] { return count(broker_->output(), "New connection") >= 2; }));
  on_loop([this] { EXPECT_FALSE(bus_->connected()); });
  EXPECT_EQ(count(broker_->output(), "New client connected"), 0u);
}

TEST_F(ConnectionTest, MutualTlsNeedsOurCertificate) {
  make_ca("ca");
  make_certificate("server", "ca", "IP:127.0.0.1");
  make_certificate("client", "ca", "DNS:devicetwin");
  start_broker(tls_options() + "require_certificate true\nuse_identity_as_username true\n");
  start_bus(tls_settings());
  ASSERT_TRUE(broker_->wait_for_output("peer did not return a certificate"));
  on_loop([this] { EXPECT_FALSE(bus_->connected()); });
  stop_bus();
  auto settings = tls_settings();
  settings.certificate = file("client.crt");
  settings.key = file("client.key");
  start_bus(settings);
  EXPECT_TRUE(connected(true)) << broker_->output();
  EXPECT_TRUE(broker_->wait_for_output("u'client'"));
}

TEST_F(ConnectionTest, WrongPasswordIsSaidOnceAndTriedAgain) {
  const auto allow = [this](const std::string& password) {
    const auto outcome = test_support::run(
        {find_program("mosquitto_passwd"), "-c", "-b", file("passwords"), "edge", password});
    ASSERT_EQ(outcome.exit, 0) << outcome.output;
  };
  allow("another");
  start_broker(cat("allow_anonymous false\npassword_file ", file("passwords"), "\n"));
  auto settings = BusTest::settings();
  settings.user = "edge";
  settings.password = "secret";
  testing::internal::CaptureStderr();
  start_bus(settings);
  ASSERT_TRUE(wait_until([&] { return count(broker_->output(), "not authorised") >= 2; }));
  on_loop([this] { EXPECT_FALSE(bus_->connected()); });
  allow("secret");
  broker_->signal(SIGHUP);
  EXPECT_TRUE(connected(true));
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(count(log, "refuses our user or password: check --mqtt-user"), 1u) << log;
}

TEST_F(ConnectionTest, FilesForTlsThatDoNotFitAreRefusedAtStart) {
  const auto refusal = [this](EventBus::Settings settings) {
    std::string text;
    on_loop([&] { text = EventBus::start(core_, loop_, settings).status().text(); });
    return text;
  };
  auto bare = BusTest::settings();
  bare.url = "broker";
  EXPECT_EQ(refusal(bare), "--mqtt broker: wanted tcp://HOST:PORT, ssl://HOST:PORT or none");
  auto plain = BusTest::settings();
  plain.ca = file("ca.crt");
  EXPECT_NE(refusal(plain).find("need an ssl:// URL, not tcp://127.0.0.1:"), std::string::npos);
  auto half = tls_settings();
  half.ca.clear();
  half.certificate = file("client.crt");
  EXPECT_NE(refusal(half).find("--mqtt-cert and --mqtt-key go together"), std::string::npos);
  auto absent = tls_settings();
  EXPECT_NE(refusal(absent).find(cat("--mqtt-ca: ", file("ca.crt"))), std::string::npos);
  ASSERT_TRUE(base::write_file(file("ca.crt"), "anybody's", 0666).ok());
  EXPECT_NE(refusal(absent).find("everybody may write to it"), std::string::npos);
}

TEST(Refusal, NamesTheCauseAndTheRemedy) {
  const auto has = [](const base::MqttRefusal& refusal, const std::string& text) {
    return base::explain(refusal, {}).find(text) != std::string::npos;
  };
  EXPECT_TRUE(has({.code = 5, .message = ""}, "--mqtt-password-file"));
  EXPECT_TRUE(has({.code = 134, .message = ""}, "--mqtt-password-file"));
  EXPECT_TRUE(has({.code = 132, .message = ""}, "--mqtt-version"));
  EXPECT_TRUE(has({.code = 151, .message = ""}, "code 151"));
  EXPECT_TRUE(
      has({.code = -1, .message = "TCP connect completion failure"}, "it may want TLS (ssl://)"));
  EXPECT_TRUE(has({.code = -1, .message = "TCP/TLS connect failure", .tls = true},
                  "made for the URL's host"));
  EXPECT_EQ(base::explain({.code = -1, .message = "TCP/TLS connect failure"}, {}),
            "does not answer");
}

}  // namespace
}  // namespace devicetwin

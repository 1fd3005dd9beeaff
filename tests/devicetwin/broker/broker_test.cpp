// The private Mosquitto: a real child, real clients.
#include "devicetwin/broker.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <functional>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "support/on_loop.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using test_support::find_program;
using test_support::Process;
using test_support::wait_until;

const std::string boiler = "$hw/events/device/default/boiler/";

class PrivateBrokerTest : public ::testing::Test {
 protected:
  PrivateBrokerTest() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~PrivateBrokerTest() override {
    stop();
    loop_.stop();
    thread_.join();
  }

  void on_loop(const std::function<void()>& task) { test_support::run_on(loop_, task); }
  base::Status try_start(Broker::Settings settings) {
    base::Status status;
    on_loop([&] {
      auto broker = Broker::start(loop_, std::move(settings));
      status = broker.status();
      if (broker) broker_ = std::move(*broker);
    });
    return status;
  }
  Broker::Settings settings() const {
    Broker::Settings settings;
    settings.folder = folder_ / "mqtt";
    settings.port = 0;
    return settings;
  }
  void start() {
    const auto status = try_start(settings());
    ASSERT_TRUE(status.ok()) << status.text();
  }
  void stop() {
    on_loop([this] { broker_.reset(); });
  }
  pid_t pid() {
    pid_t pid = -1;
    on_loop([&] { pid = broker_->pid(); });
    return pid;
  }
  std::string file(const std::string& name) const { return (folder_ / "mqtt" / name).string(); }
  // A client with the options of a role's folder.
  std::vector<std::string> client(const std::string& program, std::vector<std::string> options) {
    options.insert(options.begin(), {find_program("stdbuf"), "-oL", find_program(program), "-i",
                                     cat("test-", base::random_hex(4))});
    return options;
  }
  Process::Environment as(const std::string& role) const {
    return {{"XDG_CONFIG_HOME", file(role)}};
  }
  std::unique_ptr<Process> subscribe(const std::string& role, std::vector<std::string> options) {
    options.insert(options.end(), {"-v", "-d"});
    auto process = std::make_unique<Process>(client("mosquitto_sub", options), as(role));
    EXPECT_TRUE(process->wait_for_output("SUBACK")) << process->output();
    return process;
  }
  void publish(const std::string& role, const std::string& topic, const std::string& payload,
               std::vector<std::string> options = {}) {
    options.insert(options.end(), {"-q", "1", "-t", topic, "-m", payload});
    test_support::run(client("mosquitto_pub", options), as(role));
  }

  test_support::TempFolder folder_;
  base::IoLoop loop_;
  std::thread thread_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(PrivateBrokerTest, FilesAreForTheOwnerOnly) {
  start();
  EXPECT_EQ(std::filesystem::status(folder_ / "mqtt").permissions(),
            std::filesystem::perms::owner_all);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "mqtt")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.status().permissions() & std::filesystem::perms(077),
              std::filesystem::perms::none)
        << entry.path();
  }
  // Only hashes where Mosquitto reads them.
  const auto passwords = base::read_file(file("passwords")).value();
  on_loop([&] { EXPECT_EQ(passwords.find(broker_->password()), std::string::npos); });
  EXPECT_NE(passwords.find("devicetwin:$7$"), std::string::npos);
}

TEST_F(PrivateBrokerTest, AFolderOrAccountsThatOthersMayChangeAreRefused) {
  ASSERT_TRUE(std::filesystem::create_directory(folder_ / "mqtt"));
  ASSERT_EQ(::chmod(file("").c_str(), 0777), 0);
  EXPECT_EQ(try_start(settings()).code(), base::Code::refused);
  ASSERT_EQ(::chmod(file("").c_str(), 0700), 0);
  ASSERT_TRUE(base::write_file(file("credentials"), "me known devicetwin\n", 0606).ok());
  const auto status = try_start(settings());
  EXPECT_EQ(status.code(), base::Code::refused);
  EXPECT_NE(status.text().find("chmod o-w " + file("credentials")), std::string::npos)
      << status.text();
}

TEST_F(PrivateBrokerTest, ListensOnLoopbackOnly) {
  start();
  // proc(5): local address 127.0.0.1 and port in hexadecimal, state 0A is listening.
  std::uint16_t port = 0;
  on_loop([&] { port = broker_->port(); });
  char wanted[32];
  std::snprintf(wanted, sizeof wanted, ":%04X 0", port);
  int found = 0;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto content = base::read_file(table);
    if (!content) continue;
    for (const auto line : base::split(*content, '\n')) {
      if (line.find(wanted) == line.npos || line.find(" 0A ") == line.npos) continue;
      ++found;
      EXPECT_NE(line.find("0100007F:"), line.npos) << line;
    }
  }
  EXPECT_EQ(found, 1);
}

TEST_F(PrivateBrokerTest, ForeignersCannotConnect) {
  start();
  std::string port;
  on_loop([&] { port = cat(broker_->port()); });
  for (const auto& login : {std::vector<std::string>{},
                            {"-u", "reader", "-P", "guessed"},
                            {"-u", "mallory", "-P", ""}}) {
    std::vector<std::string> options = {"-p", port, "-t", "x", "-m", "x"};
    options.insert(options.end(), login.begin(), login.end());
    const auto outcome = test_support::run(client("mosquitto_pub", options));
    EXPECT_NE(outcome.exit, 0) << outcome.output;
    EXPECT_NE(outcome.output.find("not authorised"), std::string::npos) << outcome.output;
  }
}

// Whoever may not publish is not heard; the one after him on the same topic is.
TEST_F(PrivateBrokerTest, RolesPublishOnlyWhatTheyMay) {
  start();
  const auto heard = subscribe("reader", {"-t", "$hw/#", "-t", "#"});
  const struct {
    const char* topic;
    std::vector<std::string> may;
    std::vector<std::string> may_not;
  } cases[] = {
      {"$hw/events/device/default/boiler/twin/update", {"mapper", "application"}, {"reader"}},
      {"$hw/events/device/boiler/twin/get", {"mapper", "application"}, {"reader"}},
      {"$hw/events/device/boiler/twin/history/get", {"mapper", "application"}, {"reader"}},
      {"$hw/events/device/default/boiler/twin/history/get", {"mapper", "application"}, {"reader"}},
      {"$hw/events/device/default/boiler/state/update", {"mapper"}, {"reader", "application"}},
      {"$hw/events/node/any/membership/get", {"application"}, {"reader"}},
      {"shop/user/order", {"application", "mapper"}, {"reader"}},
  };
  for (const auto& one : cases) {
    for (const auto& role : one.may_not) publish(role, one.topic, cat("forbidden ", role));
    for (const auto& role : one.may) publish(role, one.topic, cat("allowed ", role));
    for (const auto& role : one.may) {
      EXPECT_TRUE(heard->wait_for_output(cat(one.topic, " allowed ", role))) << heard->output();
    }
  }
  // What devicetwin says nobody else can say.
  for (const char* role : {"mapper", "application", "reader"}) {
    publish(role, boiler + "twin/update/result", "forbidden forged");
  }
  publish("application", boiler + "twin/get", "the last");
  EXPECT_TRUE(heard->wait_for_output("the last"));
  EXPECT_EQ(heard->output().find("forbidden"), std::string::npos) << heard->output();
}

TEST_F(PrivateBrokerTest, BrokerThatDiesIsStartedAgainAtTheSamePlaceWithTheSameAccounts) {
  start();
  const pid_t first = pid();
  ::kill(first, SIGKILL);
  ASSERT_TRUE(wait_until([&] {
    const pid_t now = pid();
    return now != -1 && now != first;
  }));
  on_loop([&] { EXPECT_EQ(broker_->restarts(), 1u); });
  std::uint16_t port = 0;
  on_loop([&] { port = broker_->port(); });
  ASSERT_TRUE(wait_until([&] { return test_support::listens(port); }));
  const auto heard = subscribe("reader", {"-t", "$hw/#"});
  publish("application", boiler + "twin/get", "{}");
  EXPECT_TRUE(heard->wait_for_output("twin/get {}"));
}

TEST_F(PrivateBrokerTest, AccountsAndRetainedMessagesSurviveARestart) {
  start();
  const auto credentials = base::read_file(file("credentials")).value();
  publish("application", "shop/user/order", "kept", {"-r"});
  stop();
  start();
  EXPECT_EQ(base::read_file(file("credentials")).value(), credentials);
  const auto heard = subscribe("reader", {"-t", "+/user/#"});
  EXPECT_TRUE(heard->wait_for_output("shop/user/order kept"));
}

TEST_F(PrivateBrokerTest, AccountsThatAPersonAddsHoldFromTheNextStart) {
  start();
  stop();
  auto credentials = base::read_file(file("credentials")).value();
  ASSERT_TRUE(base::write_file(file("credentials"), credentials + "panel secret reader\n").ok());
  start();
  std::string port;
  on_loop([&] { port = cat(broker_->port()); });
  const auto outcome = test_support::run(
      client("mosquitto_pub", {"-p", port, "-u", "panel", "-P", "secret", "-t", "x", "-m", "x"}));
  EXPECT_EQ(outcome.exit, 0) << outcome.output;
  stop();
  ASSERT_TRUE(base::write_file(file("credentials"), credentials + "panel secret boss\n").ok());
  const auto status = try_start(settings());
  EXPECT_EQ(status.code(), base::Code::invalid);
  EXPECT_NE(status.text().find("ROLE one of devicetwin, mapper, application, reader"),
            std::string::npos)
      << status.text();
}

TEST_F(PrivateBrokerTest, PortThatIsTakenIsAvoided) {
  start();
  test_support::TempFolder other;
  Broker::Settings second;
  second.folder = other / "mqtt";
  std::uint16_t first = 0;
  on_loop([&] { first = broker_->port(); });
  second.port = first;
  on_loop([&] {
    const auto broker = Broker::start(loop_, second);
    ASSERT_TRUE(broker.ok()) << broker.status().text();
    EXPECT_GT((*broker)->port(), first);
    EXPECT_TRUE(test_support::listens((*broker)->port()));
  });
}

TEST_F(PrivateBrokerTest, BrokerLeftByAKilledDevicetwinIsEndedFirst) {
  start();
  std::uint16_t port = 0;
  on_loop([&] { port = broker_->port(); });
  stop();
  Process leftover({find_program("mosquitto"), "-c", file("mosquitto.conf")});
  ASSERT_TRUE(wait_until([&] { return test_support::listens(port); }));
  ASSERT_TRUE(base::write_file(file("pid"), cat(leftover.pid())).ok());
  // A zombie still has its place in /proc, but no command line any more.
  auto wanted = settings();
  wanted.port = port;
  const auto status = try_start(wanted);
  ASSERT_TRUE(status.ok()) << status.text();
  EXPECT_FALSE(leftover.running());
  on_loop([&] { EXPECT_EQ(broker_->port(), port); });
}

TEST_F(PrivateBrokerTest, MissingMosquittoIsSaidWithTheRemedy) {
  auto wanted = settings();
  wanted.program = "/nowhere/mosquitto";
  const auto status = try_start(wanted);
  EXPECT_EQ(status.code(), base::Code::not_found);
  EXPECT_NE(status.text().find("apt-get install mosquitto"), std::string::npos) << status.text();
  EXPECT_NE(status.text().find("--mqtt none"), std::string::npos) << status.text();
}

TEST_F(PrivateBrokerTest, MosquittoThatEndsAtOnceIsToldInItsOwnWords) {
  auto wanted = settings();
  wanted.program = "/usr/bin/false";
  const auto status = try_start(wanted);
  EXPECT_EQ(status.code(), base::Code::unavailable);
  EXPECT_NE(status.text().find("ended with status 1"), std::string::npos) << status.text();
}

}  // namespace
}  // namespace devicetwin

// devicetwin and its MQTT as real processes: the first start without configuration, deaths, flags.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "support/plane.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using test_support::built;
using test_support::find_program;
using test_support::Process;
using test_support::wait_until;

class DaemonTest : public ::testing::Test {
 protected:
  void start(std::vector<std::string> flags = {}) {
    std::vector<std::string> arguments = {built("devicetwin/devicetwin"), "--dir",
                                          folder_.path().string(), "--kube-port", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    devicetwin_ = std::make_unique<Process>(arguments);
    ASSERT_TRUE(devicetwin_->wait_for_output("ready: ")) << devicetwin_->output();
  }
  std::int64_t broker_pid() const {
    std::int64_t pid = 0;
    const auto text = base::read_file(folder_ / "mqtt/pid");
    EXPECT_TRUE(text && base::parse_int(*text, pid));
    return pid;
  }
  bool runs(std::int64_t pid) const {
    const auto command = base::read_file(cat("/proc/", pid, "/cmdline"));
    return command && command->find("mosquitto.conf") != std::string::npos;
  }

  test_support::TempFolder folder_;
  std::unique_ptr<Process> devicetwin_;
};

TEST_F(DaemonTest, FirstStartNeedsNoConfigurationAndSaysHowToListen) {
  start({"--mqtt-port", "0"});
  EXPECT_TRUE(devicetwin_->wait_for_output("connected to the MQTT broker"));
  const std::string log = devicetwin_->output();
  const std::string command = cat("XDG_CONFIG_HOME=", (folder_ / "mqtt/reader").string(),
                                  " mosquitto_sub -v -t '$hw/events/#'");
  EXPECT_NE(log.find(command), std::string::npos) << log;
  // The line as it stands in the log, for one message.
  const auto heard = test_support::run({find_program("sh"), "-c", command + " -C 1 -W 10"});
  EXPECT_NE(heard.output.find("\"state\":\"online\""), std::string::npos) << heard.output;
}

TEST_F(DaemonTest, KilledDevicetwinLeavesNoBroker) {
  start({"--mqtt-port", "0"});
  const auto pid = broker_pid();
  ASSERT_TRUE(runs(pid));
  devicetwin_->kill();
  EXPECT_TRUE(wait_until([&] { return !runs(pid); }));
}

TEST_F(DaemonTest, StoppedDevicetwinStopsItsBroker) {
  start({"--mqtt-port", "0"});
  const auto pid = broker_pid();
  EXPECT_EQ(devicetwin_->stop(), 0) << devicetwin_->output();
  EXPECT_FALSE(runs(pid));
}

TEST_F(DaemonTest, BrokerThatIsKilledIsBackAndDevicetwinIsOnIt) {
  start({"--mqtt-port", "0"});
  ASSERT_TRUE(devicetwin_->wait_for_output("connected to the MQTT broker"));
  const auto first = broker_pid();
  ::kill(static_cast<pid_t>(first), SIGKILL);
  // Not by the file of its pid: a broker that runs need not listen yet.
  ASSERT_TRUE(wait_until([&] {
    const std::string log = devicetwin_->output();
    const std::string_view connected = "connected to the MQTT broker";
    return log.find(connected) != log.rfind(connected);
  }));
  EXPECT_NE(broker_pid(), first);
  const auto heard = test_support::run(
      {find_program("mosquitto_sub"), "-t", "$hw/events/node/+/state", "-C", "1", "-W", "20"},
      {{"XDG_CONFIG_HOME", (folder_ / "mqtt/reader").string()}});
  EXPECT_NE(heard.output.find("\"state\":\"online\""), std::string::npos)
      << heard.output << devicetwin_->output();
}

TEST_F(DaemonTest, WithoutMqttThereIsNoBroker) {
  start({"--mqtt", "none"});
  EXPECT_FALSE(std::filesystem::exists(folder_ / "mqtt"));
  EXPECT_EQ(devicetwin_->stop(), 0) << devicetwin_->output();
}

TEST_F(DaemonTest, LastWillTellsThatDevicetwinWasKilled) {
  const auto port = test_support::free_port();
  ASSERT_TRUE(base::write_file(folder_ / "mosquitto.conf",
                               cat("listener ", port, " 127.0.0.1\nallow_anonymous true\n"))
                  .ok());
  Process broker({find_program("mosquitto"), "-c", (folder_ / "mosquitto.conf").string()});
  for (const char* version : {"3", "5"}) {
    start({"--mqtt", cat("tcp://127.0.0.1:", port), "--mqtt-version", version});
    ASSERT_TRUE(devicetwin_->wait_for_output("connected to the MQTT broker"));
    Process heard({find_program("stdbuf"), "-oL", find_program("mosquitto_sub"), "-p", cat(port),
                   "-t", "$hw/events/node/edge-node/state"});
    EXPECT_TRUE(heard.wait_for_output("\"state\":\"online\""));
    devicetwin_->kill();
    EXPECT_TRUE(heard.wait_for_output("\"state\":\"offline\"")) << version;
  }
}

// As the README begins: below a folder that everybody may write to, with the sticky bit. In one
// without it, and of another user where we can make one, a prepared token is not taken.
TEST_F(DaemonTest, AFolderThatOthersMayWriteToIsRefusedWithTheRemedy) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  ASSERT_TRUE(base::write_file(folder_ / "token", std::string(64, 'a'), 0600).ok());
  if (::chown(folder_.path().c_str(), 65'534, 65'534) != 0) {
    // Only root gives folders away; the mode alone is enough.
  }
  const auto outcome =
      test_support::run({built("devicetwin/devicetwin"), "--dir", folder_.path().string(),
                         "--kube-port", "0", "--mqtt", "none"});
  EXPECT_EQ(outcome.exit, 1) << outcome.output;
  EXPECT_NE(outcome.output.find(cat(folder_.path().string(), ": not trusted: it belongs to user ")),
            std::string::npos)
      << outcome.output;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(DaemonTest, WrongTopicPolicyIsAWrongFlag) {
  const auto outcome = test_support::run({built("devicetwin/devicetwin"), "--dir",
                                          folder_.path().string(), "--mqtt-topic", "document=7"});
  EXPECT_EQ(outcome.exit, 2) << outcome.output;
  EXPECT_NE(outcome.output.find("'document=7': no quality of service"), std::string::npos)
      << outcome.output;
}

}  // namespace
}  // namespace devicetwin

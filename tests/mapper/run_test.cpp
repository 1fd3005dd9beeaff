// run() as a program calls it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/build.hpp"
#include "base/text.hpp"
#include "mapper/testing.hpp"
#include "support/process.hpp"

namespace mapper {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using test_support::TempFolder;
using test_support::wait_until;
using testing::FakeDevice;
using ::testing::HasSubstr;

constexpr const char* run_plant = R"(
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
  - {name: temp, type: FLOAT, accessMode: ReadWrite, unit: °C}
  - {name: mode, type: STRING, accessMode: ReadOnly}
---
kind: Device
metadata: {name: boiler}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties:
  - {name: temp, desired: {value: "70"}, collectCycle: 50}
  - {name: mode}
)";

class Run : public ::testing::Test {
 protected:
  Run() {
    device.set("temp", Value(20.5));
    device.set("mode", Value(std::string("heat")));
    protocol.name = "fake";
    protocol.open = [this](const Target&, Sink) { return testing::open_fake(device); };
    std::ofstream(folder / "plant.yaml") << run_plant;
  }
  int run_with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fake-mapper");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    return run(static_cast<int>(argv.size()), argv.data(), protocol);
  }
  std::string file(const std::string& name) { return (folder / name).string(); }

  TempFolder folder;
  FakeDevice device;
  Protocol protocol;
};

TEST_F(Run, LocalOncePrintsEveryPointAndWritesNothing) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_with({"--local", file("plant.yaml"), "--once"}), 0);
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_THAT(out, HasSubstr("default/boiler  temp              20.5  °C    ok"));
  EXPECT_THAT(out, HasSubstr("heat"));
  EXPECT_EQ(device.count("write"), 0u);
  EXPECT_EQ(device.count("close"), 1u);
}

TEST_F(Run, LocalOnceEndsWithOneWhenAPointFailed) {
  device.fail("mode", Status(Code::refused, "illegal data address"));
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_with({"--local", file("plant.yaml"), "--once"}), 1);
  EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr("refused: illegal data address"));
}

TEST_F(Run, LocalWritesDesiredValuesAndEndsAtSigterm) {
  int status = -1;
  std::thread runner([&] { status = run_with({"--local", file("plant.yaml")}); });
  EXPECT_TRUE(wait_until([&] { return device.count("write temp=70") == 1; }));
  ::kill(::getpid(), SIGTERM);
  runner.join();
  EXPECT_EQ(status, 0);
  EXPECT_EQ(device.count("close"), 1u);
}

TEST_F(Run, MistakesOfFilesAreToldWithStatusTwo) {
  std::ofstream(folder / "bad.yaml") << "kind: Pod\n";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_with({"--local", file("bad.yaml")}), 2);
  EXPECT_EQ(run_with({"--local", file("absent.yaml")}), 2);
  EXPECT_EQ(run_with({"--config-file", file("absent-config.yaml")}), 2);
  EXPECT_EQ(run_with({"--once"}), 2);
  EXPECT_EQ(run_with({"--no-such-flag"}), 2);
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("bad.yaml:1:7: kind: \"Pod\" is none of"));
  EXPECT_THAT(told, HasSubstr("absent.yaml"));
  EXPECT_THAT(told, HasSubstr("absent-config.yaml"));
}

TEST_F(Run, HelpIsAManualAndVersionIsThere) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(run_with({"--help"}), 0);
  EXPECT_EQ(run_with({"--version"}), 0);
  const std::string told = ::testing::internal::GetCapturedStdout();
  for (const char* word : {"--config-file", "--edgecore-sock", "--socket", "--local", "--once",
                           "--log-level", "socket_path", "Exit status"}) {
    EXPECT_THAT(told, HasSubstr(word));
  }
  EXPECT_THAT(told, HasSubstr(base::version_text("fake-mapper")));
}

TEST_F(Run, ASocketThatCannotBeServedEndsWithOne) {
  EXPECT_EQ(run_with({"--socket", file("no-folder/m.sock"), "--edgecore-sock", file("dmi.sock")}),
            1);
}

TEST_F(Run, ADriverThatHangsIsLeftBehindAfterFiveSeconds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  protocol.open = [](const Target&, Sink) -> base::Result<std::unique_ptr<Driver>> {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    ::kill(::getpid(), SIGTERM);
    for (;;) std::condition_variable().wait(lock);
  };
  EXPECT_EXIT(run_with({"--local", file("plant.yaml")}), ::testing::ExitedWithCode(1),
              "bus default/boiler: its driver hangs");
}

}  // namespace
}  // namespace mapper

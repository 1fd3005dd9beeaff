// The generator against Aravis' own programs: what they take for a camera is one.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "generator/camera.hpp"
#include "generator/camera_xml.hpp"
#include "generator/registers.hpp"
#include "support/process.hpp"

namespace {

using base::cat;
using generator::Camera;
using generator::Description;
using generator::Faults;
using test_support::Process;
using test_support::wait_until;
using testing::Test;
namespace reg = generator::reg;

std::string arv_tool() { return test_support::find_program("arv-tool-0.8"); }
std::string arv_camera_test() { return test_support::find_program("arv-camera-test-0.8"); }

std::unique_ptr<Camera> camera(const generator::Options& options = {}) {
  auto started = Camera::start(options);
  EXPECT_TRUE(started) << started.status().to_string();
  return std::move(started).value();
}

std::string tool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), arv_tool());
  return test_support::run(arguments).output;
}

// What arv-camera-test counts, by name ("n_completed_buffers").
std::map<std::string, long> stream(std::vector<std::string> more, std::string seconds = "1") {
  std::vector<std::string> arguments{arv_camera_test(), "-n", "127.0.0.1", "--duration", seconds};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const auto outcome = test_support::run(arguments);
  std::map<std::string, long> out;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::string equals;
    long value = 0;
    if (words >> name >> equals >> value && equals == "=") out[name] = value;
  }
  EXPECT_TRUE(out.contains("n_completed_buffers")) << outcome.output;
  return out;
}

TEST(Aravis, DiscoversEveryCameraByNameAndAddress) {
  generator::Options options;
  options.serial = "A1";
  const auto first = camera(options);
  options.serial = "A2";
  options.address = "127.0.0.2";
  const auto second = camera(options);
  const std::string seen = tool({});
  EXPECT_NE(seen.find("Simulator-Generator-A1 (127.0.0.1)"), std::string::npos) << seen;
  EXPECT_NE(seen.find("Simulator-Generator-A2 (127.0.0.2)"), std::string::npos) << seen;
}

TEST(Aravis, ReadsTheDescriptionAsItIsWrittenPlainAndZipped) {
  for (const Description which : {Description::sound, Description::zipped}) {
    generator::Options options;
    options.description = which;
    const auto device = camera(options);
    const std::string seen = tool({"-a", "127.0.0.1", "genicam"});
    EXPECT_NE(seen.find(generator::camera_xml("")), std::string::npos) << seen.substr(0, 500);
  }
}

TEST(Aravis, ListsTheFeaturesAndNoneIsBroken) {
  const auto device = camera();
  const std::string seen = tool({"-a", "127.0.0.1", "values"});
  for (const std::string_view name :
       {"Width", "PixelFormat", "ExposureTime", "Gain", "DeviceTemperature", "TriggerSource",
        "GevSCPSPacketSize", "GevTimestampTickFrequency", "PtpStatus", "TLParamsLocked"}) {
    EXPECT_NE(seen.find(cat("'", name, "'")), std::string::npos) << name << "\n" << seen;
  }
  EXPECT_EQ(seen.find("not found"), std::string::npos) << seen;
}

TEST(Aravis, ReadsBackWhatItWroteOfEveryKind) {
  const auto device = camera();
  const std::string seen = tool({"-a",
                                 "127.0.0.1",
                                 "control",
                                 "Width=320",
                                 "Width",
                                 "ExposureTime=1234.5",
                                 "ExposureTime",
                                 "PixelFormat=BayerRG12p",
                                 "PixelFormat",
                                 "DeviceUserID=left",
                                 "DeviceUserID",
                                 "BlackLevelRaw=-5",
                                 "BlackLevelRaw",
                                 "AcquisitionFrameRateEnable=true",
                                 "GainSelector=Red",
                                 "Gain=5.5",
                                 "GainSelector=Blue",
                                 "Gain=2",
                                 "GainSelector=Red",
                                 "Gain"});
  for (const std::string_view line :
       {"Width = 320", "ExposureTime = 1234.5", "PixelFormat = BayerRG12p", "DeviceUserID = left",
        "BlackLevelRaw = -5", "GainSelector = Red\nGain = 5.5"}) {
    EXPECT_NE(seen.find(line), std::string::npos) << line << "\n" << seen;
  }
  EXPECT_EQ(device->reg(reg::width), 320U);
}

// A busy machine drops packets in its kernel; how few, is gige-stream's to say.
TEST(Aravis, StreamsThroughRingAndSocket) {
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{}, std::vector<std::string>{"--no-packet-socket"}}) {
    const auto device = camera();
    auto counted = stream(how);
    EXPECT_GE(counted["n_completed_buffers"], 5);
    EXPECT_LE(counted["n_failures"], counted["n_completed_buffers"] / 5);
  }
}

TEST(Aravis, RecoversLostPacketsByResendAndDoesNotWithout) {
  const auto device = camera();
  Faults faults;
  faults.loss = 10;
  device->set(faults);
  auto with = stream({});
  EXPECT_GT(with["n_resent_packets"], 0);
  EXPECT_GT(with["n_completed_buffers"], 5);
  EXPECT_LE(with["n_failures"], with["n_completed_buffers"] / 5);
  auto without = stream({"--no-packet-resend"});
  EXPECT_EQ(without["n_resent_packets"], 0);
  EXPECT_GT(without["n_failures"], without["n_completed_buffers"]);
}

TEST(Aravis, ReorderedAndDuplicatedPacketsCostNothing) {
  const auto device = camera();
  Faults faults;
  faults.reorder = 50;
  faults.duplicate = 50;
  device->set(faults);
  auto counted = stream({});
  EXPECT_GE(counted["n_completed_buffers"], 5);
  EXPECT_LE(counted["n_failures"], counted["n_completed_buffers"] / 5);
}

TEST(Aravis, FindsTheLargestPacketThatGetsThrough) {
  const auto device = camera();
  Faults faults;
  faults.max_packet_size = 4000;
  device->set(faults);
  auto counted = stream({"-j", "always"});
  EXPECT_GE(counted["n_completed_buffers"], 5);
  const std::uint32_t found = device->reg(reg::stream_packet_size) & 0xFFFF;
  EXPECT_GT(found, 3900U);
  EXPECT_LE(found, 4000U);
}

TEST(Aravis, SoftwareTriggerTakesAFrameEach) {
  const auto device = camera();
  auto counted = stream({"-o", "20"});
  EXPECT_GE(counted["n_completed_buffers"], 5);
  EXPECT_LE(counted["n_completed_buffers"], 21);
}

TEST(Aravis, ASecondProgramIsRefusedControlAndAFreedCameraIsHadAgain) {
  generator::Options options;
  options.heartbeat_ms = 1000;
  const auto device = camera(options);
  Process first({arv_camera_test(), "-n", "127.0.0.1"});
  ASSERT_TRUE(wait_until([&] { return device->acquiring(); }));
  const auto refused = device->counters().refused;
  tool({"-a", "127.0.0.1", "control", "Height=100"});
  EXPECT_GT(device->counters().refused, refused);
  EXPECT_EQ(device->reg(reg::height), 480U);
  EXPECT_TRUE(device->acquiring());
  first.kill();
  EXPECT_TRUE(wait_until([&] { return !device->controlled(); }));
  tool({"-a", "127.0.0.1", "control", "Height=100"});
  EXPECT_EQ(device->reg(reg::height), 100U);
}

TEST(Aravis, SeesThatAPowerCycledCameraHasForgottenIt) {
  const auto device = camera();
  Process first({arv_camera_test(), "-n", "127.0.0.1"});
  ASSERT_TRUE(wait_until([&] { return device->acquiring(); }));
  device->power_cycle(std::chrono::milliseconds(100));
  EXPECT_TRUE(first.wait_for_output("Control lost"));
}

TEST(Aravis, RefusesNoAbsurdDescriptionByItself) {
  // What Aravis makes of these is why the mapper looks at them first.
  for (const Description which : {Description::garbage, Description::absent}) {
    generator::Options options;
    options.description = which;
    const auto device = camera(options);
    const std::string seen = tool({"-a", "127.0.0.1", "control", "Width"});
    EXPECT_EQ(seen.find("Width = 640"), std::string::npos) << seen;
  }
}

// The program as it is used by hand: flags, lines on stdin, SIGTERM.
TEST(Program, TakesFlagsAndLinesAndEndsWithItsCounters) {
  const test_support::TempFolder folder;
  const std::string pipe = folder / "lines";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  Process program({"/bin/sh", "-c",
                   cat("exec ", PROJECT_BINARY,
                       "/tests/gige-generator -a 127.0.0.3 -s P1 --width 320 --fps 100"
                       " --do 'loss 5' < ",
                       pipe)});
  std::ofstream lines(pipe);
  ASSERT_TRUE(program.wait_for_output("simulated camera P1 at 127.0.0.3"));
  EXPECT_NE(tool({"-a", "127.0.0.3", "control", "Width"}).find("Width = 320"), std::string::npos);
  lines << "state\nloss many\nmove 127.0.0.4\nstate\n" << std::flush;
  EXPECT_TRUE(program.wait_for_output("address 127.0.0.3 controlled"));
  EXPECT_TRUE(program.wait_for_output("invalid: loss: takes 0 to 1000"));
  EXPECT_TRUE(program.wait_for_output("address 127.0.0.4 controlled false acquiring false"));
  EXPECT_EQ(program.stop(), 0);
  EXPECT_TRUE(program.wait_for_output("frames 0 packets 0"));
}

TEST(Program, RefusesWhatIsWrongAndSaysWhat) {
  const std::string program = cat(PROJECT_BINARY, "/tests/gige-generator");
  const auto address = test_support::run({program, "-a", "10.9.9.9"});
  EXPECT_EQ(address.exit, 1);
  EXPECT_NE(address.output.find("address 10.9.9.9: no interface here has it"), std::string::npos);
  const auto fault = test_support::run({program, "--do", "loss x"});
  EXPECT_EQ(fault.exit, 1);
  EXPECT_NE(fault.output.find("loss: takes 0 to 1000"), std::string::npos) << fault.output;
}

}  // namespace

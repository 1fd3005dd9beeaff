// The verbs of every mapper: read, write and lint, as programs call them and as a stranger's mapper
// (examples/smallest) has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "dmi/json.hpp"
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
using ::testing::Not;

constexpr const char* tools_plant = R"(
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
  - {name: temp, type: FLOAT, accessMode: ReadWrite, minimum: "5", maximum: "90", unit: °C}
  - {name: mode, type: STRING, accessMode: ReadOnly}
---
kind: Device
metadata: {name: boiler}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties:
  - {name: temp, desired: {value: "70"}, visitors: {configData: {scale: 0.1}}}
  - {name: mode}
)";

class Tools : public ::testing::Test {
 protected:
  Tools() {
    device.set("temp", Value(205.0));
    device.set("mode", Value(std::string("heat")));
    protocol.name = "fake";
    protocol.open_async = [this](const Target&, Sink, base::IoLoop& loop) {
      return testing::open_fake_async(device, loop);
    };
    put("plant.yaml", tools_plant);
  }
  std::string put(const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    return file(name);
  }
  std::string file(const std::string& name) { return (folder / name).string(); }
  int run_with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fake-mapper");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int status = run(static_cast<int>(argv.size()), argv.data(), protocol);
    out = ::testing::internal::GetCapturedStdout();
    err = ::testing::internal::GetCapturedStderr();
    return status;
  }
  int lint(const std::string& yaml) { return run_with({"lint", put("bad.yaml", yaml)}); }

  TempFolder folder;
  FakeDevice device;
  Protocol protocol;
  std::string out;
  std::string err;
};

TEST_F(Tools, ReadPrintsEveryPropertyRefinedAndWritesNothing) {
  EXPECT_EQ(run_with({"read", file("plant.yaml")}), 0) << err;
  EXPECT_THAT(out, HasSubstr("default/boiler  temp              20.5  °C    ok"));
  EXPECT_THAT(out, HasSubstr("heat"));
  EXPECT_EQ(device.count("write"), 0u);
  EXPECT_EQ(device.count("close"), 1u);
}

TEST_F(Tools, ReadWorksWithBlockingDrivers) {
  protocol.open_async = nullptr;
  protocol.open = [this](const Target&, Sink) { return testing::open_fake(device); };
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "temp"}), 0) << err;
  EXPECT_THAT(out, HasSubstr("20.5"));
  EXPECT_EQ(device.count("read temp"), 1u);
  EXPECT_EQ(device.count("close"), 1u);
}

TEST_F(Tools, ReadOfNamedPropertiesAsksForNoOthers) {
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "mode", "--device", "boiler"}), 0) << err;
  EXPECT_THAT(out, Not(HasSubstr("temp")));
  EXPECT_EQ(device.count("read mode"), 1u);
}

TEST_F(Tools, ReadAsJsonHasTypedValues) {
  device.fail("mode", Status(Code::refused, "no mode today"));
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "--json"}), 1);
  const auto lines = base::split(out, '\n');
  ASSERT_EQ(lines.size(), 3u) << out;
  const dmi::Json temp = dmi::parse_json(lines[0]).value();
  EXPECT_EQ(temp["value"], 20.5);
  EXPECT_EQ(temp["unit"], "°C");
  EXPECT_EQ(temp["device"], "default/boiler");
  EXPECT_EQ(temp["status"], "ok");
  const dmi::Json mode = dmi::parse_json(lines[1]).value();
  EXPECT_FALSE(mode.contains("value"));
  EXPECT_EQ(mode["status"], "refused");
  EXPECT_EQ(mode["reason"], "no mode today");
}

TEST_F(Tools, ReadTakesWhatADriverPushes) {
  class Pushing final : public AsyncDriver {
   public:
    Pushing(Sink sink, base::Loop& loop) : sink_(std::move(sink)), loop_(loop) {}
    void read(std::span<Reading>, Done done) override {
      loop_.after({}, [this, done] {
        done(Status());
        sink_.publish(0, dmi::Sample(Value(300.0), loop_.wall()));
      });
    }

   private:
    Sink sink_;
    base::Loop& loop_;
  };
  protocol.open_async = [](const Target&, Sink sink,
                           base::IoLoop& loop) -> base::Result<std::unique_ptr<AsyncDriver>> {
    return std::unique_ptr<AsyncDriver>(std::make_unique<Pushing>(std::move(sink), loop));
  };
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "temp"}), 0) << err;
  EXPECT_THAT(out, HasSubstr("30"));
}

TEST_F(Tools, ReadRepeatsUntilInterruptedAndOpensALostDeviceAgain) {
  device.reach(Status(Code::unavailable, "gone"));
  int status = -1;
  std::thread runner([&] {
    status = run_with({"read", file("plant.yaml"), "temp", "--repeat", "20"});
  });
  EXPECT_TRUE(wait_until([&] { return device.count("read") >= 2; }));
  device.reach(Status());
  const std::size_t before = device.count("read");
  EXPECT_TRUE(wait_until([&] { return device.count("read") >= before + 3; }));
  ::kill(::getpid(), SIGINT);
  runner.join();
  EXPECT_EQ(status, 0);
  EXPECT_THAT(out, HasSubstr("unavailable: gone"));
  EXPECT_THAT(out, HasSubstr("20.5"));
}

TEST_F(Tools, WrongUseOfReadEndsWithTwo) {
  EXPECT_EQ(run_with({"read"}), 2);
  EXPECT_EQ(run_with({"read", "temp"}), 2);
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "pressure"}), 2);
  EXPECT_THAT(err, HasSubstr("no device of the files has a property \"pressure\""));
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "--device", "kettle"}), 2);
  EXPECT_THAT(err, HasSubstr("--device kettle: not in the files; there are default/boiler"));
  EXPECT_EQ(run_with({"read", file("absent.yaml")}), 2);
  EXPECT_EQ(run_with({"read", file("plant.yaml"), "--repeat", "1"}), 2);
}

TEST_F(Tools, WriteUndoesTheScaleAndReadsBack) {
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=40.5"}), 0) << out << err;
  EXPECT_EQ(device.count("write temp=405"), 1u);
  EXPECT_EQ(out, "temp  applied: it holds 40.5 °C\n");
}

TEST_F(Tools, WriteSendsNothingWhenOneValueIsForbidden) {
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=40", "mode=cool"}), 1);
  EXPECT_THAT(out, HasSubstr("temp  not sent"));
  EXPECT_THAT(out, HasSubstr("mode  failed: unsupported: mode: the model says ReadOnly"));
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=95"}), 1);
  EXPECT_THAT(out, HasSubstr("above the maximum 90"));
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=warm"}), 1);
  EXPECT_EQ(device.count("write"), 0u);
}

TEST_F(Tools, WriteTellsWhatTheDeviceMadeOfIt) {
  device.on_write([](const std::string&, Value) { return Value(300.0); });
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=40"}), 1);
  EXPECT_EQ(out, "temp  overridden by the device: it holds 30 °C\n");
  device.fail("temp", Status(Code::refused, "locked"));
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=40"}), 1);
  EXPECT_THAT(out, HasSubstr("temp  failed: refused: locked"));
}

TEST_F(Tools, WriteWantsToKnowWhichDevice) {
  const std::string other = put("other.yaml", R"(
kind: Device
metadata: {name: kettle}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties:
  - {name: temp}
)");
  EXPECT_EQ(run_with({"write", file("plant.yaml"), other, "temp=40"}), 2);
  EXPECT_THAT(err, HasSubstr("the files have 2 devices: say which with --device"));
  EXPECT_EQ(run_with({"write", file("plant.yaml"), other, "--device", "kettle", "temp=40"}), 0);
  EXPECT_EQ(run_with({"write", file("plant.yaml"), "temp=40", "temp=41"}), 2);
  EXPECT_EQ(run_with({"write", file("plant.yaml")}), 2);
}

TEST_F(Tools, LintOfGoodFilesIsSilentButForACount) {
  EXPECT_EQ(run_with({"lint", file("plant.yaml")}), 0) << out;
  EXPECT_EQ(out, "no mistake in 1 file: 1 device of protocol fake\n");
}

TEST_F(Tools, LintNotesKeysThatDoNothing) {
  EXPECT_EQ(lint(R"(kind: DeviceModel
metadata: {name: m}
spec:
  protocol: fake
  properties: [{name: a, type: INT, accessMode: ReadWrite}]
---
kind: Device
metadata: {name: dev}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties:
  - name: a
    pushMethod: {http: {hostName: example.org}}
    visitors: {protocolName: fake, configData: {}}
)"),
            0)
      << out;
  EXPECT_THAT(out, HasSubstr("note: "));
  EXPECT_THAT(out, HasSubstr("bad.yaml:14:"));
  EXPECT_THAT(out, HasSubstr("default/dev: spec.properties[0].pushMethod.http: does nothing here"));
}

TEST_F(Tools, LintTellsEveryMistakeWithItsPlace) {
  EXPECT_EQ(lint(R"(apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  properties:
  - {name: a, type: FLOTE, accessMode: ReadWrite}
  - {name: b, type: INT, accessMode: ReadOnly, minimun: "3"}
  - {name: c, type: INT, accessMode: ReadWrite, maximum: "5", minimum: "9"}
---
kind: Device
metadata: {name: dev}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties:
  - {name: a, collectCycle: 3, collectCycle: 1}
  - {name: b, desired: {value: "3"}}
  - {name: e}
  - {name: c, visitors: {configData: {scale: 0}}}
---
kind: Device
metadata: {name: dev}
spec:
  deviceModelRef: {name: nowhere}
  protocol: {protocolName: fake}
  propertys: []
  properties: [{name: 5}]
---
kind: Pod
)"),
            1);
  for (const char* line :
       {"bad.yaml:6:21: default/m: spec.properties[0].type: type \"FLOTE\" is none of INT",
        "bad.yaml:7:57: default/m: spec.properties[1].minimun: unknown key: did you mean minimum?",
        "bad.yaml:8:72: default/m: spec.properties[2].minimum: 9 is above the maximum 5",
        "bad.yaml:16:29: default/dev.properties.a.collectCycle: 3 is outside 10..",
        "bad.yaml:16:32: collectCycle: is there already",
        "bad.yaml:17:32: default/dev.properties.b.desired.value: the model says ReadOnly",
        "bad.yaml:18:5: default/dev.properties.e: model default/m has no such property",
        "bad.yaml:19:46: default/dev.properties.c.visitors.configData.scale: 0 would make",
        "bad.yaml:22:18: default/dev: metadata.name: a device of this name stands at",
        "bad.yaml:24:26: default/dev: spec.deviceModelRef.name: model default/nowhere is in none",
        "bad.yaml:26:14: default/dev: spec.propertys: unknown key: did you mean properties?",
        "bad.yaml:27:23: default/dev: spec.properties[0].name: is not a text",
        "bad.yaml:29:7: kind: \"Pod\" is none of Device, DeviceModel, List"}) {
    EXPECT_THAT(out, HasSubstr(line));
  }
  // 27:23 twice: a name that is no text is a name that is missing, too.
  EXPECT_THAT(out, HasSubstr("14 mistakes in 1 file\n"));
}

TEST_F(Tools, LintFindsSettingsOfTheModelInTheModel) {
  protocol.check = [](const Target& target) {
    return std::vector<Status>{
        Status(Code::invalid, target.protocol.path() + ".port: 0 is below 1"),
        Status(Code::invalid, target.points[0].visitor.path() + ".offset: -1 is below 0"),
        Status(Code::invalid, target.points[1].visitor.path() + ".offset: missing"),
        Status(Code::invalid, "something else")};
  };
  EXPECT_EQ(lint(R"(kind: DeviceModel
metadata: {name: m}
spec:
  protocolConfigData: {port: 0}
  properties:
  - {name: a.b, type: INT, visitors: {configData: {offset: -1}}}
  - {name: a, type: INT}
---
kind: Device
metadata: {name: one}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties: [{name: a.b}, {name: a, visitors: {configData: {x: 1}}}]
---
kind: Device
metadata: {name: two}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: fake}
  properties: [{name: a.b}, {name: a, visitors: {configData: {x: 1}}}]
)"),
            1);
  EXPECT_THAT(out, HasSubstr("bad.yaml:4:30: default/m: spec.protocolConfigData.port: 0 is below"));
  EXPECT_THAT(out, HasSubstr("bad.yaml:6:60: default/m: spec.properties[0].visitors.configData."
                             "offset: -1 is below 0"));
  EXPECT_THAT(out, HasSubstr("bad.yaml:14:62: default/one.properties.a.visitors.configData.offset: "
                             "missing"));
  EXPECT_THAT(out, HasSubstr("bad.yaml:10:18: something else"));
  // Two of the model, and two of each device.
  EXPECT_THAT(out, HasSubstr("6 mistakes in 1 file"));
}

TEST_F(Tools, LintGoesOnAfterAFileThatIsNoYaml) {
  const std::string broken = put("broken.yaml", "kind: [");
  const std::string empty = put("empty.yaml", "");
  EXPECT_EQ(run_with({"lint", broken, empty, file("absent.yaml"), file("plant.yaml"),
                      put("list.yaml", "kind: List\nitems:\n- {kind: Device}\n")}),
            1);
  EXPECT_THAT(out, HasSubstr("broken.yaml:1:1: "));
  EXPECT_THAT(out, HasSubstr("empty.yaml:1:1: nothing in it"));
  EXPECT_THAT(out, HasSubstr("absent.yaml:1:1: cannot open"));
  EXPECT_THAT(out, HasSubstr("list.yaml:3:3: object: metadata.name: missing"));
  EXPECT_THAT(out, HasSubstr("mistakes in 4 files"));
}

TEST_F(Tools, LintAsksAProtocolWithoutCheckByOpening) {
  protocol.open_async = [](const Target& target, Sink,
                           base::IoLoop&) -> base::Result<std::unique_ptr<AsyncDriver>> {
    return Status(Code::invalid, target.protocol.path() + ".folder: missing");
  };
  EXPECT_EQ(run_with({"lint", file("plant.yaml")}), 1);
  EXPECT_THAT(out, HasSubstr("default/boiler.protocol.configData.folder: missing"));
  protocol.open_async = [](const Target&, Sink,
                           base::IoLoop&) -> base::Result<std::unique_ptr<AsyncDriver>> {
    return Status(Code::unavailable, "nobody is there");
  };
  EXPECT_EQ(run_with({"lint", file("plant.yaml")}), 0) << out;
}

TEST_F(Tools, HelpListsTheVerbsAndEveryVerbHasItsOwn) {
  protocol.tools.push_back({"dance", "moves the device about", [](int argc, char** argv) {
                              EXPECT_EQ(argc, 2);
                              EXPECT_STREQ(argv[0], "fake-mapper dance");
                              EXPECT_STREQ(argv[1], "--slow");
                              return 7;
                            }});
  EXPECT_EQ(run_with({"--help"}), 0);
  for (const char* word : {"read ", "write ", "lint ", "dance   moves the device about"}) {
    EXPECT_THAT(out, HasSubstr(word));
  }
  EXPECT_EQ(run_with({"dance", "--slow"}), 7);
  EXPECT_EQ(run_with({"danse"}), 2);
  for (const char* verb : {"read", "write", "lint"}) {
    EXPECT_EQ(run_with({verb, "--help"}), 0);
    EXPECT_THAT(out, HasSubstr("Exit status"));
  }
}

TEST_F(Tools, AStrangersMapperHasThemForFree) {
  const std::string mapper = std::string(PROJECT_BINARY) + "/examples/textfile-mapper";
  const std::string example = std::string(PROJECT_SOURCE) + "/examples/smallest/";
  std::ifstream in(example + "device.yaml");
  std::string yaml(std::istreambuf_iterator<char>(in), {});
  const std::string old = "/tmp/thermostat";
  yaml.replace(yaml.find(old), old.size(), folder.path().string());
  const std::string device_file = put("device.yaml", yaml);
  put("temperature", "21500\n");
  put("setpoint", "18\n");
  put("mode", "heat\n");

  const auto read = test_support::run({mapper, "read", example + "model.yaml", device_file});
  EXPECT_EQ(read.exit, 0) << read.output;
  EXPECT_THAT(read.output, HasSubstr("21.5"));
  const auto linted = test_support::run({mapper, "lint", example + "model.yaml", device_file});
  EXPECT_EQ(linted.exit, 0) << linted.output;
  const auto written =
      test_support::run({mapper, "write", example + "model.yaml", device_file, "setpoint=20"});
  EXPECT_EQ(written.exit, 0) << written.output;
  EXPECT_THAT(written.output, HasSubstr("setpoint  applied: it holds 20 °C"));
}

}  // namespace
}  // namespace mapper

// plan, probe and scan as programs, and the pure parts behind them.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.hpp"
#include "dmi/json.hpp"
#include "modbus/points.hpp"
#include "plant/plant.hpp"
#include "sim/memory.hpp"
#include "sim/server.hpp"
#include "support/plane.hpp"
#include "tools/guess.hpp"
#include "tools/sunspec.hpp"
#include "tools/sunspec_yaml.hpp"
#include "tools/units.hpp"
#include "tools/url.hpp"

namespace modbus_test {
namespace {

using base::cat;
using modbus_tools::parse_units;
using modbus_tools::parse_url;
using test_support::Process;
using test_support::TempFolder;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string mapper() { return test_support::built("mappers/modbus/modbus-mapper"); }
const std::string definitions = std::string(TEST_DATA) + "/modbus/sunspec";

TEST(Url, IsWhatEndpointsAreShownAs) {
  for (const char* url : {"tcp://10.0.0.5:502", "rtu+tcp://plc:4001", "udp://10.0.0.5:502",
                          "rtu+udp://h:1", "tls://h:802", "listen://0.0.0.0:1502",
                          "tcp://[::1]:502", "serial:///dev/ttyUSB0?19200-8E1"}) {
    const auto endpoint = parse_url(url);
    ASSERT_TRUE(endpoint.ok()) << url << endpoint.status().text();
    EXPECT_EQ(endpoint->to_string(), url);
  }
}

TEST(Url, MayBeAsShortAsPeopleTypeIt) {
  EXPECT_EQ(parse_url("10.0.0.5")->to_string(), "tcp://10.0.0.5:502");
  EXPECT_EQ(parse_url("plc:1502")->to_string(), "tcp://plc:1502");
  EXPECT_EQ(parse_url("tls://plc")->to_string(), "tls://plc:802");
  EXPECT_EQ(parse_url("/dev/ttyUSB0")->to_string(), "serial:///dev/ttyUSB0?9600-8N1");
}

TEST(Url, NonsenseIsNamed) {
  for (const char* url :
       {"", "ftp://h", "h:0", "h:70000", "h:x", "::1", "[::1", "[::1]x", "tcp://", "a b",
        "serial://tty", "/dev/tty?9600", "/dev/tty?9600-9N1", "/dev/tty?9600-8X1", "/dev/tty?1-8N1",
        "rtu+serial:///dev/tty", "/", "h@i"}) {
    EXPECT_FALSE(parse_url(url).ok()) << url;
  }
  EXPECT_FALSE(parse_url(std::string(300, 'a')).ok());
  EXPECT_THAT(parse_url("h:70000").status().text(), HasSubstr("\"70000\" is not a port"));
}

TEST(Units, AreListsAndRanges) {
  EXPECT_THAT(*parse_units("7"), ::testing::ElementsAre(7));
  EXPECT_THAT(*parse_units("9,1..3,2"), ::testing::ElementsAre(9, 1, 2, 3));
  EXPECT_EQ(parse_units("0..255")->size(), 256u);
  for (const char* text : {"", "x", "1..", "5..1", "256", "-1", "1,,2", "1..300"}) {
    EXPECT_FALSE(parse_units(text).ok()) << text;
  }
  EXPECT_EQ(modbus_tools::shown({1, 2, 3, 7, 9, 10}), "1..3, 7, 9, 10");
}

TEST(Guess, FindsTypeAndOrderOfAKnownValue) {
  // 21.5F is 0x41AC0000; the low word stands first.
  const std::vector<std::uint16_t> words = {0x0000, 0x41AC};
  modbus_tools::Plausible plausible;
  plausible.low = 20;
  plausible.high = 30;
  std::vector<std::string> visitors;
  for (const auto& guess : guesses(modbus::Table::input, 100, words, plausible)) {
    if (guess.plausible) visitors.push_back(guess.visitor);
  }
  EXPECT_THAT(visitors, ::testing::ElementsAre("{register: InputRegister, offset: 100, dataType: "
                                               "float32, isRegisterSwap: true}"));
}

TEST(Guess, TriesWholeNumbersAsTenthsAndHundredths) {
  const std::vector<std::uint16_t> words = {215};
  modbus_tools::Plausible plausible;
  plausible.expected = {21.5};
  std::vector<std::string> visitors;
  for (const auto& guess : guesses(modbus::Table::holding, 5, words, plausible)) {
    if (guess.plausible) visitors.push_back(guess.visitor);
  }
  EXPECT_THAT(visitors, ::testing::Contains("{register: HoldingRegister, offset: 5, dataType: "
                                            "uint16, scale: 0.1}"));
}

TEST(SunspecName, IsWhatKubernetesAllows) {
  using modbus_tools::sunspec::kubernetes_name;
  EXPECT_EQ(kubernetes_name("Fronius-Symo 10.0-3-M"), "fronius-symo-10.0-3-m");
  EXPECT_EQ(kubernetes_name("--Ä??"), "");
  EXPECT_EQ(kubernetes_name(std::string(100, 'x')).size(), 63u);
}

// Registers of a SunSpec device, and programs that ask it.
class Tool : public ::testing::Test {
 protected:
  ~Tool() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void put(std::initializer_list<int> words) {
    for (const int word : words) image_.push_back(static_cast<std::uint16_t>(word));
  }
  void put_text(std::string text, std::size_t registers) {
    text.resize(registers * 2, '\0');
    for (std::size_t i = 0; i < text.size(); i += 2) {
      put({static_cast<std::uint8_t>(text[i]) << 8 | static_cast<std::uint8_t>(text[i + 1])});
    }
  }
  void put_common() {
    put({1, 50});
    put_text("Sunny", 16);
    put_text("Box 3", 16);
    put_text("A-7", 16);
    put({7, 0});
  }
  void put_inverter() {
    put({103, 14, 423, -1, -1234, 1, 0, 1000, 0x4248, 0, 4, 0, 5, 300, -0x8000, 0});
  }

  // Serves image at base as unit 1, and a gateway's refusal for all other units.
  void serve(std::uint16_t base = 40000) {
    memory_.holding.assign(base, 0);
    memory_.holding.insert(memory_.holding.end(), image_.begin(), image_.end());
    auto server = modbus_sim::Server::listen(
        loop_, "127.0.0.1", 0, [this](const modbus::Adu& request, modbus_sim::Reply& reply) {
          reply.frame(request.transaction, request.unit,
                      request.unit == 1
                          ? modbus_sim::answer(memory_, request.pdu)
                          : modbus_sim::exception(request.pdu[0], modbus::gateway_no_answer));
        });
    ASSERT_TRUE(server.ok()) << server.status().text();
    url_ = cat("127.0.0.1:", int{(*server)->port()});
    thread_ = std::thread([this, kept = std::move(*server)]() mutable {
      loop_.run();
      kept.reset();
    });
  }

  test_support::Outcome tool(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), mapper());
    return test_support::run(std::move(arguments));
  }
  // stdout alone goes into a file: what scan prints there is YAML.
  test_support::Outcome scan_to(const std::string& file, const std::string& flags = "") {
    return tool_sh(
        cat(mapper(), " scan ", url_, " --models ", definitions, " ", flags, " >", file));
  }
  test_support::Outcome tool_sh(const std::string& command) {
    return test_support::run({"/bin/sh", "-c", command});
  }
  std::string content(const std::string& file) {
    std::ifstream in(file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  TempFolder folder_;
  base::IoLoop loop_;
  modbus_sim::Memory memory_;
  std::vector<std::uint16_t> image_;
  std::string url_;
  std::thread thread_;
};

TEST_F(Tool, ProbeFindsUnitsAndCountsExceptionsAsAnswers) {
  put({1});
  serve(0);
  const auto found = tool({"probe", url_, "--units", "1..5", "--timeout", "500"});
  EXPECT_EQ(found.exit, 0) << found.output;
  EXPECT_THAT(found.output, HasSubstr("5 units, holding 0, 500 ms each: at most"));
  EXPECT_THAT(found.output, HasSubstr("1 of 5 units answer: 1\n"));
  const auto refusing = tool({"probe", url_, "--units", "1,9", "--offset", "30", "--count", "1"});
  EXPECT_THAT(refusing.output, HasSubstr("unit 1 answers"));
  EXPECT_THAT(refusing.output, HasSubstr("illegal data address"));
  const auto none = tool({"probe", url_, "--units", "8,9"});
  EXPECT_EQ(none.exit, 1);
  EXPECT_THAT(none.output, HasSubstr("0 of 2 units answer"));
}

TEST_F(Tool, ProbeShowsWhatRegistersMayMean) {
  put({0, 0, 0x0000, 0x41AC, 0, 0});
  serve(0);
  const auto found = tool(
      {"probe", url_, "--units", "1", "--offset", "2", "--count", "2", "--plausible", "20..30"});
  EXPECT_EQ(found.exit, 0) << found.output;
  EXPECT_THAT(found.output, HasSubstr("unit 1, holding 2..3: 0000 41AC"));
  EXPECT_THAT(found.output,
              HasSubstr("plausible as configData:\n  {register: HoldingRegister, offset: 2, "
                        "dataType: float32, isRegisterSwap: true}"));
  const auto nothing =
      tool({"probe", url_, "--units", "1", "--offset", "2", "--count", "2", "--expect", "77777.5"});
  EXPECT_EQ(nothing.exit, 1) << nothing.output;
  EXPECT_THAT(nothing.output, HasSubstr("nothing plausible"));
}

TEST_F(Tool, ProbeFindsTheSpeedOfASerialLine) {
  modbus::Endpoint line;
  line.transport = modbus::Transport::serial;
  line.framing = modbus::Framing::rtu;
  line.serial.port = folder_ / "tty";
  line.serial.baud = 0;  // a pty has no speed: the first that is tried is right
  auto server = modbus_sim::Server::open(
      loop_, line, [](const modbus::Adu& request, modbus_sim::Reply& reply) {
        if (request.unit != 3) return;
        reply.frame(request.transaction, 3, modbus_sim::exception(3, 2));
      });
  ASSERT_TRUE(server.ok()) << server.status().text();
  thread_ = std::thread([this, kept = std::move(*server)]() mutable {
    loop_.run();
    kept.reset();
  });
  const auto found = tool({"probe", line.serial.port, "--units", "2,3", "--timeout", "200"});
  EXPECT_EQ(found.exit, 0) << found.output;
  EXPECT_THAT(found.output, HasSubstr("9600 8N1: unit 3 answers"));
  EXPECT_THAT(found.output, HasSubstr("1 of 2 units answer: 3"));
}

TEST_F(Tool, ProbeWaitsForADeviceThatDialsIn) {
  const std::uint16_t port = test_support::free_port();
  Process probe({mapper(), "probe", cat("listen://127.0.0.1:", int{port}), "--units", "1"});
  ASSERT_TRUE(probe.wait_for_output("waiting at most")) << probe.output();
  modbus::Endpoint there;
  there.transport = modbus::Transport::listen;
  there.host = "127.0.0.1";
  there.port = port;
  auto server = modbus_sim::Server::open(
      loop_, there, [](const modbus::Adu& request, modbus_sim::Reply& reply) {
        reply.frame(request.transaction, request.unit, modbus_sim::exception(3, 2));
      });
  ASSERT_TRUE(server.ok()) << server.status().text();
  thread_ = std::thread([this, kept = std::move(*server)]() mutable {
    loop_.run();
    kept.reset();
  });
  EXPECT_EQ(probe.wait(), 0) << probe.output();
  EXPECT_THAT(probe.output(), HasSubstr("1 of 1 unit answer: 1"));
}

TEST_F(Tool, ProbeSaysWhyThereIsNoConnection) {
  const auto refused =
      tool({"probe", cat("127.0.0.1:", int{test_support::free_port()}), "--units", "1"});
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.output, HasSubstr("Connection refused"));
}

TEST_F(Tool, WrongUseEndsWithTwo) {
  EXPECT_EQ(tool({"probe"}).exit, 2);
  EXPECT_EQ(tool({"probe", "ftp://x"}).exit, 2);
  EXPECT_EQ(tool({"probe", "h", "--units", "1..999"}).exit, 2);
  EXPECT_EQ(tool({"probe", "h", "--expect", "3"}).exit, 2);
  EXPECT_EQ(tool({"probe", "h", "--offset", "65535", "--count", "2"}).exit, 2);
  EXPECT_EQ(tool({"probe", "h", "--offset", "1", "--plausible", "30..20"}).exit, 2);
  EXPECT_EQ(tool({"scan", "h"}).exit, 2);
  EXPECT_EQ(tool({"scan", "h", "--models", "/no/such/folder"}).exit, 2);
  EXPECT_EQ(tool({"scan", "h", "--models", definitions, "--name", "Not A Name"}).exit, 2);
  EXPECT_EQ(tool({"plan"}).exit, 2);
  EXPECT_EQ(tool({"plan", "/no/such/file.yaml"}).exit, 2);
  for (const char* verb : {"plan", "probe", "scan"}) {
    const auto help = tool({verb, "--help"});
    EXPECT_EQ(help.exit, 0);
    EXPECT_THAT(help.output, HasSubstr("Exit status"));
    EXPECT_THAT(tool({"--help"}).output, HasSubstr(cat("  ", verb)));
  }
}

TEST_F(Tool, InterruptEndsALongProbeWithWhatItFound) {
  auto server = modbus_sim::Server::listen(
      loop_, "127.0.0.1", 0, [](const modbus::Adu& request, modbus_sim::Reply& reply) {
        if (request.unit != 1) return;  // silence
        reply.frame(request.transaction, 1, modbus_sim::exception(3, 2));
      });
  ASSERT_TRUE(server.ok());
  const std::string url = cat("127.0.0.1:", int{(*server)->port()});
  thread_ = std::thread([this, kept = std::move(*server)]() mutable {
    loop_.run();
    kept.reset();
  });
  Process probe({mapper(), "probe", url, "--timeout", "20000"});
  ASSERT_TRUE(probe.wait_for_output("unit 1 answers")) << probe.output();
  probe.signal(SIGINT);
  EXPECT_EQ(probe.wait(), 0) << probe.output();
  EXPECT_THAT(probe.output(), HasSubstr("1 of 1 unit answer: 1"));
}

TEST_F(Tool, ScanPrintsObjectsThatLintAcceptsAndReadReads) {
  put_text("SunS", 2);
  put_common();
  put_inverter();
  put({160, 10, -1, 0, 0, 2});
  put_text("PV1", 2);
  put({15});
  put_text("PV2", 2);
  put({-1});
  put({64001, 2, 0, 0});
  put({0xffff, 0});
  serve();
  const std::string file = folder_ / "scan.yaml";
  const auto scan = scan_to(file);
  ASSERT_EQ(scan.exit, 0) << scan.output;
  EXPECT_THAT(scan.output, HasSubstr("unit 1: SunSpec at 40000"));
  EXPECT_THAT(scan.output, HasSubstr("model 64001 is left out"));
  const std::string yaml = content(file);
  EXPECT_THAT(yaml, HasSubstr("name: \"sunny-box-3-a-7\""));
  EXPECT_THAT(yaml, HasSubstr("\"inverter-Evt1\""));  // two models have one
  EXPECT_THAT(yaml, HasSubstr("\"mppt-Evt1\""));
  EXPECT_THAT(yaml, HasSubstr("offset: 40056, dataType: uint16, scaleOffset: 40057, notAvailable: "
                              "\"0xFFFF\", pin: model-103-40054"));
  EXPECT_THAT(yaml, Not(HasSubstr("A_SF")));

  const auto lint = tool({"lint", file});
  EXPECT_EQ(lint.exit, 0) << lint.output << yaml;
  const auto read = tool({"read", file, "--json"});
  EXPECT_EQ(read.exit, 1) << read.output;  // what is not available is not ok
  std::map<std::string, dmi::Json> seen;
  for (const auto line : base::split(read.output, '\n')) {
    if (const auto json = dmi::parse_json(line)) seen[(*json)["property"]] = *json;
  }
  EXPECT_EQ(seen["Mn"]["value"], "Sunny");
  EXPECT_EQ(seen["A"]["value"], 42.3);
  EXPECT_EQ(seen["A"]["unit"], "A");
  EXPECT_EQ(seen["W"]["value"], -12340);
  EXPECT_EQ(seen["WH"]["value"], 10000);
  EXPECT_EQ(seen["Hz"]["value"], 50);
  EXPECT_EQ(seen["St"]["value"], "MPPT");
  EXPECT_EQ(seen["module-1-DCA"]["value"], 1.5);
  EXPECT_EQ(seen["module-2-IDStr"]["value"], "PV2");
  EXPECT_FALSE(seen["Tmp"].contains("value"));
  EXPECT_EQ(seen["module-2-DCA"]["status"], "out_of_range");

  const auto written = tool({"write", file, "WMax=5000"});
  EXPECT_EQ(written.exit, 0) << written.output;
  EXPECT_THAT(written.output, HasSubstr("WMax  applied: it holds 5000 W"));
}

TEST_F(Tool, ScanLooksAtAllThreeBasesAndNamesAsTold) {
  put_text("SunS", 2);
  put_common();
  put({0xffff, 0});
  serve(0);
  const std::string file = folder_ / "scan.yaml";
  const auto scan = scan_to(file, "--units 1,4 --name roof --namespace plant");
  ASSERT_EQ(scan.exit, 0) << scan.output;
  EXPECT_THAT(scan.output, HasSubstr("unit 4: no SunSpec device"));
  EXPECT_THAT(content(file), HasSubstr("name: \"roof-1\"\n  namespace: \"plant\""));
}

TEST_F(Tool, ScanFollowsABrokenChainToWhereItBreaks) {
  put_text("SunS", 2);
  put_common();
  put({103, 65535});
  serve();
  const std::string file = folder_ / "scan.yaml";
  const auto scan = scan_to(file);
  EXPECT_EQ(scan.exit, 0) << scan.output;
  EXPECT_THAT(scan.output, HasSubstr("model 103 of 65535 registers ends beyond 65535"));
  EXPECT_THAT(content(file), HasSubstr("\"Mn\""));
}

TEST_F(Tool, ScanWithoutSunspecEndsWithOne) {
  put({1, 2, 3});
  serve(0);
  const auto scan = scan_to(folder_ / "scan.yaml");
  EXPECT_EQ(scan.exit, 1);
  EXPECT_THAT(scan.output, HasSubstr("no SunSpec device"));
  EXPECT_EQ(content(folder_ / "scan.yaml"), "");
}

TEST_F(Tool, PlanTellsRequestsBytesAndTime) {
  const auto plan =
      tool({"plan", std::string(PROJECT_SOURCE) + "/examples/plant/plant.yaml", "--points"});
  EXPECT_EQ(plan.exit, 0) << plan.output;
  for (const char* text : {"default/boiler at tcp://", "every 1000 ms", "input 0..5", "setpoint",
                           "the line is busy", "3 devices"}) {
    EXPECT_THAT(plan.output, HasSubstr(text));
  }
  const auto one = tool(
      {"plan", std::string(PROJECT_SOURCE) + "/examples/plant/plant.yaml", "--device", "meter"});
  EXPECT_THAT(one.output, Not(HasSubstr("boiler")));
}

// Definitions that make no sense are refused with a text; none may crash.
class SunspecDefinition : public ::testing::Test {
 protected:
  base::Status status_of(const std::string& json) {
    modbus_tools::sunspec::Found found{9, 40002, 6, {9, 6, 3, 1, 2, 3, 4, 5}};
    const auto points = modbus_tools::sunspec::points_of(
        dmi::parse_json(json).value(), found, [this](const std::string& text) { told_ += text; });
    if (points) count_ = points->size();
    return points.status();
  }
  static std::string group(const std::string& rest) {
    return R"({"id":9,"group":{"name":"m","points":[{"name":"ID","type":"uint16"},
        {"name":"L","type":"uint16"},{"name":"N","type":"uint16"}])" +
           rest + "}}";
  }

  std::string told_;
  std::size_t count_ = 0;
};

TEST_F(SunspecDefinition, WithoutItsPartsIsRefused) {
  for (const char* json :
       {"[]", "{}", R"({"id":9})", R"({"id":8,"group":{}})", R"({"id":9,"group":[]})",
        R"({"id":9,"group":{"points":{}}})", R"({"id":9,"group":{"points":[3]}})",
        R"({"id":9,"group":{"points":[{"type":"int16"}]}})",
        R"({"id":9,"group":{"points":[{"name":"a"}]}})",
        R"({"id":9,"group":{"points":[{"name":"a","type":"string"}]}})",
        R"({"id":9,"group":{"points":[{"name":"a","type":"int16","size":-1}]}})",
        R"({"id":9,"group":{"points":[{"name":"a","type":"int32","size":1}]}})",
        R"({"id":9,"group":{"points":[{"name":"a","type":"int16","size":1e99}]}})",
        R"({"id":9,"group":{"groups":{}}})", R"({"id":9,"group":{"groups":[1]}})"}) {
    EXPECT_EQ(status_of(json).code(), base::Code::invalid) << json;
  }
}

TEST_F(SunspecDefinition, ThatRepeatsNothingForEverIsRefused) {
  EXPECT_THAT(status_of(group(R"(,"groups":[{"name":"g","count":0,"points":[]}])")).text(),
              HasSubstr("a repeated group without registers"));
  EXPECT_FALSE(status_of(group(R"(,"groups":[{"name":"g","count":65535}])")).ok());
  EXPECT_FALSE(status_of(group(R"(,"groups":[{"name":"g","count":"Q"}])")).ok());
  EXPECT_FALSE(status_of(group(R"(,"groups":[{"name":"g","count":-1}])")).ok());
  std::string deep;
  for (int i = 0; i < 20; ++i) deep = R"(,"groups":[{"name":"g")" + deep + "}]";
  EXPECT_THAT(status_of(group(deep)).text(), HasSubstr("deeper than"));
}

TEST_F(SunspecDefinition, RepeatsAsOftenAsThereIsRoomOrAsAPointSays) {
  const std::string points = R"("points":[{"name":"v","type":"uint16"}])";
  EXPECT_TRUE(status_of(group(cat(R"(,"groups":[{"name":"g","count":0,)", points, "}]"))).ok());
  EXPECT_EQ(count_, 1 + 5u);
  EXPECT_TRUE(status_of(group(cat(R"(,"groups":[{"name":"g","count":"N",)", points, "}]"))).ok());
  EXPECT_EQ(count_, 1 + 3u);
  EXPECT_TRUE(status_of(group(cat(R"(,"groups":[{"name":"g","count":999,)", points, "}]"))).ok());
  EXPECT_EQ(count_, 1 + 5u);
  EXPECT_THAT(told_, HasSubstr("less than the definition"));
}

TEST_F(SunspecDefinition, LeavesOutWhatItDoesNotKnow) {
  EXPECT_TRUE(status_of(R"({"id":9,"group":{"points":[{"name":"ID","type":"uint16"},
      {"name":"L","type":"uint16"},{"name":"x","type":"quaternion","size":2},
      {"name":"y","type":"int16","sf":"gone"}]}})")
                  .ok());
  EXPECT_EQ(count_, 1u);
  EXPECT_THAT(told_, HasSubstr("type \"quaternion\" is not known"));
  EXPECT_THAT(told_, HasSubstr("scale factor gone"));
}

}  // namespace
}  // namespace modbus_test

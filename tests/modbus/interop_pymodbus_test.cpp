// Both ways against an implementation that is neither ours nor libmodbus: Debian's
// python3-pymodbus, in processes of its own, over the real wire.
#include <gmock/gmock.h>

#include <filesystem>

#include "modbus/rig.hpp"
#include "support/plane.hpp"

namespace modbus_test {
namespace {

using base::cat;
using dmi::Type;
using dmi::Value;
using test_support::Process;

// Debian's interpreter: its packages are invisible to another one that may stand before it in PATH.
constexpr const char* python = "/usr/bin/python3";

std::string script(std::string_view name) {
  return cat(PROJECT_SOURCE, "/tests/modbus/pymodbus/", name);
}

// The rest of the line that begins with what is said.
std::string after(const Process& process, std::string_view said) {
  const std::string output = process.output();
  const std::size_t at = output.find(said);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + said.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

class PymodbusClient : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(PymodbusClient, ReadsWritesAndIsRefusedByTheSimulator) {
  const auto [kind, url] = GetParam();
  const test_support::TempFolder folder;
  const bool serial = std::string_view(kind) == "serial";
  const std::string line = (folder / "plc").string();
  Process simulator({test_support::built("mappers/modbus/modbus-sim"), "--listen",
                     serial ? cat(url, line, "?115200-8N1") : cat(url, "127.0.0.1:0"), "--fault",
                     "exception code=6 address=120",
                     cat(PROJECT_SOURCE, "/tests/data/modbus/interop.yaml")});
  ASSERT_TRUE(simulator.wait_for_output("listening on ")) << simulator.output();
  ASSERT_TRUE(simulator.wait_for_output("\n"));
  const std::string said = after(simulator, "listening on ");
  const std::string where = serial ? line : said.substr(said.rfind(':') + 1);
  const auto client = test_support::run({python, script("client.py"), kind, where});
  EXPECT_EQ(client.output, "ok\n");
  EXPECT_EQ(client.exit, 0);
  EXPECT_EQ(simulator.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Wires, PymodbusClient,
                         ::testing::Values(std::pair("tcp", "tcp://"), std::pair("udp", "udp://"),
                                           std::pair("rtu-tcp", "rtu+tcp://"),
                                           std::pair("serial", "pty://")),
                         [](const auto& test) {
                           std::string name = test.param.first;
                           std::erase(name, '-');
                           return name;
                         });

class PymodbusServer : public Rig {
 protected:
  // Reads and writes unit 5 of server.py by settings.
  void converse(Json settings) {
    settings["slaveID"] = 5;
    const auto swapped =
        Json{{"register", "HoldingRegister"}, {"offset", 12}, {"isRegisterSwap", true}};
    const auto signed16 =
        Json{{"register", "HoldingRegister"}, {"offset", 20}, {"dataType", "int16"}};
    const auto unsigned32 = Json{{"register", "HoldingRegister"}, {"offset", 30}, {"limit", 2}};
    const auto target =
        target_of({point(Type::float32, at("HoldingRegister", 10), false, "float"),
                   point(Type::float32, swapped, false, "swapped"),
                   point(Type::integer, signed16, false, "signed"),
                   point(Type::integer, unsigned32, false, "unsigned"),
                   point(Type::float64, at("HoldingRegister", 40), false, "double"),
                   point(Type::integer, at("InputRegister", 150), false, "input"),
                   point(Type::boolean, at("DiscreteInputRegister", 9), false, "bit"),
                   point(Type::boolean, at("CoilRegister", 4), true, "coil"),
                   point(Type::float32, at("HoldingRegister", 50), true, "kept"),
                   point(Type::integer, at("HoldingRegister", 60), true, "word"),
                   point(Type::integer, at("HoldingRegister", 70), false, "missing")},
                  std::move(settings));
    auto driver = open(target);
    auto batch = batch_of(target);
    ASSERT_TRUE(read(*driver, batch).ok());
    const auto value = [&](std::size_t index) {
      return batch[index].sample && batch[index].sample->value ? *batch[index].sample->value
                                                               : Value("nothing");
    };
    EXPECT_EQ(value(0), Value(42.5));
    EXPECT_EQ(value(1), Value(42.5));
    EXPECT_EQ(value(2), Value(std::int64_t{-5}));
    EXPECT_EQ(value(3), Value(std::int64_t{3'000'000'000}));
    EXPECT_EQ(value(4), Value(-0.125));
    EXPECT_EQ(value(5), Value(std::int64_t{150}));
    EXPECT_EQ(value(6), Value(true));
    EXPECT_THAT(batch[10].sample->status.text(), ::testing::HasSubstr("exception 02"));

    std::vector<mapper::Command> commands = {{target.points[7], true, {}},
                                             {target.points[8], 61.25, {}},
                                             {target.points[9], std::int64_t{65535}, {}}};
    ASSERT_TRUE(write(*driver, commands).ok());
    for (const mapper::Command& command : commands) {
      EXPECT_TRUE(command.status->ok()) << command.status->text();
    }
    batch = batch_of(target);
    ASSERT_TRUE(read(*driver, batch).ok());
    EXPECT_EQ(value(7), Value(true));
    EXPECT_EQ(value(8), Value(61.25));
    EXPECT_EQ(value(9), Value(std::int64_t{65535}));
  }
  int start(const std::string& kind, const std::string& path = "") {
    std::vector<std::string> command{python, script("server.py"), kind};
    if (!path.empty()) command.push_back(path);
    server_process_ = std::make_unique<Process>(std::move(command));
    EXPECT_TRUE(server_process_->wait_for_output("\n")) << server_process_->output();
    return std::atoi(after(*server_process_, "listening on ").c_str());
  }

  std::unique_ptr<Process> server_process_;
};

TEST_F(PymodbusServer, IsReadAndWrittenOverUdp) {
  converse({{"transport", "udp"}, {"ip", "127.0.0.1"}, {"port", start("udp")}});
}

TEST_F(PymodbusServer, IsReadAndWrittenInRtuFramesOverTcp) {
  converse({{"framing", "rtu"}, {"ip", "127.0.0.1"}, {"port", start("rtu-tcp")}});
}

TEST_F(PymodbusServer, IsReadAndWrittenOverTcp) {
  converse({{"ip", "127.0.0.1"}, {"port", start("tcp")}});
}

TEST_F(PymodbusServer, IsReadAndWrittenOverASerialLine) {
  const test_support::TempFolder folder;
  const std::string ours = (folder / "ours").string();
  const std::string theirs = (folder / "theirs").string();
  Process socat(
      {"/usr/bin/socat", cat("pty,raw,echo=0,link=", ours), cat("pty,raw,echo=0,link=", theirs)});
  ASSERT_TRUE(run_until([&] {
    return std::filesystem::exists(ours) && std::filesystem::exists(theirs);
  })) << socat.output();
  start("serial", theirs);
  converse({{"serialPort", ours}, {"baudRate", 115200}});
}

}  // namespace
}  // namespace modbus_test

#include "recorded.hpp"

#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <random>

#include "base/text.hpp"

namespace {

namespace pb = google::protobuf;
using recorded::normalize;

TEST(Recorded, EveryMessageOfARealKubeEdgeSurvivesTheRoundTrip) {
  const auto files = recorded::files();
  ASSERT_EQ(files.size(), 42u);
  for (const auto& file : files) {
    SCOPED_TRACE(file.string());
    const auto message = recorded::blank(file);
    ASSERT_TRUE(message);
    ASSERT_TRUE(message->ParseFromString(*base::read_file(file)));
    auto again = recorded::round_trip(*message);
    ASSERT_TRUE(again);
    normalize(*message);
    normalize(*again);
    std::string differences;
    pb::util::MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&differences);
    EXPECT_TRUE(differencer.Compare(*message, *again)) << differences;
  }
}

dmi::Device recorded_device() {
  v1beta1::RegisterDeviceRequest request;
  EXPECT_TRUE(request.ParseFromString(
      *base::read_file(TEST_DATA "/dmi/dmi-live/004_RegisterDeviceRequest.bin")));
  return dmi::wire::from_proto(request.device());
}

TEST(Recorded, NumbersOfEdgeCoreReadAsTheirWritersMeantThem) {
  const dmi::Json config = recorded_device().protocol.config;
  EXPECT_EQ(config.dump(), dmi::Json::parse(R"({
      "bigInt": 9007199254740992, "emptyStr": "", "false": false, "float": 1.5, "floatTiny": 0.1,
      "floatWhole": 2, "int": 42, "int32max": 2147483648, "int32over": 2147483648,
      "modelDefault": "from-model", "negInt": -7, "str": "hello", "timeoutMs": 250,
      "true": true})")
                               .dump());
}

TEST(Recorded, PushMethodsCarryTheNamesOfTheCrd) {
  const dmi::Device device = recorded_device();
  const auto push = [&](std::string_view name) { return device.find(name)->push.dump(); };
  EXPECT_EQ(push("temperature"),
            R"({"mqtt":{"address":"tcp://127.0.0.1:21883","qos":1,"retained":true,)"
            R"("topic":"trace/temperature"}})");
  EXPECT_EQ(push("setpoint"),
            R"({"http":{"hostName":"http://127.0.0.1","port":28080,"requestPath":"/push",)"
            R"("timeout":5}})");
  EXPECT_EQ(push("label"),
            R"({"dbMethod":{"influxdb2":{"influxdb2ClientConfig":{"bucket":"b","org":"o",)"
            R"("url":"http://127.0.0.1:28086"},"influxdb2DataConfig":{"fieldKey":"fk",)"
            R"("measurement":"m","tag":{"k":"v"}}}}})");
  EXPECT_EQ(push("enabled"),
            R"({"dbMethod":{"redis":{"redisClientConfig":{"addr":"127.0.0.1:26379","db":3,)"
            R"("minIdleConns":30,"poolsize":30}}}})");
  EXPECT_EQ(push("precise"),
            R"({"dbMethod":{"TDEngine":{"TDEngineClientConfig":{"addr":"127.0.0.1:26041",)"
            R"("dbName":"td"}}}})");
  EXPECT_EQ(push("blob"), R"({"dbMethod":{"mysql":{"mysqlClientConfig":{"addr":"127.0.0.1:23306",)"
                          R"("database":"d","userName":"u"}}}})");
  EXPECT_EQ(push("stream1"), R"({"otel":{"endpointURL":"http://127.0.0.1:24318/v1/metrics"}})");
  EXPECT_EQ(push("nopush"),
            R"({"anomalyDetection":{"serverAddr":"http://127.0.0.1:29999","threshold":0.9,)"
            R"("window":5}})");
}

TEST(Recorded, DeviceCarriesCyclesMethodsDesiredAndStateReport) {
  const dmi::Device device = recorded_device();
  EXPECT_EQ(device.id, (dmi::ObjectId{"default", "trace-dev"}));
  EXPECT_EQ(device.model, "trace-model");
  EXPECT_EQ(device.state_report, (dmi::StateReport{true, 7000}));
  ASSERT_EQ(device.methods.size(), 2u);
  EXPECT_EQ(device.methods[0],
            (dmi::DeviceMethod{"setValue", "set several", {"setpoint", "label", "enabled"}}));
  const dmi::DeviceProperty& temperature = *device.find("temperature");
  EXPECT_EQ(temperature.collect_cycle_ms, 1000);
  EXPECT_EQ(temperature.report_cycle_ms, 2000);
  EXPECT_TRUE(temperature.report_to_cloud);
  EXPECT_EQ(device.find("setpoint")->desired, (dmi::TwinValue{"100", {{"type", "int"}}}));
  EXPECT_EQ(device.find("blob")->desired, dmi::TwinValue());
}

std::string mutated(std::string bytes, std::mt19937& random) {
  const auto at = [&] { return bytes.empty() ? 0 : random() % bytes.size(); };
  for (unsigned change = 0; change <= random() % 4; ++change) {
    switch (random() % 5) {
      case 0:
        if (!bytes.empty()) bytes[at()] = static_cast<char>(random());
        break;
      case 1:
        if (!bytes.empty()) bytes[at()] ^= static_cast<char>(1u << (random() % 8));
        break;
      case 2:
        bytes.resize(at());
        break;
      case 3:
        bytes.insert(at(), 1, static_cast<char>(random()));
        break;
      default:
        if (!bytes.empty()) bytes.erase(at(), 1 + random() % 8);
    }
  }
  return bytes;
}

TEST(Recorded, MutatedBytesNeverCrashTheConversions) {
  const unsigned seed = 20261122;
  SCOPED_TRACE(seed);
  const pb::LogSilencer quiet;  // it reports every text that is not UTF-8
  std::mt19937 random(seed);
  int parsed = 0;
  for (const auto& file : recorded::files()) {
    const std::string bytes = *base::read_file(file);
    const int rounds = bytes.size() > 10'000 ? 300 : 2000;
    for (int round = 0; round < rounds; ++round) {
      const auto message = recorded::blank(file);
      if (!message->ParseFromString(mutated(bytes, random))) continue;
      ++parsed;
      const auto again = recorded::round_trip(*message);
      const auto peer = recorded::blank(file);
      ASSERT_TRUE(peer->ParseFromString(again->SerializeAsString()));
    }
  }
  EXPECT_GT(parsed, 5000);
}

}  // namespace

#include "modbus/endpoint.hpp"

#include <gmock/gmock.h>

namespace modbus {
namespace {

using base::Code;
using dmi::Config;
using dmi::Json;
using ::testing::HasSubstr;

Config config(Json json) { return Config(std::move(json), "boiler.protocol"); }

std::string text_of(const Json& json) {
  const auto endpoint = parse_endpoint(config(json));
  return endpoint ? endpoint->to_string() : endpoint.status().to_string();
}

TEST(Endpoint, IsTcpAtPort502IfNothingElseIsSaid) {
  EXPECT_EQ(text_of({{"ip", "plc1"}}), "tcp://plc1:502");
}

TEST(Endpoint, TransportAndFramingAreIndependent) {
  EXPECT_EQ(text_of({{"ip", "a"}, {"framing", "rtu"}, {"port", "4001"}}), "rtu+tcp://a:4001");
  EXPECT_EQ(text_of({{"ip", "a"}, {"transport", "udp"}}), "udp://a:502");
  EXPECT_EQ(text_of({{"ip", "a"}, {"transport", "udp"}, {"framing", "rtu"}}), "rtu+udp://a:502");
  EXPECT_EQ(text_of({{"ip", "a"}, {"transport", "tls"}}), "tls://a:802");
  EXPECT_EQ(text_of({{"transport", "listen"}, {"port", 1502}, {"peer", "10.0.0.9"}}),
            "listen://0.0.0.0:1502?peer=10.0.0.9");
  EXPECT_EQ(text_of({{"ip", "::1"}}), "tcp://[::1]:502");
}

TEST(Endpoint, ASerialPortMakesItSerialAsKubeEdgeMeansIt) {
  const auto endpoint = parse_endpoint(config({{"serialPort", "/dev/ttyUSB0"},
                                               {"baudRate", 19200},
                                               {"dataBits", 8},
                                               {"parity", "Even"},
                                               {"stopBits", 1},
                                               {"serialType", "RS485"}}));
  ASSERT_TRUE(endpoint.ok()) << endpoint.status().text();
  EXPECT_EQ(endpoint->transport, Transport::serial);
  EXPECT_EQ(endpoint->framing, Framing::rtu);
  EXPECT_EQ(endpoint->to_string(), "serial:///dev/ttyUSB0?19200-8E1");
  EXPECT_TRUE(endpoint->serial.rs485);
  EXPECT_EQ(endpoint->serial.bits_per_character(), 11);
}

TEST(Endpoint, ParityIsAWordOrALetterInAnyCase) {
  for (const char* word : {"odd", "ODD", "o", "O"}) {
    EXPECT_EQ(parse_endpoint(config({{"serialPort", "/dev/a"}, {"parity", word}}))->serial.parity,
              'O');
  }
  EXPECT_THAT(text_of({{"serialPort", "/dev/a"}, {"parity", "mark"}}),
              HasSubstr("boiler.protocol.parity: \"mark\" is none of none, even, odd"));
}

TEST(Endpoint, EveryMistakeIsInvalidAndNamesPathAndLimit) {
  const std::vector<std::pair<Json, std::string>> wrong = {
      {{{"port", 502}}, "boiler.protocol.ip: missing"},
      {{{"ip", ""}}, "1..253"},
      {{{"ip", "a"}, {"port", 70000}}, "65535"},
      {{{"ip", "a"}, {"transport", "carrier-pigeon"}}, "boiler.protocol.transport"},
      {{{"serialPort", "/dev/a"}, {"baudRate", 12345}}, "12345 is not a usual rate"},
      {{{"serialPort", "/dev/a"}, {"dataBits", 7}}, "boiler.protocol.dataBits"},
      {{{"serialPort", "/dev/a"}, {"stopBits", 3}}, "boiler.protocol.stopBits"},
      {{{"serialPort", "/dev/a"}, {"framing", "mbap"}}, "rtu only"},
      {{{"serialPort", "/dev/a"}, {"serialType", "RS422"}}, "RS232, RS485"},
      {{{"ip", "a"}, {"transport", "tls"}, {"certFile", "/c"}}, "boiler.protocol.keyFile"},
      {{{"ip", "a"}, {"transport", "tls"}, {"verifyServer", false}, {"caFile", "/c"}},
       "boiler.protocol.verifyServer"}};
  for (const auto& [json, part] : wrong) {
    const auto endpoint = parse_endpoint(config(json));
    ASSERT_FALSE(endpoint.ok()) << json.dump();
    EXPECT_EQ(endpoint.status().code(), Code::invalid);
    EXPECT_THAT(endpoint.status().text(), HasSubstr(part));
  }
}

TEST(Endpoint, AKeyThatMeansNothingOnThisTransportIsAnError) {
  EXPECT_THAT(text_of({{"ip", "a"}, {"baudRate", 9600}}),
              HasSubstr("boiler.protocol.baudRate: means nothing with transport tcp"));
  EXPECT_THAT(text_of({{"ip", "a"}, {"caFile", "/ca"}}), HasSubstr("caFile: means nothing"));
  EXPECT_THAT(text_of({{"ip", "a"}, {"serialPort", "/dev/a"}}),
              HasSubstr("ip: means nothing with transport serial"));
  EXPECT_THAT(text_of({{"ip", "a"}, {"peer", "b"}}), HasSubstr("peer: means nothing"));
}

TEST(Endpoint, KeysOfSettingsAreNotItsBusiness) {
  EXPECT_EQ(text_of({{"ip", "a"}, {"slaveID", 1}, {"timeout", 5}}), "tcp://a:502");
}

TEST(Endpoint, ABackupIsTheSameElsewhere) {
  const Config tcp = config({{"ip", "a"}, {"framing", "rtu"}, {"backupIp", "b"}});
  const auto backup = parse_backup(tcp, *parse_endpoint(tcp));
  ASSERT_TRUE(backup.ok() && *backup);
  EXPECT_EQ((*backup)->to_string(), "rtu+tcp://b:502");
  const Config serial = config({{"serialPort", "/dev/a"}, {"backupSerialPort", "/dev/b"}});
  EXPECT_EQ((*parse_backup(serial, *parse_endpoint(serial)))->serial.port, "/dev/b");
  const Config none = config({{"ip", "a"}});
  EXPECT_FALSE(parse_backup(none, *parse_endpoint(none))->has_value());
  const Config same = config({{"ip", "a"}, {"backupPort", 502}});
  EXPECT_THAT(parse_backup(same, *parse_endpoint(same)).status().text(),
              HasSubstr("as the primary"));
}

TEST(Endpoint, AllMistakesAreCollectedAtOnce) {
  EXPECT_EQ(check_endpoint(config({{"serialPort", "/dev/a"},
                                   {"baudRate", 1},
                                   {"parity", "x"},
                                   {"stopBits", 0},
                                   {"peer", "b"}}))
                .size(),
            4u);
  EXPECT_TRUE(check_endpoint(config({{"ip", "a"}})).empty());
}

}  // namespace
}  // namespace modbus

#include "modbus/settings.hpp"

#include <gmock/gmock.h>

namespace modbus {
namespace {

using dmi::Json;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

dmi::Config config(Json more) {
  Json object{{"ip", "10.0.0.5"}};
  if (!more.is_null()) object.update(more);
  return dmi::Config(object, "boiler.protocol.configData");
}

Settings settings(Json more) {
  const auto parsed = parse_settings(config(std::move(more)));
  EXPECT_TRUE(parsed.ok()) << parsed.status().text();
  return parsed ? *parsed : Settings();
}

std::string mistake(Json more) { return parse_settings(config(std::move(more))).status().text(); }

TEST(Settings, DefaultsAreThoseOfTheManual) {
  const Settings made = settings({});
  EXPECT_EQ(made.unit, 1);
  EXPECT_EQ(made.timeout, 1000ms);
  EXPECT_EQ(made.retries, 0);
  EXPECT_EQ(made.post_connect_delay, 0ms);
  EXPECT_EQ(made.inter_request_delay, 0ms);
  EXPECT_EQ(made.connections, 1);
  EXPECT_EQ(made.max_registers, 125);
  EXPECT_EQ(made.max_bits, 2000);
  EXPECT_EQ(made.max_gap, 125);
  EXPECT_TRUE(made.forbidden.empty());
  EXPECT_EQ(made.round_trip, 2ms);
}

TEST(Settings, EveryKeyIsRead) {
  const Settings made = settings({{"slaveID", 255},
                                  {"timeout", "500"},
                                  {"retries", 3},
                                  {"postConnectDelay", 100},
                                  {"interRequestDelay", 20},
                                  {"connections", 4},
                                  {"maxRegisters", 64},
                                  {"maxBits", 100},
                                  {"maxGap", 0},
                                  {"roundTrip", 0.25},
                                  {"forbidden", "holding 100..199, input 7,discrete inputs 1..2"}});
  EXPECT_EQ(made.unit, 255);
  EXPECT_EQ(made.timeout, 500ms);
  EXPECT_EQ(made.retries, 3);
  EXPECT_EQ(made.post_connect_delay, 100ms);
  EXPECT_EQ(made.inter_request_delay, 20ms);
  EXPECT_EQ(made.connections, 4);
  EXPECT_EQ(made.max_registers, 64);
  EXPECT_EQ(made.max_bits, 100);
  EXPECT_EQ(made.max_gap, 0);
  EXPECT_EQ(made.round_trip, 250us);
  EXPECT_THAT(made.forbidden,
              ElementsAre(Range{Table::holding, 100, 100}, Range{Table::input, 7, 1},
                          Range{Table::discrete_inputs, 1, 2}));
}

TEST(Settings, ForbiddenMayBeAList) {
  EXPECT_THAT(settings({{"forbidden", {"coils 0", "holding 65535"}}}).forbidden,
              ElementsAre(Range{Table::coils, 0, 1}, Range{Table::holding, 65535, 1}));
}

TEST(Settings, MistakesNameTheirPathAndLimit) {
  EXPECT_EQ(mistake({{"slaveID", 256}}), "boiler.protocol.configData.slaveID: 256 is above 255");
  EXPECT_THAT(mistake({{"timeout", 5}}), HasSubstr("timeout: 5 is below 10"));
  EXPECT_THAT(mistake({{"retries", 11}}), HasSubstr("retries: 11 is above 10"));
  EXPECT_THAT(mistake({{"connections", 0}}), HasSubstr("connections: 0 is below 1"));
  EXPECT_THAT(mistake({{"maxRegisters", 126}}), HasSubstr("maxRegisters: 126 is above 125"));
  EXPECT_THAT(mistake({{"maxBits", 2001}}), HasSubstr("maxBits: 2001 is above 2000"));
  EXPECT_THAT(mistake({{"roundTrip", -1}}), HasSubstr("roundTrip: -1 is not in 0..60000 ms"));
  EXPECT_THAT(mistake({{"slaveId", 1}}), HasSubstr("slaveId: unknown key"));
  EXPECT_THAT(mistake({{"forbidden", "holding 9..3"}}), HasSubstr("forbidden: \"holding 9..3\""));
  EXPECT_THAT(mistake({{"forbidden", "register 9"}}), HasSubstr("is not a table"));
  EXPECT_THAT(mistake({{"forbidden", "holding 70000"}}), HasSubstr("within 0..65535"));
  EXPECT_THAT(mistake({{"forbidden", {1, 2}}}), HasSubstr("a list of texts"));
}

TEST(Settings, AllMistakesAreFoundAtOnce) {
  EXPECT_EQ(
      check_settings(config({{"slaveId", 1}, {"timeout", 5}, {"forbidden", "x, coils 3"}})).size(),
      3u);
  EXPECT_TRUE(check_settings(config({})).empty());
}

TEST(Settings, ASlowSerialLineHasTheCostOfItsBytes) {
  Settings serial;
  serial.endpoint.transport = Transport::serial;
  serial.endpoint.framing = Framing::rtu;
  serial.endpoint.serial.parity = 'E';
  serial.round_trip = 0us;
  const Limits limits = limits_of(serial);
  // 11 bits at 9,600 baud; two silences of 3.5 characters, 8 bytes out, 5 and 2 per register back.
  EXPECT_NEAR(static_cast<double>(limits.cost.byte.count()), 1.1458e6, 100);
  EXPECT_NEAR(static_cast<double>(limits.cost.of({Table::holding, 0, 1}).count()), 25.2e6, 0.1e6);
  EXPECT_NEAR(static_cast<double>(limits.cost.of({Table::holding, 0, 125}).count()), 309e6, 1e6);
}

TEST(Settings, AboveNineteenThousandTwoHundredBaudTheSilenceIsFixed) {
  Settings serial;
  serial.endpoint.transport = Transport::serial;
  serial.endpoint.framing = Framing::rtu;
  serial.endpoint.serial.baud = 115'200;
  serial.endpoint.serial.parity = 'E';
  serial.round_trip = 0us;
  EXPECT_NEAR(static_cast<double>(limits_of(serial).cost.of({Table::holding, 0, 1}).count()), 4.9e6,
              0.1e6);
}

}  // namespace
}  // namespace modbus

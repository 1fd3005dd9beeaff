// Which devices share a bus, how long it lives, and who may not share a port.
#include "modbus/buses.hpp"

#include <gmock/gmock.h>

#include "modbus/fake_line.hpp"

namespace modbus_test {
namespace {

using modbus::Buses;
using modbus::Endpoint;
using modbus::Framing;
using modbus::Link;
using modbus::Settings;
using modbus::Transport;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class BusesTest : public ::testing::Test {
 protected:
  base::Result<std::shared_ptr<Link>> try_get(const Settings& settings) {
    return buses_.get(loop_, settings, [this](const Endpoint&, modbus::Line::Client& client) {
      ++lines_;
      return std::make_unique<FakeLine>(loop_, wire_, client);
    });
  }
  std::shared_ptr<Link> get(const Settings& settings) {
    auto link = try_get(settings);
    EXPECT_TRUE(link.ok()) << link.status().text();
    return link ? std::move(*link) : nullptr;
  }
  static Settings tcp(const std::string& host = "10.0.0.5", int unit = 1, int connections = 1) {
    Settings settings;
    settings.endpoint.host = host;
    settings.unit = static_cast<std::uint8_t>(unit);
    settings.connections = static_cast<std::uint8_t>(connections);
    return settings;
  }
  static Settings serial(int baud, const std::string& port = "/dev/ttyUSB0") {
    Settings settings;
    settings.endpoint.transport = Transport::serial;
    settings.endpoint.framing = Framing::rtu;
    settings.endpoint.serial.port = port;
    settings.endpoint.serial.baud = baud;
    return settings;
  }
  static Settings listening(Framing framing) {
    Settings settings;
    settings.endpoint.transport = Transport::listen;
    settings.endpoint.framing = framing;
    settings.endpoint.port = 1502;
    return settings;
  }
  void ask(const std::shared_ptr<Link>& link, int unit = 1) {
    Asker asker(loop_, *link, unit);
    asker.ask();
    loop_.advance(1s);
    EXPECT_EQ(asker.last(), "ok");
  }

  Wire wire_;
  base::ManualLoop loop_;
  int lines_ = 0;
  Buses buses_;
};

TEST_F(BusesTest, DevicesBehindOneEndpointShareOneConnection) {
  const auto one = get(tcp("10.0.0.5", 1));
  const auto two = get(tcp("10.0.0.5", 2));
  const auto other = get(tcp("10.0.0.6"));
  EXPECT_EQ(lines_, 2);
  ask(one, 1);
  ask(two, 2);
  EXPECT_EQ(one->counters().requests, 2u);
  EXPECT_EQ(other->counters().requests, 0u);
}

TEST_F(BusesTest, UnitsAreSpreadOverTheConnectionsOfTheirGateway) {
  std::vector<std::shared_ptr<Link>> links;
  for (int unit = 1; unit <= 9; ++unit) links.push_back(get(tcp("10.0.0.5", unit, 3)));
  EXPECT_EQ(lines_, 3);
}

TEST_F(BusesTest, SettingsOfALineMakeItAnother) {
  const auto plain = get(tcp());
  Settings backed = tcp();
  backed.backup = tcp("10.0.0.6").endpoint;
  const auto two = get(backed);
  EXPECT_EQ(lines_, 3);
  Settings rtu = tcp();
  rtu.endpoint.framing = Framing::rtu;
  const auto three = get(rtu);
  EXPECT_EQ(lines_, 4);
  Settings secure = tcp();
  secure.endpoint.transport = Transport::tls;
  const auto four = get(secure);
  secure.endpoint.tls.verify = false;
  const auto five = get(secure);
  EXPECT_EQ(lines_, 6);
}

TEST_F(BusesTest, SerialPortHasOneSettingAndTheTextNamesBoth) {
  auto one = get(serial(9600));
  const auto same = get(serial(9600));
  EXPECT_EQ(lines_, 1);
  const auto other = try_get(serial(19200));
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.status().text(), HasSubstr("/dev/ttyUSB0 is in use by other devices as "));
  EXPECT_EQ(other.status().code(), Code::unavailable);
  EXPECT_TRUE(try_get(serial(19200, "/dev/ttyUSB1")).ok());
}

TEST_F(BusesTest, PortIsFreeForOtherSettingsWhenItsLastDeviceHasLeft) {
  auto one = get(serial(9600));
  ask(one);
  one.reset();
  const auto other = get(serial(19200));
  EXPECT_GE(wire_.closes, 1);
  ask(other);
}

TEST_F(BusesTest, ListeningPortHasOneFraming) {
  const auto one = get(listening(Framing::mbap));
  EXPECT_FALSE(try_get(listening(Framing::rtu)).ok());
}

TEST_F(BusesTest, ConnectionEndsWithTheLastDevice) {
  auto one = get(tcp("10.0.0.5", 1));
  auto two = get(tcp("10.0.0.5", 2));
  ask(one, 1);
  one.reset();
  loop_.advance(1s);
  EXPECT_EQ(wire_.closes, 0);
  two.reset();
  loop_.advance(1s);
  EXPECT_EQ(wire_.closes, 1);
}

TEST_F(BusesTest, DeviceMayLeaveWhenItHearsItsAnswer) {
  auto link = get(tcp());
  Asker asker(loop_, *link, 1);
  asker.then = [&] { link.reset(); };
  asker.ask();
  loop_.advance(1s);
  EXPECT_EQ(asker.last(), "ok");
  EXPECT_EQ(wire_.closes, 1);
  link = get(tcp());
  ask(link);
}

TEST_F(BusesTest, DeviceMayLeaveWhenItHearsThatNothingConnects) {
  wire_.refusal = "refused";
  auto link = get(tcp());
  Asker asker(loop_, *link, 1);
  asker.then = [&] { link.reset(); };
  asker.ask();
  loop_.advance(100ms);
  EXPECT_EQ(asker.outcomes.size(), 1u);
  link = get(tcp());
  wire_.refusal.clear();
  loop_.advance(1s);
  ask(link);
}

TEST_F(BusesTest, DeadUnitStaysKnownWhileItsSessionWaits) {
  wire_.dead = {1};
  auto link = get(tcp());
  for (int i = 0; i < 2; ++i) {
    Asker asker(loop_, *link, 1);
    asker.ask();
    loop_.advance(1010ms);
  }
  link.reset();
  loop_.advance(100ms);
  link = get(tcp());
  Asker asker(loop_, *link, 1);
  asker.ask();
  loop_.settle();
  EXPECT_THAT(asker.last(), HasSubstr("unit 1 has not answered for"));
  EXPECT_EQ(lines_, 1);
}

TEST_F(BusesTest, ListeningGoesOnWhileItsSessionWaitsAndBusesEndAfterTheirPatience) {
  auto listener = get(listening(Framing::mbap));
  auto tcp_link = get(tcp());
  ask(listener);
  listener.reset();
  tcp_link.reset();
  loop_.advance(Buses::patience - 1s);
  EXPECT_EQ(wire_.closes, 1);
  listener = get(listening(Framing::mbap));
  tcp_link = get(tcp());
  EXPECT_EQ(lines_, 2);
  listener.reset();
  tcp_link.reset();
  loop_.advance(Buses::patience + 1s);
  listener = get(listening(Framing::mbap));
  tcp_link = get(tcp());
  EXPECT_EQ(lines_, 4);
}

TEST_F(BusesTest, PaceIsADevicesWhileItIsThere) {
  Settings slow = tcp();
  slow.inter_request_delay = 200ms;
  auto one = get(tcp("10.0.0.5", 1));
  auto two = get(slow);
  const auto gap = [&] {
    wire_.seen.clear();
    Asker a(loop_, *one, 1);
    Asker b(loop_, *one, 1);
    a.ask();
    b.ask();
    loop_.advance(1s);
    return wire_.seen.at(1).at - wire_.seen.at(0).at;
  };
  EXPECT_EQ(gap(), wire_.latency + 200ms);
  two.reset();
  EXPECT_EQ(gap(), wire_.latency);
}

TEST_F(BusesTest, DescribesEveryBusThatHasDevicesInALine) {
  auto one = get(tcp("10.0.0.5"));
  auto two = get(tcp("10.0.0.6"));
  ask(one);
  two.reset();
  EXPECT_EQ(buses_.describe(),
            "tcp://10.0.0.5:502: connected; 1 requests, 0 timeouts, 0 late, 0 foreign\n");
}

TEST_F(BusesTest, LinkMayOutliveTheRegistry) {
  auto buses = std::make_unique<Buses>();
  auto link = buses->get(loop_, tcp(), [this](const Endpoint&, modbus::Line::Client& client) {
    return std::make_unique<FakeLine>(loop_, wire_, client);
  });
  buses.reset();
  ask(*link);
}

}  // namespace
}  // namespace modbus_test

// How long a unit is waited for.
#include "modbus/unit.hpp"

#include <gtest/gtest.h>

namespace modbus_test {
namespace {

using modbus::Framing;
using modbus::Transport;
using namespace std::chrono_literals;

// Of a read of 125 registers, with a time-out of 100 ms.
std::chrono::milliseconds waited(Transport transport, Framing framing) {
  modbus::Settings settings;
  settings.timeout = 100ms;
  settings.endpoint.transport = transport;
  settings.endpoint.framing = framing;
  modbus::Transaction transaction;
  modbus::Unit(settings).prepare_read(transaction, {modbus::Table::holding, 0, 125});
  return transaction.timeout;
}

TEST(Unit, TimeoutIsTheDevicesOwnWhereTheLineIsFastOrCountsItsCharacters) {
  EXPECT_EQ(waited(Transport::tcp, Framing::mbap), 100ms);
  EXPECT_EQ(waited(Transport::udp, Framing::mbap), 100ms);
  EXPECT_EQ(waited(Transport::serial, Framing::rtu), 100ms);
}

// 8 bytes out and 255 back, of 11 bits at 19,200 baud each: 150.7 ms.
TEST(Unit, TheLineBehindAConverterGetsTheTimeOfItsBytes) {
  EXPECT_EQ(waited(Transport::tcp, Framing::rtu), 251ms);
  EXPECT_EQ(waited(Transport::udp, Framing::rtu), 251ms);
  EXPECT_EQ(waited(Transport::listen, Framing::rtu), 251ms);
}

}  // namespace
}  // namespace modbus_test

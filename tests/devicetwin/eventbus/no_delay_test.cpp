// What is published does not wait in our kernel for acknowledgements.
#include "no_delay.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "devicetwin/eventbus/broker_fixture.hpp"

namespace devicetwin {
namespace {

class NoDelayTest : public test::BusTest {
 protected:
  // Of this process' connections to the broker: all, and those that send at once.
  std::pair<int, int> connections() const {
    int all = 0;
    int at_once = 0;
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
      if (peer.sin_family != AF_INET || ntohs(peer.sin_port) != port_) continue;
      int on = 0;
      size = sizeof on;
      getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &size);
      ++all;
      at_once += on != 0;
    }
    return {all, at_once};
  }
};

TEST_F(NoDelayTest, TheBusSendsAtOnceAlsoAfterTheBrokerCameBack) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  EXPECT_EQ(connections(), std::pair(1, 1));
  broker_->kill();
  ASSERT_TRUE(connected(false));
  start_broker();
  ASSERT_TRUE(connected(true));
  EXPECT_EQ(connections(), std::pair(1, 1));
}

TEST(NoDelay, OtherPortsAreLeftAlone) { EXPECT_EQ(bus::send_at_once(1), 0); }

TEST(NoDelay, AUrlWithoutAPortHasItsSchemesUsualOne) {
  EXPECT_EQ(bus::port_of("tcp://127.0.0.1:2883"), 2883);
  EXPECT_EQ(bus::port_of("tcp://[::1]:2883"), 2883);
  EXPECT_EQ(bus::port_of("tcp://[::1]"), 1883);
  EXPECT_EQ(bus::port_of("mqtt://broker"), 1883);
  EXPECT_EQ(bus::port_of("ssl://broker"), 8883);
  EXPECT_EQ(bus::port_of("mqtts://broker"), 8883);
  EXPECT_EQ(bus::port_of("tls://broker:1"), 1);
  EXPECT_EQ(bus::port_of("tcp://broker:65536"), 1883);
  EXPECT_EQ(bus::port_of("broker"), 1883);
}

}  // namespace
}  // namespace devicetwin

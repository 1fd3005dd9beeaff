// Both ways against an implementation that is not ours: libmodbus.
#include <gmock/gmock.h>
#include <modbus/modbus.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "modbus/rig.hpp"
#include "plant/plant.hpp"

namespace modbus_test {
namespace {

using dmi::Type;
using dmi::Value;

// libmodbus' server on a thread of its own, for one client.
class LibmodbusServer {
 public:
  LibmodbusServer() {
    context_ = modbus_new_tcp("127.0.0.1", 0);
    listener_ = modbus_tcp_listen(context_, 1);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    mapping_ = modbus_mapping_new(100, 100, 200, 200);
    for (int i = 0; i < 200; ++i) mapping_->tab_input_registers[i] = static_cast<std::uint16_t>(i);
    // As words: modbus_set_float_abcd of Debian's 3.1.6 writes the bytes in reverse (its get is
    // right).
    mapping_->tab_registers[10] = 0x422a;  // 42.5F
    mapping_->tab_registers[11] = 0;
    mapping_->tab_input_bits[9] = 1;
    thread_ = std::thread([this] { serve(); });
  }
  // The client must have disconnected.
  ~LibmodbusServer() {
    thread_.join();
    modbus_mapping_free(mapping_);
    modbus_free(context_);
    ::close(listener_);
  }
  std::uint16_t port() const { return port_; }

 private:
  void serve() {
    modbus_tcp_accept(context_, &listener_);
    std::uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
      const int size = modbus_receive(context_, query);
      if (size < 0) break;
      if (size > 0) modbus_reply(context_, query, size, mapping_);
    }
    modbus_close(context_);
  }

  modbus_t* context_ = nullptr;
  modbus_mapping_t* mapping_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(Rig, LibmodbusServerIsReadAndWritten) {
  LibmodbusServer server;
  port_ = server.port();
  const auto target = target_of({point(Type::float32, at("HoldingRegister", 10), true),
                                 point(Type::integer, at("InputRegister", 150)),
                                 point(Type::boolean, at("DiscreteInputRegister", 9)),
                                 point(Type::boolean, at("CoilRegister", 4), true),
                                 point(Type::integer, at("HoldingRegister", 30), true),
                                 point(Type::integer, at("InputRegister", 500))},
                                protocol());
  auto driver = open(target);
  auto batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(*batch[0].sample->value, Value(42.5));
  EXPECT_EQ(*batch[1].sample->value, Value(std::int64_t{150}));
  EXPECT_EQ(*batch[2].sample->value, Value(true));
  EXPECT_EQ(batch[5].sample->status.text(),
            "unit 1 refused input 500: illegal data address (exception 02); quarantined, asked "
            "again after 1 min");

  std::vector<mapper::Command> commands = {{target.points[0], 61.25, {}},
                                           {target.points[3], true, {}},
                                           {target.points[4], std::int64_t{65535}, {}}};
  ASSERT_TRUE(write(*driver, commands).ok());
  for (const mapper::Command& command : commands) EXPECT_TRUE(command.status->ok());
  batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(*batch[0].sample->value, Value(61.25));
  EXPECT_EQ(*batch[3].sample->value, Value(true));
  EXPECT_EQ(*batch[4].sample->value, Value(std::int64_t{65535}));
  driver.reset();
  while (loop_.io().poll() > 0) {
  }
}

TEST_F(Rig, LibmodbusClientReadsAndWritesThePlant) {
  modbus_plant::Plant plant(4);
  misbehave_ = [&](const Adu& request, Reply& reply) {
    reply.frame(request.transaction, request.unit, plant.answer(request.unit, request.pdu));
    return true;
  };
  serve();
  std::atomic<bool> done = false;
  float level = 0;
  float setpoint = 0;
  std::uint8_t burner = 0;
  int missing = 0;
  std::thread client([&] {
    modbus_t* const link = modbus_new_tcp("127.0.0.1", server_->port());
    modbus_connect(link);
    modbus_set_slave(link, 1);
    std::uint16_t words[2];
    modbus_read_input_registers(link, 4, 2, words);
    level = modbus_get_float_abcd(words);
    words[0] = 0x428f;  // 71.5F
    words[1] = 0;
    modbus_write_registers(link, 0, 2, words);
    modbus_read_registers(link, 0, 2, words);
    setpoint = modbus_get_float_abcd(words);
    modbus_write_bit(link, 0, 0);
    modbus_read_bits(link, 0, 1, &burner);
    missing = modbus_read_registers(link, 4, 1, words) == -1 ? errno : 0;
    modbus_close(link);
    modbus_free(link);
    done = true;
  });
  EXPECT_TRUE(run_until([&] { return done.load(); }));
  client.join();
  EXPECT_EQ(level, 80.0F);
  EXPECT_EQ(setpoint, 71.5F);
  EXPECT_EQ(burner, 0);
  EXPECT_EQ(missing, EMBXILADD);
}

TEST(Plant, TemperatureFollowsTheSetpointWhileTheBurnerIsOn) {
  modbus_plant::Plant plant(1);
  const auto temperature = [&] { return modbus_sim::get_float(plant.unit(1).input, 0); };
  modbus_sim::put_float(plant.unit(1).holding, 0, 80);
  for (int second = 0; second < 120; ++second) plant.advance(std::chrono::seconds(1));
  EXPECT_NEAR(temperature(), 80, 1);
  plant.unit(1).coils[0] = false;
  for (int second = 0; second < 120; ++second) plant.advance(std::chrono::seconds(1));
  EXPECT_NEAR(temperature(), 20, 1);
}

float read_float(modbus_plant::Plant& plant, std::uint8_t unit, std::uint16_t address) {
  const modbus::Pdu request = modbus::read_request({modbus::Table::holding, address, 2});
  const modbus::Pdu answer = plant.answer(unit, request.bytes());
  const modbus::Bytes words = modbus::payload(answer.bytes());
  return modbus_sim::get_float({modbus::word_at(words, 0), modbus::word_at(words, 1)}, 0);
}

TEST(Plant, BlocksChangeWithEveryStepAndKeepWhatIsWritten) {
  modbus_plant::Plant plant(5);
  const std::uint16_t minus_five[] = {0xc0a0, 0};
  plant.answer(5, modbus::write_registers_request(10, minus_five).bytes());
  for (int step = 0; step < 50; ++step) {
    std::vector<float> before;
    for (std::uint16_t at = 0; at < 1000; at += 2) before.push_back(read_float(plant, 5, at));
    plant.advance(std::chrono::milliseconds(37));
    for (std::uint16_t at = 0; at < 1000; at += 2) {
      const float now = read_float(plant, 5, at);
      if (at == 10) {
        ASSERT_EQ(now, -5.0F);
      } else {
        ASSERT_NE(now, before[at / 2u]) << at;
      }
    }
  }
}

TEST(Plant, NonsenseInItsSetpointsDoesNotBreakIt) {
  modbus_plant::Plant plant(3);
  modbus_sim::put_float(plant.unit(1).holding, 0, std::numeric_limits<float>::quiet_NaN());
  plant.unit(3).holding[0] = 65535;
  for (int second = 0; second < 100; ++second) plant.advance(std::chrono::seconds(1));
  EXPECT_NEAR(modbus_sim::get_float(plant.unit(1).input, 0), 20, 1);
}

}  // namespace
}  // namespace modbus_test

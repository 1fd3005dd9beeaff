// The simulator's parts without sockets: faults, memory, devices, the request decoder.
#include <gmock/gmock.h>

#include "modbus/points.hpp"
#include "modbus/random.hpp"
#include "sim/device.hpp"
#include "sim/fault.hpp"
#include "sim/framing.hpp"
#include "sim/server.hpp"

namespace modbus_test {
namespace {

using dmi::Type;
using modbus::Adu;
using modbus::Bytes;
using modbus::Framing;
using modbus::Pdu;
using modbus::Table;
using modbus_sim::Change;
using modbus_sim::Device;
using modbus_sim::Faults;
using modbus_sim::Memory;
using modbus_sim::parse_fault;
using modbus_sim::Reply;
using modbus_sim::RequestDecoder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(FaultText, ReadsBackAsItself) {
  for (const char* const text :
       {"late", "late ms=800", "late after=next ms=0", "late after=next ms=5", "split pieces=4",
        "split ms=5", "duplicated ms=7", "foreign what=unsolicited", "truncated bytes=3",
        "wrong-crc", "exception code=4", "silence", "reset", "dead unit=7 for=10000ms",
        "noise bytes=9 where=within", "garbage-length",
        "exception unit=3 function=4 table=discrete-inputs address=100..103 every=5 "
        "probability=0.25 count=9"}) {
    const auto fault = parse_fault(text);
    ASSERT_TRUE(fault.ok()) << text << ": " << fault.status().text();
    EXPECT_EQ(fault->to_string(), text);
  }
}

TEST(FaultText, MistakesNameTheWordAndWhatIsAllowed) {
  const auto error = [](const char* text) { return parse_fault(text).status().text(); };
  EXPECT_THAT(error("lat ms=3"), HasSubstr("\"lat\": no such kind (late, split,"));
  EXPECT_THAT(error("  "), HasSubstr("expected a kind"));
  EXPECT_THAT(error("late ms"), HasSubstr("\"ms\": expected KEY=VALUE"));
  EXPECT_THAT(error("late delay=3"), HasSubstr("\"delay=3\": no such word (unit,"));
  EXPECT_THAT(error("late unit=256"), HasSubstr("\"unit=256\": expected a number 0..255"));
  EXPECT_THAT(error("dead for=3"), HasSubstr("\"for=3\": expected a time like 500ms or 10s"));
  EXPECT_THAT(error("dead probability=2"), HasSubstr("expected 0..1 or 0%..100%"));
  EXPECT_THAT(error("dead table=holdings"), HasSubstr("coils, discrete-inputs, holding, input"));
  EXPECT_THAT(error("dead address=9..3"), HasSubstr("the last address is below the first"));
}

class FaultList : public ::testing::Test {
 protected:
  // How the fault list treats count reads of holding address..address + 9.
  std::string strikes(Faults& faults, int count, std::uint8_t unit = 1, std::uint16_t address = 0) {
    const Pdu request = modbus::read_request({Table::holding, address, 10});
    std::string made;
    for (int i = 0; i < count; ++i) {
      made += faults.strike({0, unit, request.bytes()}) != nullptr ? 'x' : '.';
    }
    return made;
  }
  base::ManualLoop loop_;
};

TEST_F(FaultList, StrikesEveryNthMatchingRequestUntilItsCountIsFull) {
  Faults faults(loop_);
  ASSERT_TRUE(faults.add("silence every=3 count=2 unit=1").ok());
  EXPECT_EQ(strikes(faults, 2, 9), "..");
  EXPECT_EQ(strikes(faults, 12), "..x..x......");
}

TEST_F(FaultList, EndsAfterItsTime) {
  Faults faults(loop_);
  ASSERT_TRUE(faults.add("dead for=2s").ok());
  EXPECT_EQ(strikes(faults, 2), "xx");
  loop_.advance(2s);
  EXPECT_EQ(strikes(faults, 2), "..");
}

TEST_F(FaultList, TouchesRequestsForItsAddressesOnly) {
  Faults faults(loop_);
  ASSERT_TRUE(faults.add("silence table=holding address=20..29").ok());
  EXPECT_EQ(strikes(faults, 1, 1, 10), ".");
  EXPECT_EQ(strikes(faults, 1, 1, 11), "x");
  EXPECT_EQ(strikes(faults, 1, 1, 29), "x");
  EXPECT_EQ(strikes(faults, 1, 1, 30), ".");
}

TEST_F(FaultList, TheSameSeedIsTheSameRun) {
  Faults one(loop_, 42), same(loop_, 42), other(loop_, 43);
  for (Faults* const faults : {&one, &same, &other}) {
    ASSERT_TRUE(faults->add("silence probability=30%").ok());
  }
  const std::string run = strikes(one, 200);
  EXPECT_EQ(run, strikes(same, 200));
  EXPECT_NE(run, strikes(other, 200));
  EXPECT_NEAR(static_cast<double>(std::count(run.begin(), run.end(), 'x')), 60, 25);
}

TEST_F(FaultList, IsBounded) {
  Faults faults(loop_);
  for (std::size_t i = 0; i < Faults::max_faults; ++i) ASSERT_TRUE(faults.add("dead").ok());
  EXPECT_EQ(faults.add("dead").status().code(), base::Code::unavailable);
}

TEST(SimMemory, WritesOfAllFunctionsAndTheirRefusalsLeaveTheRestAlone) {
  Memory memory;
  memory.holding = {0x1234, 2, 3, 4};
  memory.of(Table::holding) = {{true, true, false, true}, {true, false, false, true}};
  const auto ask = [&](std::vector<std::uint8_t> request) {
    const Pdu answered = modbus_sim::answer(memory, request);
    return std::vector<std::uint8_t>(answered.bytes().begin(), answered.bytes().end());
  };
  // 22: and 0xff0f, or 0x00a0.
  EXPECT_THAT(ask({22, 0, 0, 0xff, 0x0f, 0, 0xa0}), ElementsAre(22, 0, 0, 0xff, 0x0f, 0, 0xa0));
  EXPECT_EQ(memory.holding[0], 0x12a4);
  // 23: writes 3, reads 0 and 1.
  EXPECT_THAT(ask({23, 0, 0, 0, 2, 0, 3, 0, 1, 2, 0, 9}), ElementsAre(23, 4, 0x12, 0xa4, 0, 2));
  EXPECT_EQ(memory.holding[3], 9);
  EXPECT_THAT(ask({6, 0, 1, 0, 5}), ElementsAre(0x86, 2)) << "read only";
  EXPECT_THAT(ask({16, 0, 0, 0, 2, 4, 0, 7, 0, 7}), ElementsAre(0x90, 2)) << "half read only";
  EXPECT_THAT(ask({3, 0, 1, 0, 2}), ElementsAre(0x83, 2)) << "half there";
  EXPECT_THAT(ask({3, 0, 3, 0, 2}), ElementsAre(0x83, 2)) << "beyond the end";
  EXPECT_THAT(ask({43, 14, 1, 0}), ElementsAre(0xab, 1)) << "unknown function";
  EXPECT_THAT(memory.holding, ElementsAre(0x12a4, 2, 3, 9));
}

TEST(RequestDecoder, FindsRtuRequestsInPiecesOfAnySizeAndBehindNoise) {
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::uint8_t> stream;
    std::vector<std::vector<std::uint8_t>> sent;
    for (int i = 0; i < 5; ++i) {
      std::vector<std::uint16_t> words(random.number(1, 123));
      const Pdu pdu = random.chance(0.5) ? modbus::read_request({Table::input, 7, 3})
                                         : modbus::write_registers_request(40, std::span(words));
      sent.emplace_back(pdu.bytes().begin(), pdu.bytes().end());
      modbus_sim::append_frame(Framing::rtu, {0, 9, pdu.bytes()}, stream);
      // Bytes that begin no request the decoder would wait for.
      if (random.chance(0.3)) stream.insert(stream.end(), random.number(1, 9), 0xff);
    }
    stream.insert(stream.end(), 8, 0xff);
    RequestDecoder decoder(Framing::rtu);
    std::vector<std::vector<std::uint8_t>> got;
    for (std::size_t at = 0; at < stream.size();) {
      const std::span<std::uint8_t> space = decoder.space();
      ASSERT_FALSE(space.empty()) << "round " << round;
      const std::size_t count =
          std::min<std::size_t>({space.size(), stream.size() - at, random.number(1, 60)});
      std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), count, space.begin());
      at += count;
      decoder.received(count);
      for (auto next = decoder.next(); next->has_value(); next = decoder.next()) {
        EXPECT_EQ((*next)->unit, 9);
        got.emplace_back((*next)->pdu.begin(), (*next)->pdu.end());
      }
    }
    ASSERT_EQ(got, sent) << "round " << round;
  }
}

TEST(RequestDecoder, NeverFillsUpOnRandomBytes) {
  Random random(12);
  RequestDecoder decoder(Framing::rtu);
  for (int i = 0; i < 20000; ++i) {
    const std::span<std::uint8_t> space = decoder.space();
    ASSERT_FALSE(space.empty());
    const std::size_t count = std::min<std::size_t>(space.size(), random.number(1, 30));
    const auto bytes = random.bytes(count);
    std::copy(bytes.begin(), bytes.end(), space.begin());
    decoder.received(count);
    while (decoder.next()->has_value()) {
    }
  }
}

TEST(SimUrl, ReadsBackAsItself) {
  for (const char* const url :
       {"tcp://127.0.0.1:1502", "rtu+tcp://127.0.0.1:0", "tls://[::1]:802", "udp://0.0.0.0:502",
        "rtu+udp://127.0.0.1:5", "dial://127.0.0.1:1502", "rtu+dial://127.0.0.1:1502",
        "pty:///tmp/plc0", "pty:///tmp/plc0?9600-8E1"}) {
    const auto endpoint = modbus_sim::parse_url(url);
    ASSERT_TRUE(endpoint.ok()) << url << ": " << endpoint.status().text();
    EXPECT_EQ(modbus_sim::url_of(*endpoint), url);
  }
}

TEST(SimUrl, MistakesNameThePart) {
  const auto error = [](const char* url) { return modbus_sim::parse_url(url).status().text(); };
  EXPECT_THAT(error("127.0.0.1:1502"), HasSubstr("expected tcp://HOST:PORT"));
  EXPECT_THAT(error("rtu+pty:///tmp/a"), HasSubstr("expected tcp://HOST:PORT"));
  EXPECT_THAT(error("tcp://127.0.0.1"), HasSubstr("the port is missing"));
  EXPECT_THAT(error("tcp://127.0.0.1:70000"), HasSubstr("\"70000\" is not a port (0..65535)"));
  EXPECT_THAT(error("tcp://plc:502"), HasSubstr("\"plc\" is not an IP address"));
  EXPECT_THAT(error("pty://plc0"), HasSubstr("absolute path"));
  EXPECT_THAT(error("pty:///tmp/a?9600"), HasSubstr("\"9600\" is not like 9600-8N1"));
}

class SimDevice : public ::testing::Test {
 protected:
  void make(std::vector<mapper::Point> points, const dmi::Device& device = {}) {
    target_ = target_of(std::move(points));
    auto made = Device::make(target_, device, memory_);
    ASSERT_TRUE(made.ok()) << made.status().text();
    device_ = std::move(*made);
  }
  void change(Change how, std::chrono::seconds time = 0s) {
    device_->change(how, time, random_, memory_);
  }
  mapper::Target target_;
  Memory memory_;
  std::optional<Device> device_;
  std::mt19937_64 random_{1};
};

TEST_F(SimDevice, HoldsExactlyTheRegistersItsPropertiesName) {
  make({point(Type::float32, at("HoldingRegister", 10), true, "a"),
        point(Type::integer, at("HoldingRegister", 14), false, "b"),
        point(Type::boolean, at("CoilRegister", 3), true, "c")});
  const modbus_sim::Access& holding = memory_.of(Table::holding);
  EXPECT_TRUE(holding.may_write(10, 2));
  EXPECT_TRUE(holding.has(14, 1));
  EXPECT_FALSE(holding.may_write(14, 1));
  EXPECT_FALSE(holding.has(9, 1));
  EXPECT_FALSE(holding.has(12, 2));
  EXPECT_EQ(memory_.holding.size(), 15u);
  EXPECT_FALSE(memory_.of(Table::coils).has(2, 1));
  EXPECT_TRUE(memory_.input.empty());
}

TEST_F(SimDevice, StartsWithDesiredValuesAndAPatternElsewhere) {
  dmi::Device device;
  device.properties.resize(1);
  device.properties[0].name = "wanted";
  device.properties[0].desired = dmi::TwinValue{"-12.5", {}};
  auto scaled = point(
      Type::float32,
      Json{{"register", "InputRegister"}, {"offset", 0}, {"dataType", "int16"}, {"scale", 0.1}},
      false, "wanted");
  scaled.scale = 0.1;
  make({scaled, point(Type::integer, at("InputRegister", 1), false, "second"),
        point(Type::float32, at("InputRegister", 2), false, "third"),
        point(Type::boolean, at("CoilRegister", 0), false, "fourth")},
       device);
  EXPECT_EQ(static_cast<std::int16_t>(memory_.input[0]), -125);
  EXPECT_EQ(memory_.input[1], 2);
  EXPECT_EQ(modbus_sim::get_float(memory_.input, 2), 3.5F);
  EXPECT_FALSE(memory_.coils[0]);
}

TEST_F(SimDevice, ADesiredValueThatDoesNotFitNamesTheProperty) {
  dmi::Device device;
  device.properties.resize(1);
  device.properties[0].name = "small";
  device.properties[0].desired = dmi::TwinValue{"70000", {}};
  const auto target = target_of({point(Type::integer, at("HoldingRegister", 0), true, "small")});
  const auto made = Device::make(target, device, memory_);
  EXPECT_THAT(made.status().text(),
              HasSubstr("default/boiler.properties.small: 70000 does not fit in uint16"));
}

TEST_F(SimDevice, PutsTextsLabelsBitsAndScaledValuesWhereTheMapperReadsThem) {
  const auto visitor = [](int offset, Json more) {
    Json json = at("HoldingRegister", offset);
    json.update(more);
    return json;
  };
  dmi::Device device;
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"text", "pump"}, {"power", "12.5"}, {"power_sf", "-1"}, {"low", "5"}, {"high", "9"}}) {
    device.properties.push_back({});
    device.properties.back().name = name;
    device.properties.back().desired = dmi::TwinValue{value, {}};
  }
  make(
      {point(Type::string, visitor(0, {{"dataType", "string"}, {"limit", 3}}), true, "text"),
       point(Type::float32, visitor(4, {{"dataType", "int16"}, {"scaleOffset", 5}}), true, "power"),
       point(Type::integer, visitor(5, {{"dataType", "int16"}}), false, "power_sf"),
       point(Type::integer, visitor(6, {{"bit", 0}, {"bitCount", 4}}), true, "low"),
       point(Type::integer, visitor(6, {{"bit", 8}, {"bitCount", 4}}), true, "high")},
      device);
  EXPECT_THAT(memory_.holding, ElementsAre(0x7075, 0x6d70, 0, 0, 125, 0xffff, 0x0905));
}

TEST_F(SimDevice, ChangingValuesStayBetweenTheModelsLimits) {
  auto limited = point(Type::integer, at("HoldingRegister", 0), true, "limited");
  limited.minimum = 5;
  limited.maximum = 7;
  make({limited});
  std::vector<std::uint16_t> counted;
  for (int i = 0; i < 4; ++i) {
    change(Change::count);
    counted.push_back(memory_.holding[0]);
  }
  EXPECT_THAT(counted, ElementsAre(6, 7, 5, 6));
  for (const Change how : {Change::sine, Change::random}) {
    for (int i = 0; i < 100; ++i) {
      change(how, std::chrono::seconds(i));
      ASSERT_GE(memory_.holding[0], 5);
      ASSERT_LE(memory_.holding[0], 7);
    }
  }
}

TEST_F(SimDevice, WhatAClientWroteStaysAndItsNeighbourGoesOn) {
  make({point(Type::float32, at("HoldingRegister", 0), true, "written"),
        point(Type::integer, at("HoldingRegister", 2), true, "moving")});
  memory_.holding[1] = 77;
  device_->written({Table::holding, 1, 1});
  const std::uint16_t before = memory_.holding[2];
  change(Change::count);
  EXPECT_EQ(memory_.holding[1], 77);
  EXPECT_EQ(memory_.holding[2], before + 1);
}

TEST_F(SimDevice, WholeTablesHaveEveryAddress) {
  make({point(Type::integer, at("InputRegister", 3), false, "one")});
  modbus_sim::open_whole_tables(memory_);
  EXPECT_EQ(memory_.input[3], 1);
  for (const Table table : {Table::coils, Table::discrete_inputs, Table::holding, Table::input}) {
    EXPECT_EQ(memory_.size(table), 65536u);
    EXPECT_TRUE(memory_.of(table).may_write(65535, 1));
  }
}

}  // namespace
}  // namespace modbus_test

// The driver against a server that answers as it should, or refuses.
#include <gmock/gmock.h>

#include "modbus/rig.hpp"

namespace modbus_test {
namespace {

using base::Code;
using dmi::Type;
using dmi::Value;
using ::testing::HasSubstr;

std::int64_t integer(const mapper::Reading& reading) {
  return reading.sample && reading.sample->value ? std::get<std::int64_t>(*reading.sample->value)
                                                 : -1;
}

mapper::Target inputs(std::initializer_list<int> offsets, Json protocol) {
  std::vector<mapper::Point> points;
  for (const int offset : offsets) {
    points.push_back(
        point(Type::integer, at("InputRegister", offset), false, base::cat("i", offset)));
  }
  return target_of(std::move(points), std::move(protocol));
}

TEST_F(Rig, OneCycleIsOneRequestPerTableAndEveryValueIsRight) {
  serve();
  units_[1].coils[3] = true;
  units_[1].discrete_inputs[9] = true;
  modbus_sim::put_float(units_[1].holding, 10, 42.5F);
  modbus_sim::put_float(units_[1].holding, 12, -1.25F, true);
  const auto target = target_of(
      {point(Type::float32, at("HoldingRegister", 10)),
       point(Type::float32,
             Json{{"register", "HoldingRegister"}, {"offset", 12}, {"isRegisterSwap", true}}),
       point(Type::integer, at("InputRegister", 7)), point(Type::integer, at("InputRegister", 20)),
       point(Type::boolean, at("CoilRegister", 3)), point(Type::boolean, at("CoilRegister", 4)),
       point(Type::boolean, at("DiscreteInputRegister", 9))},
      protocol());
  const auto driver = open(target);
  auto batch = batch_of(target);
  const base::Time before = loop_.wall();
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(*batch[0].sample->value, Value(42.5));
  EXPECT_EQ(*batch[1].sample->value, Value(-1.25));
  EXPECT_EQ(*batch[2].sample->value, Value(std::int64_t{7}));
  EXPECT_EQ(*batch[3].sample->value, Value(std::int64_t{20}));
  EXPECT_EQ(*batch[4].sample->value, Value(true));
  EXPECT_EQ(*batch[5].sample->value, Value(false));
  EXPECT_EQ(*batch[6].sample->value, Value(true));
  EXPECT_EQ(requests_, 4);
  for (const mapper::Reading& reading : batch) {
    EXPECT_GE(reading.sample->time, before);
    EXPECT_LE(reading.sample->time, loop_.wall());
  }
}

TEST_F(Rig, RefusedAddressSpoilsOnlyItsOwnPoint) {
  serve();
  misbehave_ = [](const Adu& request, Reply& reply) {
    if (!asks_for(request, 4, 5)) return false;
    reply.frame(request.transaction, request.unit, modbus_sim::exception(request.pdu[0], 2));
    return true;
  };
  const auto target = inputs({2, 3, 4, 5, 6}, protocol());
  const auto driver = open(target);
  auto batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  for (const std::size_t good : {0u, 1u, 3u, 4u}) {
    EXPECT_EQ(integer(batch[good]), static_cast<std::int64_t>(good) + 2);
  }
  EXPECT_EQ(batch[2].sample->status.to_string(),
            "refused: unit 1 refused input 4: illegal data address (exception 02); quarantined, "
            "asked again after 1 min");
  EXPECT_FALSE(batch[2].sample->value.has_value());
}

TEST_F(Rig, WhatWasRefusedIsNotAskedForTogetherInTheNextCycle) {
  serve();
  misbehave_ = [](const Adu& request, Reply& reply) {
    if (!asks_for(request, 4, 5)) return false;
    reply.frame(request.transaction, request.unit, modbus_sim::exception(request.pdu[0], 2));
    return true;
  };
  const auto target = inputs({2, 3, 4, 5, 6}, protocol());
  const auto driver = open(target);
  auto batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(requests_, 5);  // 2..6, 2..3, 4..6, 4, 5..6
  requests_ = 0;
  batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(requests_, 2);  // 2..3, 5..6
  EXPECT_EQ(integer(batch[4]), 6);
}

TEST_F(Rig, UnimplementedAddressInAGapIsLearntOnce) {
  serve();
  misbehave_ = [](const Adu& request, Reply& reply) {
    if (!asks_for(request, 5, 6)) return false;
    reply.frame(request.transaction, request.unit, modbus_sim::exception(request.pdu[0], 2));
    return true;
  };
  const auto target = inputs({3, 4, 6, 7}, protocol());
  const auto driver = open(target);
  for (int cycle = 0; cycle < 2; ++cycle) {
    requests_ = 0;
    auto batch = batch_of(target);
    ASSERT_TRUE(read(*driver, batch).ok());
    for (const mapper::Reading& reading : batch) EXPECT_TRUE(reading.sample->status.ok());
  }
  EXPECT_EQ(requests_, 2);
}

TEST_F(Rig, WrongVisitorFailsItsPointAndTheOthersAreRead) {
  serve();
  const auto target = inputs({70000, 8}, protocol());
  const auto driver = open(target);
  auto batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(batch[0].sample->status.code(), Code::invalid);
  EXPECT_THAT(batch[0].sample->status.text(), HasSubstr("offset: 70000 is above 65535"));
  EXPECT_EQ(integer(batch[1]), 8);
}

TEST_F(Rig, WrongProtocolOrOnlyWrongPointsDoNotOpen) {
  serve();
  Json without_ip = protocol();
  without_ip.erase("ip");
  const auto no_ip = inputs({1}, without_ip);
  EXPECT_THAT(protocol_.open_async(no_ip, mapper::Sink(), loop_).status().to_string(),
              HasSubstr("invalid: boiler.protocol.configData.ip: missing"));
  const auto beyond = inputs({70000}, protocol());
  EXPECT_THAT(protocol_.open_async(beyond, mapper::Sink(), loop_).status().to_string(),
              HasSubstr("70000 is above 65535"));
  Json narrow = protocol();
  narrow["maxRegisters"] = 1;
  const auto wide = target_of({point(Type::float32, at("HoldingRegister", 1))}, narrow);
  EXPECT_THAT(protocol_.open_async(wide, mapper::Sink(), loop_).status().to_string(),
              HasSubstr("limit: 2 registers are above the device's maxRegisters 1"));
}

TEST_F(Rig, UnitThatItsGatewayCannotReachIsAwayNotRefused) {
  serve();
  const auto target = inputs({1, 100}, protocol(9));
  const auto driver = open(target);
  auto batch = batch_of(target);
  EXPECT_EQ(
      read(*driver, batch).to_string(),
      "unavailable: unit 9: gateway target device failed to respond (exception 11) (input 1..100)");
  EXPECT_FALSE(batch[0].sample.has_value());
  EXPECT_EQ(requests_, 1);
}

TEST_F(Rig, EmptyBatchesAreDoneWithoutARequest) {
  serve();
  const auto target = inputs({1}, protocol());
  const auto driver = open(target);
  std::vector<mapper::Reading> readings;
  std::vector<mapper::Command> commands;
  EXPECT_TRUE(read(*driver, readings).ok());
  EXPECT_TRUE(write(*driver, commands).ok());
  EXPECT_EQ(requests_, 0);
}

TEST_F(Rig, WritesReachCoilsAndRegistersAndWideValuesGoOutWhole) {
  serve();
  const auto target = target_of({point(Type::boolean, at("CoilRegister", 5), true),
                                 point(Type::integer, at("HoldingRegister", 6), true),
                                 point(Type::float32, at("HoldingRegister", 10), true),
                                 point(Type::integer,
                                       Json{{"register", "HoldingRegister"},
                                            {"offset", 20},
                                            {"dataType", "int64"},
                                            {"isRegisterSwap", true}},
                                       true)},
                                protocol());
  const auto driver = open(target);
  std::vector<mapper::Command> batch = {{target.points[0], true, {}},
                                        {target.points[1], std::int64_t{1234}, {}},
                                        {target.points[2], 61.5, {}},
                                        {target.points[3], std::int64_t{-2}, {}}};
  ASSERT_TRUE(write(*driver, batch).ok());
  for (const mapper::Command& command : batch) EXPECT_TRUE(command.status->ok());
  EXPECT_TRUE(units_[1].coils[5]);
  EXPECT_EQ(units_[1].holding[6], 1234);
  EXPECT_EQ(modbus_sim::get_float(units_[1].holding, 10), 61.5F);
  EXPECT_EQ(units_[1].holding[20], 0xfffe);
  EXPECT_EQ(units_[1].holding[23], 0xffff);
  ASSERT_EQ(seen_.size(), 4u);
  EXPECT_EQ(seen_[0][0], 5);
  EXPECT_EQ(seen_[1][0], 6);
  EXPECT_EQ(seen_[2][0], 16);
  EXPECT_EQ(seen_[3][0], 16);
}

TEST_F(Rig, EveryWriteGetsItsOwnOutcome) {
  serve();
  const auto target = target_of({point(Type::integer, at("HoldingRegister", 6), true),
                                 point(Type::integer, at("HoldingRegister", 199), true),
                                 point(Type::integer, at("HoldingRegister", 1000), true)},
                                protocol());
  const auto driver = open(target);
  std::vector<mapper::Command> batch = {{target.points[0], std::int64_t{70000}, {}},
                                        {target.points[1], std::int64_t{7}, {}},
                                        {target.points[2], std::int64_t{7}, {}}};
  ASSERT_TRUE(write(*driver, batch).ok());
  EXPECT_EQ(batch[0].status->to_string(), "out_of_range: 70000 does not fit in uint16 (0..65535)");
  EXPECT_TRUE(batch[1].status->ok());
  EXPECT_EQ(batch[2].status->to_string(),
            "refused: unit 1 refused holding 1000: illegal data address (exception 02)");
  EXPECT_EQ(units_[1].holding[199], 7);
  EXPECT_EQ(units_[1].holding[6], 0);
}

TEST_F(Rig, ReadOnlyTablesAreNotWritten) {
  serve();
  const auto target = inputs({1}, protocol());
  const auto driver = open(target);
  std::vector<mapper::Command> batch = {{target.points[0], std::int64_t{1}, {}}};
  ASSERT_TRUE(write(*driver, batch).ok());
  EXPECT_EQ(batch[0].status->to_string(), "unsupported: input 1 cannot be written");
}

TEST_F(Rig, UnitsBehindOneAddressShareOneConnection) {
  serve();
  const auto first = inputs({1, 2}, protocol(1));
  const auto second = inputs({3}, protocol(2));
  const auto one = open(first);
  const auto two = open(second);
  auto batch = batch_of(first);
  auto other = batch_of(second);
  int done = 0;
  one->read(batch, [&](const Status&) { ++done; });
  two->read(other, [&](const Status&) { ++done; });
  ASSERT_TRUE(run_until([&] { return done == 2; }));
  EXPECT_EQ(integer(batch[1]), 2);
  EXPECT_EQ(integer(other[0]), 3);
  EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(Rig, ConnectionEndsWithItsLastDevice) {
  serve();
  const auto target = inputs({1}, protocol());
  auto driver = open(target);
  auto batch = batch_of(target);
  ASSERT_TRUE(read(*driver, batch).ok());
  EXPECT_EQ(server_->connections(), 1u);
  driver.reset();
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
}

TEST_F(Rig, OneRequestAtATimeIsOnTheWireAndWritesGoAheadOfReads) {
  serve();
  const auto reader = target_of({point(Type::integer, at("InputRegister", 1)),
                                 point(Type::integer, at("HoldingRegister", 1))},
                                protocol(1));
  const auto waiting = inputs({3}, protocol(2));
  const auto writer =
      target_of({point(Type::integer, at("HoldingRegister", 1), true)}, protocol(3));
  const auto one = open(reader);
  const auto two = open(waiting);
  const auto three = open(writer);
  auto first = batch_of(reader);
  auto second = batch_of(waiting);
  std::vector<mapper::Command> commands = {{writer.points[0], std::int64_t{9}, {}}};
  int done = 0;
  one->read(first, [&](const Status&) { ++done; });
  two->read(second, [&](const Status&) { ++done; });
  three->write(commands, [&](const Status&) { ++done; });
  ASSERT_TRUE(run_until([&] { return done == 3; }));
  // Nothing was on the wire while the connection was made: the write goes first.
  ASSERT_EQ(seen_.size(), 4u);
  EXPECT_EQ(seen_[0][0], 6);
  EXPECT_EQ(seen_[3][0], 4);
}

TEST_F(Rig, DestroyedDriverForgetsItsCallInFlight) {
  serve();
  const auto target = inputs({1}, protocol());
  auto driver = open(target);
  auto batch = batch_of(target);
  bool called = false;
  driver->read(batch, [&](const Status&) { called = true; });
  ASSERT_TRUE(run_until([&] { return requests_ == 1; }));
  driver.reset();
  auto empty = std::vector<mapper::Reading>();
  auto other = open(target);
  other->read(empty, [&](const Status&) { called = true; });
  other.reset();
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
  EXPECT_FALSE(called);
  EXPECT_FALSE(batch[0].sample.has_value());
}

TEST_F(Rig, DriverMayBeDestroyedInItsOwnCompletion) {
  serve();
  const auto target = inputs({1}, protocol());
  auto driver = open(target);
  auto batch = batch_of(target);
  driver->read(batch, [&](const Status&) { driver.reset(); });
  EXPECT_TRUE(run_until([&] { return driver == nullptr; }));
  EXPECT_EQ(integer(batch[0]), 1);
}

}  // namespace
}  // namespace modbus_test

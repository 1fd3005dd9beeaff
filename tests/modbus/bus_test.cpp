// Turns, writes first, dead units, retries, pauses, reconnects: on a clock turned by hand, over a
// wire whose other side does what the test says.
#include "modbus/bus.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "modbus/fake_line.hpp"
#include "modbus/random.hpp"

namespace modbus_test {
namespace {

using modbus::Breaker;
using modbus::Bus;
using modbus::Line;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class BusTest : public ::testing::Test {
 protected:
  Bus::Way way(const std::string& name, Wire& wire, FakeLine** made = nullptr) {
    return {name, [this, &wire, made](Line::Client& client) {
              auto line = std::make_unique<FakeLine>(loop_, wire, client);
              if (made != nullptr) *made = line.get();
              return line;
            }};
  }
  Asker& asker(int unit, std::optional<milliseconds> pause = {}) {
    askers_.push_back(std::make_unique<Asker>(loop_, bus_, unit, pause));
    return *askers_.back();
  }
  std::vector<int> units_seen() const {
    std::vector<int> units;
    for (const auto& seen : wire_.seen) units.push_back(seen.unit);
    return units;
  }
  // A unit that has been taken for dead.
  Asker& dead_unit(int unit) {
    wire_.dead.insert(unit);
    Asker& made = asker(unit);
    for (int i = 0; i < Breaker::failures_to_open; ++i) {
      made.ask();
      loop_.advance(1100ms);
    }
    return made;
  }
  void warm_up() {
    Asker& first = asker(200);
    first.ask();
    loop_.advance(100ms);
    ASSERT_EQ(first.last(), "ok");
    wire_.seen.clear();
  }

  base::ManualLoop loop_;
  Wire wire_;
  Wire other_wire_;
  FakeLine* line_ = nullptr;
  FakeLine* other_line_ = nullptr;
  Bus bus_{loop_, {way("tcp://gateway:502", wire_, &line_)}};
  Bus with_backup_{loop_,
                   {way("tcp://a:502", wire_), way("tcp://b:502", other_wire_, &other_line_)}};
  std::vector<std::unique_ptr<Asker>> askers_;
};

// ---- turns -------------------------------------------------------------------------------------

TEST_F(BusTest, ConnectsWhenThereIsSomethingToSendAndAnswers) {
  loop_.advance(1h);
  EXPECT_EQ(wire_.connects, 0);
  Asker& one = asker(1);
  one.ask();
  loop_.advance(11ms);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_EQ(bus_.counters().connects, 1u);
  EXPECT_EQ(bus_.counters().answers, 1u);
}

TEST_F(BusTest, RequestsGoInOrderOfArrivalOneAtATime) {
  for (const int unit : {3, 1, 2}) asker(unit).ask();
  loop_.advance(1s);
  EXPECT_THAT(units_seen(), ::testing::ElementsAre(3, 1, 2));
  EXPECT_EQ(wire_.seen[1].at - wire_.seen[0].at, wire_.latency);
}

TEST_F(BusTest, WriteWaitsForAtMostTheOneOnTheWire) {
  warm_up();
  for (int unit = 1; unit <= 50; ++unit) asker(unit, 0ms).ask();
  loop_.advance(1005ms);
  Asker& writer = asker(99);
  for (int i = 0; i < 20; ++i) {
    writer.write();
    const auto count = writer.outcomes.size();
    loop_.advance(2 * wire_.latency);
    ASSERT_EQ(writer.outcomes.size(), count + 1) << i;
    loop_.advance(milliseconds(3 * i));
  }
  EXPECT_LE(writer.longest, 2 * wire_.latency);
}

TEST_F(BusTest, NobodyWaitsLongerThanOneRound) {
  Random random(20261123);
  const int devices = 14;
  std::vector<Asker*> all;
  for (int unit = 1; unit <= devices; ++unit) {
    all.push_back(&asker(unit, milliseconds(random.number(0, 200))));
    all.back()->ask();
  }
  loop_.advance(60s);
  for (const Asker* one : all) EXPECT_LE(one->longest, devices * wire_.latency + 1ms);
}

TEST_F(BusTest, ForgottenRequestsAreNotSent) {
  warm_up();
  asker(1).ask();
  {
    Asker gone(loop_, bus_, 2);
    gone.ask();
  }
  asker(3).ask();
  loop_.advance(1s);
  EXPECT_THAT(units_seen(), ::testing::ElementsAre(1, 3));
}

TEST_F(BusTest, AnswersNeverComeFromWithinSend) {
  wire_.refusal = "cannot connect to gateway: Connection refused";
  Asker& one = asker(1);
  for (int i = 0; i < 5; ++i) one.ask(), loop_.advance(10ms);
  wire_.refusal.clear();
  loop_.advance(1min);
  Asker& dead = dead_unit(9);
  dead.ask();
  loop_.advance(10ms);
  EXPECT_EQ(dead.outcomes.size(), 3u);
  EXPECT_FALSE(one.called_within_send);
  EXPECT_FALSE(dead.called_within_send);
}

TEST_F(BusTest, QueueIsBoundedAndCountsWhatItRefused) {
  const std::size_t too_many = modbus::Link::max_queue + 5;
  for (std::size_t i = 0; i < too_many; ++i) asker(1).ask();
  loop_.settle();
  EXPECT_EQ(bus_.counters().queue_full, 5u);
  EXPECT_EQ(askers_.back()->last(),
            "unavailable: tcp://gateway:502: 1024 requests are waiting already");
  loop_.advance(1min);
  for (std::size_t i = 0; i < modbus::Link::max_queue; ++i) {
    ASSERT_EQ(askers_[i]->last(), "ok");
  }
}

TEST_F(BusTest, BroadcastIsDoneOnceItIsOutAndUnitsGetTimeForIt) {
  warm_up();
  Asker& all = asker(0);
  all.transaction->broadcast = true;
  all.write();
  asker(1).ask();
  loop_.advance(1s);
  EXPECT_EQ(all.last(), "ok");
  ASSERT_EQ(wire_.seen.size(), 2u);
  EXPECT_TRUE(wire_.seen[0].broadcast);
  EXPECT_EQ(wire_.seen[1].at - wire_.seen[0].at, Bus::broadcast_turnaround);
}

// ---- dead units --------------------------------------------------------------------------------

TEST_F(BusTest, DeadUnitIsShunnedAndSaysSinceWhen) {
  Asker& dead = dead_unit(7);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::open);
  EXPECT_EQ(dead.last(), "timeout: did not answer within 1000 ms");
  const auto sent = wire_.seen.size();
  dead.ask();
  loop_.settle();
  EXPECT_THAT(dead.last(), StartsWith("unavailable: unit 7 has not answered for 2."));
  EXPECT_THAT(dead.last(), HasSubstr("; asked again in 0."));
  EXPECT_EQ(wire_.seen.size(), sent);
  EXPECT_EQ(bus_.counters().shunned, 1u);
  EXPECT_THAT(bus_.describe(), HasSubstr("open units: 7"));
}

TEST_F(BusTest, RequestsThatWaitForADeadUnitFailWhenItOpens) {
  warm_up();
  wire_.dead = {7};
  for (int i = 0; i < 4; ++i) asker(7).ask();
  Asker& write = asker(7);
  write.write();
  loop_.advance(2010ms);
  int unavailable = 0;
  for (const auto& one : askers_) {
    ASSERT_EQ(one->outcomes.size(), 1u);
    unavailable += one->outcomes[0].code() == Code::unavailable;
  }
  EXPECT_EQ(unavailable, 3);
  EXPECT_EQ(wire_.seen.size(), 2u);
}

TEST_F(BusTest, WriteToADeadUnitFailsAtOnce) {
  Asker& dead = dead_unit(7);
  dead.write();
  loop_.settle();
  EXPECT_THAT(dead.last(), StartsWith("unavailable: unit 7 has not answered"));
}

TEST_F(BusTest, HalfOpenUnitGetsOneRequestWithoutRetriesAndItsAnswerCloses) {
  Asker& dead = dead_unit(7);
  loop_.advance(500ms);
  wire_.seen.clear();
  dead.transaction->retries = 3;
  dead.ask();
  Asker& second = asker(7);
  second.ask();
  loop_.settle();
  EXPECT_THAT(second.last(), HasSubstr("it is being asked now"));
  loop_.advance(1s);
  EXPECT_EQ(wire_.seen.size(), 1u);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::open);
  loop_.advance(1s);
  wire_.dead.clear();
  dead.ask();
  loop_.advance(100ms);
  EXPECT_EQ(dead.last(), "ok");
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::closed);
  second.ask();
  loop_.advance(100ms);
  EXPECT_EQ(second.last(), "ok");
}

TEST_F(BusTest, ForgottenProbeLeavesItsPlaceToTheNext) {
  Asker& dead = dead_unit(7);
  loop_.advance(1s);
  asker(1).ask();
  {
    Asker gone(loop_, bus_, 7);
    gone.ask();
    EXPECT_EQ(bus_.unit_state(7), Breaker::State::half_open);
  }
  wire_.dead.clear();
  loop_.advance(1s);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::open);
  dead.ask();
  loop_.advance(1s);
  EXPECT_EQ(dead.last(), "ok");
}

TEST_F(BusTest, GatewayThatCannotReachAUnitIsNoAnswerOfTheUnit) {
  wire_.behind_gateway = {7};
  Asker& away = asker(7);
  for (int i = 0; i < 3; ++i) away.ask(), loop_.advance(20ms);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::open);
  EXPECT_EQ(away.outcomes[1].code(), Code::refused);
  EXPECT_EQ(away.outcomes[2].code(), Code::unavailable);
  EXPECT_EQ(wire_.connects, 1);
}

TEST_F(BusTest, RefusalsAndNonsenseProveThatTheUnitLives) {
  Asker& one = asker(7);
  for (int i = 0; i < 6; ++i) {
    wire_.dead = i % 2 == 0 ? std::set<int>{7} : std::set<int>{};
    wire_.exception_02 = i % 4 == 1;
    wire_.is_nonsense = i % 4 == 3;
    one.ask();
    loop_.advance(1100ms);
  }
  EXPECT_EQ(one.outcomes[1].code(), Code::refused);
  EXPECT_EQ(one.outcomes[3].code(), Code::malformed);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::closed);
}

// The promise of the field's complaints: N-1 keep their cadence.
TEST_F(BusTest, OneDeadOfFourteenCostsItsNeighboursOneTimeoutPerWindow) {
  const int devices = 14;
  wire_.dead = {5};
  std::vector<Asker*> all;
  for (int unit = 1; unit <= devices; ++unit) {
    all.push_back(&asker(unit, 300ms));
    all.back()->ask();
  }
  loop_.advance(10min);
  std::vector<base::SteadyTime> probes;
  for (const auto& seen : wire_.seen) {
    if (seen.unit == 5) probes.push_back(seen.at);
  }
  // Two to open; windows of 0.5, 1, 2, 4, 8, 16 s; then one in 30 s.
  EXPECT_LE(probes.size(), 2 + 6 + 600u / 30 + 1);
  for (std::size_t i = 9; i < probes.size(); ++i) EXPECT_GE(probes[i] - probes[i - 1], 30s);
  for (const Asker* one : all) {
    if (one->transaction->unit == 5) continue;
    EXPECT_LE(one->longest, 1000ms + devices * wire_.latency);
    for (const Status& status : one->outcomes) ASSERT_TRUE(status.ok());
    // Cadence: never further apart than one time-out and one round, and rarely more than a round.
    std::size_t late = 0;
    for (std::size_t i = 1; i < one->good.size(); ++i) {
      late += one->good[i] - one->good[i - 1] > 300ms + devices * wire_.latency;
    }
    EXPECT_LE(late, probes.size());
  }
}

// ---- retries -----------------------------------------------------------------------------------

TEST_F(BusTest, ReadIsTriedAgainAndTheTextSaysHowOften) {
  wire_.dead = {7};
  Asker& one = asker(7);
  one.transaction->retries = 2;
  one.ask();
  asker(1).ask();
  loop_.advance(10s);
  EXPECT_THAT(units_seen(), ::testing::ElementsAre(7, 1, 7, 7));
  EXPECT_EQ(one.last(), "timeout: did not answer within 1000 ms (3 tries)");
  EXPECT_EQ(bus_.counters().retries, 2u);
  EXPECT_EQ(bus_.unit_state(7), Breaker::State::closed);  // one request, one failure
}

TEST_F(BusTest, RetryThatIsAnsweredIsAnAnswer) {
  wire_.dead = {7};
  Asker& one = asker(7);
  one.transaction->retries = 1;
  one.ask();
  loop_.advance(500ms);
  wire_.dead.clear();
  loop_.advance(1s);
  EXPECT_EQ(one.outcomes.size(), 1u);
  EXPECT_EQ(one.last(), "ok");
}

TEST_F(BusTest, WriteIsNeverTriedAgain) {
  wire_.dead = {7};
  Asker& one = asker(7);
  one.transaction->retries = 5;
  one.write();
  loop_.advance(10s);
  EXPECT_EQ(wire_.seen.size(), 1u);
  EXPECT_EQ(one.last(), "timeout: did not answer within 1000 ms");
}

// ---- connections -------------------------------------------------------------------------------

TEST_F(BusTest, ReadOnAConnectionThatTheGatewayGaveUpGoesOutOnceMore) {
  warm_up();
  wire_.cut_next = 1;
  Asker& one = asker(1);
  one.ask();
  loop_.advance(1s);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_EQ(wire_.seen.size(), 2u);
  EXPECT_EQ(bus_.counters().losses, 1u);
  wire_.cut_next = 2;
  one.ask();
  loop_.advance(1s);
  EXPECT_EQ(one.last(), "unavailable: connection to wire lost: End of file");
  EXPECT_EQ(wire_.seen.size(), 4u);
  EXPECT_EQ(bus_.unit_state(1), Breaker::State::closed);
}

TEST_F(BusTest, WriteOnALostConnectionIsNotRepeated) {
  warm_up();
  wire_.cut_next = 1;
  Asker& one = asker(1);
  one.write();
  loop_.advance(1s);
  EXPECT_EQ(one.last(), "unavailable: connection to wire lost: End of file");
  EXPECT_EQ(wire_.seen.size(), 1u);
}

TEST_F(BusTest, IdleConnectionThatIsClosedIsNobodysFailure) {
  warm_up();
  line_->cut();
  Asker& one = asker(1);
  one.ask();
  loop_.advance(1s);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_EQ(bus_.counters().losses, 0u);
  EXPECT_EQ(wire_.connects, 2);
}

TEST_F(BusTest, WhatWaitsGoesOutOnTheNextConnection) {
  wire_.cut_next = 1;
  asker(1).ask();
  asker(2).ask();
  asker(3).ask();
  loop_.advance(1s);
  EXPECT_THAT(askers_[0]->last(), StartsWith("unavailable: connection to wire lost"));
  EXPECT_EQ(askers_[1]->last(), "ok");
  EXPECT_EQ(askers_[2]->last(), "ok");
}

TEST_F(BusTest, FailedConnectIsToldToAllAndNotRepeatedBeforeItsTime) {
  wire_.refusal = "cannot connect to tcp://gateway:502: Connection refused";
  Asker& one = asker(1);
  Asker& two = asker(2);
  one.ask();
  two.ask();
  loop_.advance(1ms);
  EXPECT_THAT(one.last(), StartsWith("unavailable: cannot connect to tcp://gateway:502: "
                                     "Connection refused; next try in 0."));
  EXPECT_EQ(two.last(), one.last());
  one.ask();
  loop_.advance(1ms);
  EXPECT_THAT(one.last(), HasSubstr("Connection refused; next try in 0."));
  EXPECT_EQ(wire_.connects, 1);
  loop_.advance(600ms);
  wire_.refusal.clear();
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.last(), "ok");
}

TEST_F(BusTest, ReconnectsGetRarerButNeverRarerThanThirtySeconds) {
  wire_.refusal = "refused";
  Asker& one = asker(1, 10ms);
  one.ask();
  loop_.advance(1min);
  EXPECT_LE(wire_.connects, 9);
  const int before = wire_.connects;
  loop_.advance(5min);
  EXPECT_GE(wire_.connects - before, 10);
  EXPECT_LE(wire_.connects - before, 16);
  wire_.refusal.clear();
  loop_.advance(30s);
  EXPECT_EQ(one.last(), "ok");
}

TEST_F(BusTest, GatewayThatTakesConnectionsAndDropsThemIsNotAskedInACircle) {
  wire_.cut_at_once = true;
  bus_.join({100ms, 0ms});
  Asker& one = asker(1);
  one.ask();
  loop_.advance(400ms);
  EXPECT_EQ(wire_.connects, Bus::max_barren);
  EXPECT_THAT(one.last(), HasSubstr("lost: End of file; next try in 0."));
}

TEST_F(BusTest, ConnectionThatStaysSilentIsMadeAnew) {
  warm_up();
  wire_.dead = {1, 2, 3};
  for (const int unit : {1, 2, 3, 4}) asker(unit).ask();
  loop_.advance(10s);
  EXPECT_EQ(wire_.closes, 1);
  EXPECT_EQ(wire_.connects, 2);
  EXPECT_EQ(askers_.back()->last(), "ok");
}

TEST_F(BusTest, NonsenseEndsTheConnectionAndTheNextReadWorks) {
  wire_.is_nonsense = true;
  Asker& one = asker(1);
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.outcomes.back().code(), Code::malformed);
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_EQ(wire_.connects, 2);
}

// ---- back-up -----------------------------------------------------------------------------------

TEST_F(BusTest, BackupIsTriedAtOnceAndThePrimaryAgainWhenTheBackupIsLost) {
  wire_.refusal = "cannot connect to a: refused";
  Asker one(loop_, with_backup_, 1);
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_THAT(with_backup_.describe(), HasSubstr("tcp://a:502: connected to back-up tcp://b:502"));
  wire_.refusal.clear();
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(other_wire_.seen.size(), 2u);
  other_line_->cut();
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.last(), "ok");
  EXPECT_EQ(wire_.seen.size(), 1u);
}

TEST_F(BusTest, BothReasonsAreNamedWhenNeitherConnects) {
  wire_.refusal = "cannot connect to a: refused";
  other_wire_.refusal = "cannot connect to b: no route";
  Asker one(loop_, with_backup_, 1);
  for (int i = 0; i < 3; ++i) {
    one.ask();
    loop_.advance(10s);
    EXPECT_THAT(one.last(), StartsWith("unavailable: cannot connect to a: refused; cannot connect "
                                       "to b: no route; next try in "));
  }
}

// ---- listening ---------------------------------------------------------------------------------

TEST_F(BusTest, DeviceThatDialsInIsReadAtOnce) {
  wire_.listens = true;
  Asker& one = asker(1);
  for (int i = 0; i < 8; ++i) one.ask(), loop_.advance(1s);
  EXPECT_THAT(one.last(), StartsWith("unavailable: nobody has dialled in; next try in"));
  line_->dialled();
  one.ask();
  loop_.advance(20ms);
  EXPECT_EQ(one.last(), "ok");
}

// ---- pace --------------------------------------------------------------------------------------

TEST_F(BusTest, PaceIsTheSlowestWishOfThoseWhoAreThere) {
  bus_.join({50ms, 0ms});
  bus_.join({20ms, 30ms});
  asker(1).ask();
  asker(2).ask();
  loop_.advance(1s);
  ASSERT_EQ(wire_.seen.size(), 2u);
  EXPECT_EQ(wire_.seen[0].at.time_since_epoch(), wire_.connect_time + 50ms);
  EXPECT_EQ(wire_.seen[1].at - wire_.seen[0].at, wire_.latency + 30ms);
  bus_.leave({20ms, 30ms});
  asker(1).ask();
  asker(2).ask();
  loop_.advance(1s);
  EXPECT_EQ(wire_.seen[3].at - wire_.seen[2].at, wire_.latency);
}

TEST_F(BusTest, PauseHoldsAfterATimeoutAndForWritesToo) {
  bus_.join({0ms, 40ms});
  wire_.dead = {1};
  asker(1).ask();
  loop_.advance(500ms);
  asker(2).write();
  loop_.advance(2s);
  ASSERT_EQ(wire_.seen.size(), 2u);
  EXPECT_EQ(wire_.seen[1].at - wire_.seen[0].at, 1000ms + 40ms);
}

// ---- everything at once ------------------------------------------------------------------------

TEST_F(BusTest, EveryRequestIsAnsweredOnceWhateverTheWireDoes) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Wire wire;
    Bus bus(loop_, {way("a", wire), way("b", wire)});
    std::vector<std::unique_ptr<Asker>> all;
    std::vector<int> asked(20, 0);
    for (int i = 0; i < 20; ++i) {
      all.push_back(std::make_unique<Asker>(loop_, bus, 1 + i / 2));
      all.back()->transaction->retries = static_cast<std::uint8_t>(random.number(0, 2));
    }
    for (int step = 0; step < 2000; ++step) {
      const std::size_t at = random.number(0, 19);
      if (all[at]->outcomes.size() == static_cast<std::size_t>(asked[at])) {
        ++asked[at];
        random.chance(0.2) ? all[at]->write() : all[at]->ask();
      }
      if (random.chance(0.02)) wire.dead = {static_cast<int>(random.number(1, 12))};
      if (random.chance(0.02)) wire.cut_next = static_cast<int>(random.number(0, 3));
      if (random.chance(0.02)) wire.refusal = random.chance(0.3) ? "refused" : "";
      if (random.chance(0.02)) wire.cut_at_once = random.chance(0.2);
      if (random.chance(0.02)) wire.is_nonsense = true;
      loop_.advance(milliseconds(random.number(0, 60)));
    }
    wire.refusal.clear();
    wire.cut_at_once = false;
    loop_.advance(10min);
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i]->outcomes.size(), static_cast<std::size_t>(asked[i]));
      EXPECT_FALSE(all[i]->called_within_send);
    }
  }
}

TEST_F(BusTest, IdleBusIsSmall) { EXPECT_LE(sizeof(Bus), 640u); }

}  // namespace
}  // namespace modbus_test

// Cycles against a device in memory: some addresses are refused or leave the request unanswered.
#include "modbus/planner.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "modbus/points.hpp"
#include "modbus/random.hpp"

namespace modbus {
namespace {

using base::Code;
using base::Status;
using modbus_test::Random;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<Layout> layout_of(const mapper::Target& target, Limits limits = {}) {
  std::vector<base::Result<Place>> places;
  for (const mapper::Point& point : target.points) places.push_back(parse_place(point));
  return std::make_shared<Layout>(target.points, std::move(places), std::move(limits));
}

mapper::Target registers(const std::vector<int>& offsets) {
  std::vector<mapper::Point> points;
  for (const int offset : offsets) {
    points.push_back(
        modbus_test::point(dmi::Type::integer, modbus_test::at("HoldingRegister", offset)));
  }
  return modbus_test::target_of(std::move(points));
}

std::vector<int> upto(int count) {
  std::vector<int> offsets;
  for (int i = 0; i < count; ++i) offsets.push_back(i);
  return offsets;
}

class PlannerTest : public ::testing::Test {
 protected:
  void use(const std::vector<int>& offsets, Limits limits = {}, std::uint32_t first = 0) {
    target_ = registers(offsets);
    layout_ = layout_of(target_, std::move(limits));
    planner_ = std::make_unique<Planner>(layout_, first);
  }

  // One cycle over batch as a driver does it; "ok" or the status of every point, by position.
  void cycle(std::vector<mapper::Reading> batch) {
    asked_.clear();
    timeouts_ = 0;
    said_.assign(batch.size(), "");
    planner_->begin(batch, now_);
    for (const std::uint32_t at : planner_->left_out()) {
      said_[at] = planner_->why_left_out(at).to_string();
    }
    while (const Planner::Block* block = planner_->next()) {
      asked_.push_back(block->range.to_string());
      const std::vector<std::uint32_t> members(block->members.begin(), block->members.end());
      std::optional<Status> status;
      if (hit(silent_, block->range)) {
        ++timeouts_;
        status = planner_->silent(Status(Code::timeout, "no answer"));
      } else if (hit(refused_, block->range) || block->range.count > longest_) {
        status = planner_->refused(Status(Code::refused, "no such address"), true);
        if (!status) continue;
      } else {
        planner_->answered();
        status = Status();
      }
      for (const std::uint32_t at : members) said_[at] = status->to_string();
    }
  }
  void cycle() {
    cycle(modbus_test::batch_of(target_));
    now_ += 1s;
  }
  bool hit(const std::set<std::uint32_t>& addresses, const Range& range) const {
    const auto first = addresses.lower_bound(range.first);
    return dead_ || (first != addresses.end() && *first < range.end());
  }
  std::size_t good() const {
    return static_cast<std::size_t>(std::ranges::count(said_, std::string("ok")));
  }

  mapper::Target target_;
  std::shared_ptr<Layout> layout_;
  std::unique_ptr<Planner> planner_;
  base::SteadyTime now_{};
  std::set<std::uint32_t> refused_;
  std::set<std::uint32_t> silent_;
  std::uint32_t longest_ = 2000;
  bool dead_ = false;

  std::vector<std::string> asked_;
  std::vector<std::string> said_;
  int timeouts_ = 0;
};

TEST_F(PlannerTest, DevicesWithEqualPlacesShareOneLayoutAndItsPlans) {
  Layouts layouts;
  const auto one = layouts.share(*layout_of(registers(upto(10))));
  EXPECT_EQ(layouts.share(*layout_of(registers(upto(10)))), one);
  EXPECT_NE(layouts.share(*layout_of(registers(upto(11)))), one);
  Limits limits;
  limits.max_gap = 3;
  EXPECT_NE(layouts.share(*layout_of(registers(upto(10)), limits)), one);
}

TEST_F(PlannerTest, SamePointsGetTheSamePlanWithoutPlanningAgain) {
  use(upto(10));
  auto all = modbus_test::batch_of(target_);
  const auto first = layout_->plan(all);
  EXPECT_EQ(layout_->plan(all), first);
  EXPECT_NE(layout_->plan(std::span(all).first(3)), first);
  EXPECT_EQ(layout_->plan(all), first);
}

TEST_F(PlannerTest, GoodPointsOfARefusedBlockHaveTheirValuesInTheSameCycle) {
  use(upto(64));
  refused_ = {37};
  cycle();
  EXPECT_EQ(good(), 63u);
  EXPECT_EQ(said_[37], "refused: no such address; quarantined, asked again after 1 min");
  // The block, and two halves in each of log2(64) rounds.
  EXPECT_EQ(asked_.size(), 1u + 2 * 6);
}

TEST_F(PlannerTest, AQuarantinedPointIsNotReadButItsStatusStands) {
  use(upto(64));
  refused_ = {37};
  cycle();
  const std::string status = said_[37];
  cycle();
  EXPECT_THAT(asked_, ElementsAre("holding 0..36", "holding 38..63"));
  EXPECT_EQ(said_[37], status);
  EXPECT_EQ(planner_->quarantined(), 1u);
}

TEST_F(PlannerTest, AQuarantinedPointIsAskedAgainAloneAfterOneTwoFourUpToSixtyMinutes) {
  use(upto(8));
  refused_ = {3};
  cycle();
  std::vector<std::int64_t> minutes;
  base::SteadyTime last = now_ - 1s;
  for (int second = 0; second < 5 * 3600; ++second) {
    const base::SteadyTime time = now_;
    cycle();
    if (std::ranges::find(asked_, "holding 3") == asked_.end()) continue;
    minutes.push_back(std::chrono::round<std::chrono::minutes>(time - last).count());
    last = time;
  }
  EXPECT_THAT(minutes, ElementsAre(1, 2, 4, 8, 16, 32, 60, 60, 60));
  EXPECT_THAT(said_[3], HasSubstr("asked again after 60 min"));
}

TEST_F(PlannerTest, AMendedPointIsReadWithTheOthersAgain) {
  use(upto(8));
  refused_ = {3, 6};
  cycle();
  refused_.clear();
  now_ += 1min;
  cycle();
  EXPECT_EQ(good(), 8u);
  cycle();
  EXPECT_THAT(asked_, ElementsAre("holding 0..7"));
}

TEST_F(PlannerTest, OnlyOneVainQuestionIsAskedInACycle) {
  use(upto(30));
  refused_ = {3, 13, 23};
  cycle();
  now_ += 1min;
  cycle();
  EXPECT_EQ(asked_.size(), 4u + 1u);
}

TEST_F(PlannerTest, AnAddressInAGapIsLearntOnceAndNotReadAcross) {
  use({0, 1, 2, 7, 8, 9});
  refused_ = {5};
  cycle();
  EXPECT_EQ(good(), 6u);
  EXPECT_THAT(asked_, ElementsAre("holding 0..9", "holding 0..2", "holding 7..9"));
  cycle();
  EXPECT_THAT(asked_, ElementsAre("holding 0..2", "holding 7..9"));
  EXPECT_EQ(planner_->quarantined(), 0u);
  refused_.clear();
  now_ += Planner::barrier_window;
  cycle();
  EXPECT_THAT(asked_, ElementsAre("holding 0..9"));
}

TEST_F(PlannerTest, ADeviceThatAnswersLessThanItsLimitIsFoundOut) {
  use(upto(100));
  longest_ = 32;
  for (int i = 0; i < 3; ++i) {
    cycle();
    EXPECT_EQ(good(), 100u);
  }
  EXPECT_EQ(asked_.size(), 4u);
}

TEST_F(PlannerTest, AThousandWrongPointsAreFoundOverSeveralCycles) {
  use(upto(1000));
  for (std::uint32_t address = 500; address < 1000; ++address) refused_.insert(address);
  cycle();
  EXPECT_LE(asked_.size(), 8u + Planner::max_halvings);
  int cycles = 1;
  while (planner_->quarantined() < 500 && cycles < 100) {
    cycle();
    EXPECT_GE(good(), 400u);
    ++cycles;
  }
  EXPECT_LE(cycles, 40);
  cycle();
  EXPECT_EQ(good(), 500u);
}

// Whatever addresses are refused: every point that can be read is, in every cycle; every other one
// says why.
TEST_F(PlannerTest, EveryReadablePointHasAValueInEveryCycle) {
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    Random random(seed);
    std::set<int> offsets;
    const std::uint32_t space = random.number(10, 200);
    for (std::uint32_t i = random.number(1, 40); i > 0; --i) {
      offsets.insert(static_cast<int>(random.number(0, space)));
    }
    const std::vector<int> sorted(offsets.begin(), offsets.end());
    use(sorted);
    refused_.clear();
    for (std::uint32_t i = random.number(0, 5); i > 0; --i) {
      refused_.insert(random.number(0, space));
    }
    for (int round = 0; round < 5; ++round) {
      cycle();
      for (std::size_t i = 0; i < sorted.size(); ++i) {
        const bool bad = refused_.contains(static_cast<std::uint32_t>(sorted[i]));
        ASSERT_EQ(said_[i] == "ok", !bad) << "seed " << seed << " point " << i << said_[i];
        ASSERT_NE(said_[i], "") << "seed " << seed;
      }
      now_ += std::chrono::seconds(random.number(0, 200));
    }
    ASSERT_LE(asked_.size(), sorted.size() + 2) << "seed " << seed;
  }
}

Limits of_sixteen() {
  Limits limits;
  limits.max_registers = 16;
  return limits;
}

TEST_F(PlannerTest, ASilentBlockCostsOneTimeoutPerCycleAndTheOthersAreRead) {
  use(upto(64), of_sixteen());
  silent_ = {20};
  cycle();
  for (int i = 0; i < 20 && planner_->quarantined() == 0; ++i) {
    EXPECT_LE(timeouts_, 1);
    EXPECT_GE(good(), 48u) << i;
    cycle();
  }
  EXPECT_EQ(said_[20], "timeout: no answer; quarantined, asked again after 1 min");
  EXPECT_EQ(planner_->quarantined(), 1u);
  cycle();
  EXPECT_EQ(timeouts_, 0);
  EXPECT_EQ(good(), 63u);
}

TEST_F(PlannerTest, ASilentPointIsFoundInAsManyCyclesAsHalvingNeeds) {
  use(upto(64), of_sixteen());
  silent_ = {20};
  int cycles = 0;
  for (; planner_->quarantined() == 0 && cycles < 50; ++cycles) cycle();
  // Once, once more in case it was noise, then one of 8, 4, 2, 1.
  EXPECT_LE(cycles, 2 + 4);
}

TEST_F(PlannerTest, OneLostAnswerIsForgivenWithoutHalving) {
  use(upto(64), of_sixteen());
  cycle();
  silent_ = {20};
  cycle();
  EXPECT_EQ(good(), 48u);
  silent_.clear();
  cycle();
  EXPECT_EQ(good(), 64u);
  cycle();
  EXPECT_EQ(asked_.size(), 4u);
}

TEST_F(PlannerTest, ASilentAddressInAGapIsReadAroundAfterwards) {
  use({0, 1, 4, 5, 40}, of_sixteen(), 1);
  silent_ = {3};
  for (int i = 0; i < 6; ++i) cycle();
  EXPECT_EQ(good(), 5u);
  EXPECT_EQ(timeouts_, 0);
  EXPECT_THAT(asked_, ElementsAre("holding 0..1", "holding 4..5", "holding 40"));
}

TEST_F(PlannerTest, ADeadUnitCostsOneTimeoutWhenItNeverAnswered) {
  use(upto(64), of_sixteen());
  dead_ = true;
  cycle();
  EXPECT_TRUE(planner_->gave_up());
  EXPECT_FALSE(planner_->heard());
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(planner_->quarantined(), 0u);
}

TEST_F(PlannerTest, AUnitThatDiesCostsTwoTimeouts) {
  use(upto(64), of_sixteen());
  cycle();
  dead_ = true;
  cycle();
  EXPECT_TRUE(planner_->gave_up());
  EXPECT_EQ(asked_.size(), 2u);
}

TEST_F(PlannerTest, ADeviceWhoseFirstBlockIsSilentIsReachedByBeginningWithAnother) {
  use(upto(64), of_sixteen(), 1);
  silent_ = {3};
  cycle();
  EXPECT_THAT(asked_,
              ElementsAre("holding 16..31", "holding 32..47", "holding 48..63", "holding 0..15"));
  EXPECT_FALSE(planner_->gave_up());
  EXPECT_EQ(good(), 48u);
  cycle();
  EXPECT_EQ(asked_.front(), "holding 16..31");
  EXPECT_EQ(good(), 48u);
}

TEST_F(PlannerTest, WhereEverythingIsQuarantinedOnePointIsAskedInEveryCycle) {
  use(upto(4));
  refused_ = {0, 1, 2, 3};
  cycle();
  EXPECT_EQ(planner_->quarantined(), 4u);
  cycle();
  EXPECT_EQ(asked_.size(), 1u);
  refused_.clear();
  cycle();
  EXPECT_EQ(good(), 4u);
}

TEST_F(PlannerTest, PointsThatAreNotDueStayAsTheyAre) {
  use(upto(16));
  refused_ = {3};
  cycle();
  const auto all = modbus_test::batch_of(target_);
  std::vector<mapper::Reading> some(all.begin(), all.begin() + 2);
  now_ += 2min;
  cycle(some);
  EXPECT_THAT(asked_, ElementsAre("holding 0..1"));
  EXPECT_EQ(planner_->quarantined(), 1u);
}

TEST_F(PlannerTest, PlacesBeyondTheLimitsOrForbiddenAreErrorsOfTheirOwn) {
  Limits limits;
  limits.max_registers = 1;
  limits.forbidden = {{Table::holding, 5, 2}};
  mapper::Target target = registers({4, 6});
  target.points.push_back(
      modbus_test::point(dmi::Type::float32, modbus_test::at("HoldingRegister", 8)));
  target.points[2].index = 2;
  const auto layout = layout_of(target, limits);
  EXPECT_TRUE(layout->place(0).ok());
  EXPECT_THAT(layout->place(1).status().to_string(),
              HasSubstr("offset: holding 6 is in forbidden holding 5..6"));
  EXPECT_THAT(layout->place(2).status().to_string(),
              HasSubstr("limit: 2 registers are above the device's maxRegisters 1"));
  EXPECT_EQ(layout->wrong(), 2u);
}

std::shared_ptr<Layout> pinned(const mapper::Target& target, Limits limits = {}) {
  std::vector<base::Result<Place>> places;
  for (const mapper::Point& point : target.points) {
    Place place = *parse_place(point);
    if (point.index < 2) place.pin = "pair";
    places.push_back(place);
  }
  return std::make_shared<Layout>(target.points, std::move(places), std::move(limits));
}

TEST_F(PlannerTest, APinThatDoesNotFitInOneRequestIsAnErrorOfItsPoints) {
  const auto layout = pinned(registers({0, 200, 300}));
  EXPECT_THAT(layout->place(0).status().to_string(),
              HasSubstr("pin: \"pair\" cannot be read in one request: 201 registers are above the "
                        "device's maxRegisters 125"));
  EXPECT_FALSE(layout->place(1).ok());
  EXPECT_TRUE(layout->place(2).ok());
}

TEST_F(PlannerTest, APinIsNeverHalved) {
  target_ = registers({0, 4, 2, 6});
  layout_ = pinned(target_);
  planner_ = std::make_unique<Planner>(layout_);
  refused_ = {4};
  cycle();
  EXPECT_THAT(said_[0], HasSubstr("quarantined"));
  EXPECT_EQ(said_[1], said_[0]);
  EXPECT_EQ(said_[2], "ok");
  EXPECT_EQ(said_[3], "ok");
  EXPECT_EQ(planner_->quarantined(), 2u);
}

}  // namespace
}  // namespace modbus

#include "dmi/twin.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <vector>

#include "dmi/reconcile.hpp"

namespace dmi {
namespace {

using base::Code;
using base::Status;
using std::chrono::seconds;
using Points = std::vector<std::size_t>;

const base::SteadyTime t0{};
const base::Time wall = base::from_ms(1000);

TEST(Twin, AcceptedWriteIsNotRepeatedWhenDeviceClamps) {
  Twin twin(1);
  twin.desire(0, Value(100.4));
  EXPECT_EQ(twin.pending(), Points{0});
  twin.accept(0, Value(100.4));
  twin.report(0, Sample(Value(100.0), wall), t0);
  EXPECT_TRUE(twin.pending().empty());
}

TEST(Twin, AnswerToAnOvertakenWishChangesNothing) {
  Twin twin(1);
  twin.desire(0, Value(1.0));
  twin.desire(0, Value(2.0));
  twin.accept(0, Value(1.0));
  EXPECT_EQ(twin.pending(), Points{0});
  EXPECT_FALSE(twin.observed(0));
  twin.refuse(0, Value(1.0), Status(Code::refused, "no"));
  EXPECT_TRUE(twin.refusal(0).ok());
}

TEST(Twin, RefusedStaysRefusedUntilDesiredChangesOrTheLinkReopens) {
  Twin twin(1);
  twin.desire(0, Value(1.0));
  twin.refuse(0, Value(1.0), Status(Code::out_of_range, "1 is above 0"));
  EXPECT_TRUE(twin.pending().empty());
  EXPECT_FALSE(twin.desire(0, Value(1.0)));
  EXPECT_TRUE(twin.pending().empty());
  twin.again(0);
  EXPECT_EQ(twin.pending(), Points{0});
  twin.refuse(0, Value(1.0), Status(Code::out_of_range, "1 is above 0"));
  twin.desire(0, Value(2.0));
  EXPECT_EQ(twin.pending(), Points{0});
  EXPECT_TRUE(twin.refusal(0).ok());
}

TEST(Twin, OverruledKeepsWhatWasAcceptedAndIsNotPendingUntilAccepted) {
  Twin twin(1);
  twin.desire(0, Value(100.4));
  EXPECT_FALSE(twin.settled(0));
  twin.accept(0, Value(100.4));
  twin.told(0, {});
  twin.overrule(0, Status(Code::conflict, "reads 100"));
  EXPECT_TRUE(twin.settled(0));
  EXPECT_EQ(twin.observed(0), Value(100.4));
  EXPECT_EQ(twin.refusal(0).code(), Code::conflict);
  EXPECT_TRUE(twin.pending().empty());
  EXPECT_EQ(twin.untold(), Points{0});
  twin.accept(0, Value(100.4));
  EXPECT_TRUE(twin.refusal(0).ok());
}

TEST(Twin, WriteThatTimedOutStaysPendingWithItsReason) {
  Twin twin(1);
  twin.desire(0, Value(1.0));
  twin.refuse(0, Value(1.0), Status(Code::timeout, "unit 7"));
  EXPECT_EQ(twin.pending(), Points{0});
  EXPECT_EQ(twin.refusal(0).code(), Code::timeout);
}

TEST(Twin, SameValueIsToldOnceThenAfterRefresh) {
  Twin twin(1);
  EXPECT_TRUE(twin.report(0, Sample(Value(1.0), wall), t0));
  twin.told(0, t0);
  EXPECT_FALSE(twin.report(0, Sample(Value(1.0), wall + seconds(1)), t0 + seconds(1)));
  EXPECT_TRUE(twin.report(0, Sample(Value(1.0), wall), t0 + Twin::refresh));
}

TEST(Twin, FailureIsTold) {
  Twin twin(1);
  twin.report(0, Sample(Value(1.0), wall), t0);
  twin.told(0, t0);
  EXPECT_TRUE(twin.report(0, Sample(Status(Code::timeout, "a"), wall), t0));
  twin.told(0, t0);
  EXPECT_FALSE(twin.report(0, Sample(Status(Code::timeout, "b"), wall), t0));
}

TEST(Twin, NewListenerHearsAllThatWasSeen) {
  Twin twin(3);
  twin.report(1, Sample(Value(true), wall), t0);
  twin.told(1, t0);
  twin.retell();
  EXPECT_EQ(twin.untold(), Points{1});
}

TEST(Twin, GivesBackWhatWasSeenOfEveryKind) {
  const std::vector<std::optional<Value>> kinds = {Value(true),        Value(std::int64_t{-7}),
                                                   Value(21.5),        Value(std::string("text")),
                                                   Value(Bytes{1, 2}), std::nullopt};
  Twin twin(1);
  EXPECT_FALSE(twin.is_reported(0));
  EXPECT_EQ(twin.reported(0), std::nullopt);
  for (const auto& one : kinds) {
    for (const auto& other : kinds) {
      for (const auto& value : {one, other, other}) {
        Sample sample(Status(value ? Code::ok : Code::timeout, "unit 7"), wall);
        sample.value = value;
        const Sample seen = sample;
        const auto before = twin.reported(0);
        const bool same = before && before->value == value;
        EXPECT_EQ(twin.report(0, std::move(sample), t0), !same);
        EXPECT_EQ(twin.reported(0), seen);
        twin.told(0, t0);
      }
    }
  }
}

TEST(Twin, KnowsNothingOfPointsThatNobodyDesired) {
  Twin twin(2);
  twin.desire(1, Value(1.0));
  EXPECT_FALSE(twin.desire(0, std::nullopt));
  twin.accept(0, Value(1.0));
  twin.refuse(0, Value(1.0), Status(Code::refused, "no"));
  twin.again(0);
  EXPECT_FALSE(twin.settled(0));
  EXPECT_EQ(twin.observed(0), std::nullopt);
  EXPECT_TRUE(twin.refusal(0).ok());
  EXPECT_EQ(twin.untold(), Points{1});
}

TEST(Twin, RefreshIsDueAlsoWhereTheMillisecondsOfTheClockWrap) {
  const base::SteadyTime late = t0 + std::chrono::milliseconds((std::int64_t{1} << 32) - 1000);
  Twin twin(1);
  twin.report(0, Sample(Value(1.0), wall), late);
  twin.told(0, late);
  EXPECT_FALSE(twin.report(0, Sample(Value(1.0), wall), late + seconds(59)));
  EXPECT_TRUE(twin.report(0, Sample(Value(1.0), wall), late + seconds(60)));
}

TEST(Reconcile, AppliedDifferenceLeavesNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 1000; ++round) {
    std::map<int, int> have, want;
    for (int i = 0; i < 8; ++i) {
      if (random() % 2) have[i] = static_cast<int>(random() % 3);
      if (random() % 2) want[i] = static_cast<int>(random() % 3);
    }
    const auto same = [](int a, int b) { return a == b; };
    const auto difference = reconcile(have, want, same);
    for (const int key : difference.remove) have.erase(key);
    for (const int key : difference.add) EXPECT_TRUE(have.emplace(key, want[key]).second);
    for (const int key : difference.change) have.at(key) = want[key];
    ASSERT_EQ(have, want) << "round " << round;
    ASSERT_TRUE(reconcile(have, want, same).empty());
  }
}

}  // namespace
}  // namespace dmi

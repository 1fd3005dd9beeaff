// Order, budget, pauses and failures of a replay, on virtual time.
#include "devicetwin/replay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/text.hpp"
#include "fixture.hpp"

namespace devicetwin {
namespace {

using base::cat;
using std::chrono::milliseconds;

class ReplayTest : public ::testing::Test {
 protected:
  Replay::Source source() {
    return {.read =
                [this](std::uint64_t after, std::size_t max_bytes, auto done) {
                  std::vector<Record> found;
                  std::size_t bytes = 0;
                  for (const auto& [number, record] : stored_) {
                    if (number <= after || bytes >= max_bytes) continue;
                    found.push_back(record);
                    bytes += record.payload.size() + Outbox::row_bytes;
                  }
                  loop_.post([done, found, broken = broken_] {
                    if (broken) return done(base::Status(base::Code::unavailable, "disk"));
                    done(found);
                  });
                },
            .acknowledge = [this](std::uint64_t up_to) { acknowledged_.push_back(up_to); }};
  }
  void make(Replay::Settings settings = {}) {
    replay_ = std::make_unique<Replay>(loop_, source(), settings,
                                       [this](const Record& record, Replay::Done done) {
                                         sent_.push_back(record.sequence);
                                         if (at_once_) return done(true);
                                         dones_[record.sequence] = std::move(done);
                                       });
  }
  void store(std::uint64_t count, std::size_t size = 10) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t number = stored_.empty() ? 1 : stored_.rbegin()->first + 1;
      stored_[number] = {number, 1, "t", std::string(size, 'x')};
    }
  }
  void finish(std::uint64_t number, bool delivered) {
    const auto node = dones_.extract(number);
    ASSERT_TRUE(node) << number;
    node.mapped()(delivered);
  }
  static std::vector<std::uint64_t> numbers(std::uint64_t from, std::uint64_t to) {
    std::vector<std::uint64_t> out;
    for (std::uint64_t i = from; i <= to; ++i) out.push_back(i);
    return out;
  }

  base::ManualLoop loop_;
  std::map<std::uint64_t, Record> stored_;
  std::vector<std::uint64_t> sent_;
  std::vector<std::uint64_t> acknowledged_;
  std::map<std::uint64_t, Replay::Done> dones_;
  bool at_once_ = true;
  bool broken_ = false;
  std::unique_ptr<Replay> replay_;
};

TEST_F(ReplayTest, NothingGoesBeforeResume) {
  make();
  store(3);
  replay_->wake();
  loop_.advance(std::chrono::seconds(10));
  EXPECT_TRUE(sent_.empty());
  replay_->resume();
  loop_.settle();
  EXPECT_EQ(sent_, numbers(1, 3));
  EXPECT_EQ(acknowledged_.back(), 3u);
}

TEST_F(ReplayTest, RecordsThatComeLaterFollowAtTheWake) {
  make();
  replay_->resume();
  loop_.settle();
  store(2);
  replay_->wake();
  loop_.settle();
  EXPECT_EQ(sent_, numbers(1, 2));
}

TEST_F(ReplayTest, NoMoreThanTheBudgetOfRecordsGoes) {
  make({.records_per_s = 100});
  store(10'000);
  replay_->resume();
  loop_.advance(std::chrono::seconds(10));
  EXPECT_LE(sent_.size(), 1010u);  // ten seconds and the burst of a tenth
  EXPECT_GE(sent_.size(), 950u);
  EXPECT_EQ(sent_, numbers(1, sent_.size()));
}

TEST_F(ReplayTest, NoMoreThanTheBudgetOfBytesGoesAlsoWithRecordsAboveIt) {
  make({.bytes_per_s = 1000});
  store(100, 5000 - Outbox::row_bytes - 1);
  replay_->resume();
  loop_.advance(std::chrono::seconds(50));
  EXPECT_GE(sent_.size(), 9u);
  EXPECT_LE(sent_.size(), 11u);
}

TEST_F(ReplayTest, NoMoreFlyThanAllowedAndAcknowledgedIsOnlyWhatHasNoHoleBefore) {
  at_once_ = false;
  make({.in_flight = 4});
  store(10);
  replay_->resume();
  loop_.settle();
  EXPECT_EQ(sent_, numbers(1, 4));
  finish(2, true);
  EXPECT_TRUE(acknowledged_.empty());
  finish(1, true);
  EXPECT_EQ(acknowledged_, std::vector<std::uint64_t>{2});
  EXPECT_EQ(sent_, numbers(1, 6));
}

TEST_F(ReplayTest, FailedRecordAndAllAfterItComeAgainInOrderAfterAWait) {
  at_once_ = false;
  make({.in_flight = 3});
  store(3);
  replay_->resume();
  loop_.settle();
  finish(1, true);
  finish(2, false);
  finish(3, true);
  sent_.clear();
  loop_.settle();
  EXPECT_TRUE(sent_.empty());
  loop_.advance(milliseconds(700));  // 500 ms and a fifth of jitter
  EXPECT_EQ(sent_, numbers(2, 3));
}

TEST_F(ReplayTest, AfterAPauseItGoesOnWithTheFirstNotAcknowledgedAndIgnoresLateAnswers) {
  at_once_ = false;
  make({.in_flight = 3});
  store(3);
  replay_->resume();
  loop_.settle();
  finish(1, true);
  replay_->pause();
  finish(2, true);
  EXPECT_EQ(acknowledged_, std::vector<std::uint64_t>{1});
  sent_.clear();
  replay_->resume();
  loop_.settle();
  EXPECT_EQ(sent_, numbers(2, 3));
}

TEST_F(ReplayTest, FileThatCannotBeReadIsTriedAgain) {
  broken_ = true;
  make();
  store(2);
  replay_->resume();
  loop_.settle();
  EXPECT_TRUE(sent_.empty());
  broken_ = false;
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(sent_, numbers(1, 2));
}

TEST_F(ReplayTest, SendAfterTheReplayIsGoneIsHarmless) {
  at_once_ = false;
  make();
  store(1);
  replay_->resume();
  loop_.settle();
  replay_.reset();
  finish(1, true);
  EXPECT_TRUE(acknowledged_.empty());
}

TEST_F(ReplayTest, WhateverFailsAndPausesEveryRecordIsDeliveredAndNoneAcknowledgedBefore) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  at_once_ = false;
  make({.in_flight = 5});
  store(200);
  std::set<std::uint64_t> delivered;
  replay_->resume();
  for (int step = 0; step < 20'000 && delivered.size() < 200; ++step) {
    loop_.advance(milliseconds(random() % 50));
    if (random() % 50 == 0) replay_->pause();
    if (random() % 5 == 0) replay_->resume();
    if (dones_.empty()) continue;
    auto some = dones_.begin();
    std::advance(some, random() % dones_.size());
    auto node = dones_.extract(some);
    const bool worked = random() % 8 != 0;
    if (worked) delivered.insert(node.key());
    node.mapped()(worked);
    if (!acknowledged_.empty()) {
      ASSERT_LE(acknowledged_.back(), delivered.size());
      ASSERT_TRUE(std::ranges::is_sorted(acknowledged_));
    }
  }
  EXPECT_EQ(delivered.size(), 200u);
}

class ReplayOfOutboxTest : public test::OutboxTest {};

TEST_F(ReplayOfOutboxTest, RestartGoesOnExactlyAfterTheLastAcknowledged) {
  std::vector<std::uint64_t> delivered;
  {
    auto outbox = open();
    for (int i = 1; i <= 10; ++i) outbox->append("mqtt", i, "t", cat(i));
    Replay replay(loop_, *outbox, "mqtt", {.in_flight = 1},
                  [&](const Record& record, Replay::Done done) {
                    if (delivered.size() == 4) return;  // the consumer never answers
                    delivered.push_back(record.sequence);
                    done(true);
                  });
    replay.resume();
    ASSERT_TRUE(test_support::wait_until([&] {
      loop_.advance(milliseconds(1));
      return delivered.size() == 4;
    }));
  }
  auto outbox = open();
  Replay replay(loop_, *outbox, "mqtt", {}, [&](const Record& record, Replay::Done done) {
    delivered.push_back(record.sequence);
    done(true);
  });
  replay.resume();
  ASSERT_TRUE(test_support::wait_until([&] {
    loop_.advance(milliseconds(1));
    return delivered.size() >= 10;
  }));
  EXPECT_EQ(delivered, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(outbox->counters("mqtt").waiting, 0u);
}

}  // namespace
}  // namespace devicetwin

// The queues on disk: numbers, acknowledgements, quotas, gaps.
#include "devicetwin/outbox.hpp"

#include <unistd.h>

#include <deque>
#include <random>

#include "fixture.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::Code;
using test_support::wait_until;

class OutboxTest : public test::OutboxTest {};

TEST_F(OutboxTest, WhatWasAppendedIsReadInOrderWithTimesAndAnyBytes) {
  auto outbox = open();
  const std::string bytes("\0\xff{}", 4);
  outbox->append("mqtt", 17, "a", "one");
  outbox->append("upload", 18, "u", "other");
  outbox->append("mqtt", 5, "b", bytes);
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0], (Record{1, 17, "a", "one"}));
  EXPECT_EQ(records[1], (Record{2, 5, "b", bytes}));
  EXPECT_EQ(read(*outbox, 0, "upload").at(0), (Record{1, 18, "u", "other"}));
}

TEST_F(OutboxTest, AppendedReachesTheDiskWithinTheWindowWithoutAFlush) {
  auto outbox = open();
  int written = 0;
  outbox->watch("mqtt", [&] { ++written; });
  outbox->append("mqtt", 1, "t", "p");
  EXPECT_TRUE(wait_until([&] {
    loop_.settle();
    return written == 1;
  }));
  EXPECT_EQ(read(*outbox).size(), 1u);
}

TEST_F(OutboxTest, QueueAndNumbersGoOnAfterARestart) {
  {
    auto outbox = open();
    for (int i = 1; i <= 5; ++i) outbox->append("mqtt", i, "t", cat(i));
    outbox->acknowledge("mqtt", 2);
  }
  auto outbox = open();
  outbox->append("mqtt", 6, "t", "6");
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  // The acknowledgement came before the records were on disk: it was for none of them.
  ASSERT_EQ(records.size(), 6u);
  EXPECT_EQ(records.back().sequence, 6u);
}

TEST_F(OutboxTest, AcknowledgedIsForgottenAndItsNumbersAreNotGivenAgain) {
  {
    auto outbox = open();
    for (int i = 1; i <= 5; ++i) outbox->append("mqtt", i, "t", cat(i));
    ASSERT_TRUE(flush(*outbox).ok());
    outbox->acknowledge("mqtt", 5);
    ASSERT_TRUE(flush(*outbox).ok());
    EXPECT_TRUE(read(*outbox).empty());
    EXPECT_EQ(outbox->counters("mqtt").acknowledged, 5u);
  }
  auto outbox = open();
  outbox->append("mqtt", 6, "t", "6");
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(read(*outbox).at(0).sequence, 6u);
}

TEST_F(OutboxTest, ClockThatJumpsBackChangesNeitherNumbersNorOrder) {
  auto outbox = open();
  outbox->append("mqtt", 2'000'000, "t", "before");
  ASSERT_TRUE(flush(*outbox).ok());
  loop_.jump(-std::chrono::hours(24 * 365));
  outbox->append("mqtt", 1'000, "t", "after");
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].payload, "before");
  EXPECT_EQ(records[1].payload, "after");
  EXPECT_EQ(records[1].sequence, 2u);
  EXPECT_EQ(records[1].time_ms, 1'000);
}

TEST_F(OutboxTest, ReadStopsAtItsBytesAndGoesOnAfterANumber) {
  auto outbox = open();
  for (int i = 1; i <= 10; ++i) outbox->append("mqtt", i, "t", std::string(1000, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(read(*outbox, 0, "mqtt", 3000).size(), 3u);
  EXPECT_EQ(read(*outbox, 0, "mqtt", 1).size(), 1u);
  EXPECT_EQ(read(*outbox, 8).size(), 2u);
}

TEST_F(OutboxTest, OverTheQuotaTheOldestGoAndAGapTakesTheirPlace) {
  auto outbox = open(10 * (Outbox::row_bytes + 101));
  for (int i = 1; i <= 25; ++i) outbox->append("mqtt", 1000 + i, "t", std::string(100, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 10u);
  const Gap expected{.from = 1,
                     .to = 16,
                     .count = 16,
                     .at_least = false,
                     .bytes = 16 * 101,
                     .first_ms = 1001,
                     .last_ms = 1016,
                     .causes = Gap::quota};
  ASSERT_TRUE(records[0].gap.has_value());
  EXPECT_EQ(*records[0].gap, expected) << gap_text(*records[0].gap);
  EXPECT_EQ(records[1].sequence, 17u);
  EXPECT_EQ(outbox->counters("mqtt").dropped_quota, 16u);
}

TEST_F(OutboxTest, GapIsAcknowledgedLikeARecordAndInPart) {
  auto outbox = open(10 * (Outbox::row_bytes + 101));
  for (int i = 1; i <= 25; ++i) outbox->append("mqtt", i, "t", std::string(100, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(read(*outbox, 10).at(0).gap->from, 11u);
  EXPECT_EQ(read(*outbox, 10).at(0).gap->count, 6u);
  outbox->acknowledge("mqtt", 16);
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(read(*outbox).at(0).sequence, 17u);
}

TEST_F(OutboxTest, OverTheLimitOfAllTheLongestQueueGivesItsOldest) {
  auto outbox = open(1u << 20, 10 * (Outbox::row_bytes + 101));
  for (int i = 1; i <= 3; ++i) outbox->append("upload", i, "t", std::string(100, 'x'));
  for (int i = 1; i <= 25; ++i) outbox->append("mqtt", i, "t", std::string(100, 'x'));
  ASSERT_TRUE(flush(*outbox).ok());
  EXPECT_EQ(outbox->counters("upload").waiting, 3u);
  EXPECT_TRUE(read(*outbox).at(0).gap.has_value());
  EXPECT_LE(outbox->counters("upload").bytes + outbox->counters("mqtt").bytes,
            10 * (Outbox::row_bytes + 101));
}

TEST_F(OutboxTest, RecordThatIsTooLargeIsAGapOfOne) {
  auto outbox = open(8u << 20);
  outbox->append("mqtt", 1, "t", "one");
  outbox->append("mqtt", 2, "t", std::string(Outbox::max_record_bytes, 'x'));
  outbox->append("mqtt", 3, "t", "three");
  ASSERT_TRUE(flush(*outbox).ok());
  const auto records = read(*outbox);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].gap.value().causes, unsigned{Gap::size});
  EXPECT_EQ(records[1].gap->count, 1u);
  EXPECT_EQ(records[2].sequence, 3u);
  EXPECT_EQ(outbox->counters("mqtt").dropped_size, 1u);
}

TEST_F(OutboxTest, SecondProcessOnTheFolderIsTurnedAwayWithThePidOfTheFirst) {
  auto outbox = open();
  const auto second = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"mqtt", 1}}});
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_NE(second.status().text().find(cat("pid ", ::getpid())), std::string::npos);
}

// Against a queue that does the same in memory, one record after the other.
struct Model {
  std::uint64_t quota;
  std::uint64_t next = 1;
  std::deque<Record> rows = {};

  static std::uint64_t cost(const Record& record) {
    return 64 + (record.gap ? 0 : record.topic.size() + record.payload.size());
  }
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (const Record& row : rows) sum += cost(row);
    return sum;
  }
  void append(std::int64_t time_ms, const std::string& topic, const std::string& payload) {
    rows.push_back({next++, time_ms, topic, payload});
    while (bytes() > quota && !(rows.size() == 1 && rows.front().gap)) drop();
  }
  // The front record goes into the gap before it.
  void drop() {
    Gap gap;
    if (rows.front().gap) {
      gap = *rows.front().gap;
      rows.pop_front();
    } else {
      gap.from = rows.front().sequence;
      gap.first_ms = rows.front().time_ms;
    }
    const Record& gone = rows.front();
    gap.to = gone.sequence;
    gap.last_ms = gone.time_ms;
    ++gap.count;
    gap.bytes += gone.topic.size() + gone.payload.size();
    gap.causes = Gap::quota;
    rows.front() = {.sequence = gap.to, .gap = gap};
  }
  void acknowledge(std::uint64_t up_to) {
    while (!rows.empty() && rows.front().sequence <= up_to) rows.pop_front();
  }
};

TEST_F(OutboxTest, RandomAppendsAcknowledgementsAndRestartsAreAsInTheModel) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 5; ++round) {
    const std::uint64_t quota = 200 + random() % 3000;
    test_support::TempFolder folder;
    const auto make = [&] {
      auto made = Outbox::open(loop_, {.folder = folder.path(), .quotas = {{"mqtt", quota}}});
      EXPECT_TRUE(made.ok()) << made.status().text();
      return std::move(*made);
    };
    auto outbox = make();
    Model model{quota};
    for (int step = 0; step < 60; ++step) {
      for (auto count = random() % 12; count > 0; --count) {
        const auto time_ms = static_cast<std::int64_t>(1 + random() % 1000);
        const std::string topic(random() % 20, 't');
        const std::string payload(random() % 300, 'p');
        outbox->append("mqtt", time_ms, topic, payload);
        model.append(time_ms, topic, payload);
      }
      ASSERT_TRUE(flush(*outbox).ok());
      if (random() % 3 == 0) {
        const std::uint64_t up_to = model.next - std::min<std::uint64_t>(model.next, random() % 20);
        // In the middle of a gap nothing goes yet.
        outbox->acknowledge("mqtt", up_to);
        model.acknowledge(up_to);
        ASSERT_TRUE(flush(*outbox).ok());
      }
      if (random() % 10 == 0) {
        outbox.reset();
        outbox = make();
      }
      ASSERT_EQ(read(*outbox), std::vector<Record>(model.rows.begin(), model.rows.end()));
      ASSERT_EQ(outbox->counters("mqtt").bytes, model.bytes());
    }
  }
}

}  // namespace
}  // namespace devicetwin

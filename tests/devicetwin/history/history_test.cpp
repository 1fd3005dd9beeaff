#include "devicetwin/history.hpp"

#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "base/text.hpp"
#include "fixture.hpp"

namespace devicetwin::test {
namespace {

using base::cat;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const Json day = {{"historyAge", "24h"}};

TEST_F(HistoryTest, KeepsEveryChangeOfTheReportedValueWithItsQualityAndTimes) {
  make(day);
  report("20", 1000);
  report("20", 2000);
  report("21", 3000);
  report("", 4000, Status(Code::timeout, "unit 7 did not answer"));
  report("21", 5000);
  const auto page = ask();
  ASSERT_TRUE(page.ok()) << page.status().text();
  const std::int64_t now = now_ms();
  EXPECT_EQ(page->samples,
            (std::vector<HistorySample>{
                {1000, now, "20", "float", {}},
                {3000, now, "21", "float", {}},
                {4000, now, "", "float", Status(Code::timeout, "unit 7 did not answer")},
                {5000, now, "21", "float", {}}}));
  EXPECT_EQ(page->token, "");
}

TEST_F(HistoryTest, APropertyThatDoesNotAskKeepsNothingAndSaysHow) {
  make(day);
  report("7", 1000, {}, "count");
  const auto page = ask({.property = "count"});
  EXPECT_EQ(page.status().code(), Code::not_found);
  EXPECT_NE(page.status().text().find("historyAge"), std::string::npos) << page.status().text();
  EXPECT_EQ(history_->counters().changes, 0U);
  EXPECT_FALSE(std::filesystem::exists(settings_.file)) << "nothing is kept, nothing is written";
}

TEST_F(HistoryTest, APropertyThatAsksAndHasNoneYetIsEmptyAndNoMistake) {
  make(day);
  EXPECT_EQ(values(), Values());
}

TEST_F(HistoryTest, TheFlagKeepsEveryPropertyAndAKeyOfZeroExceptsOne) {
  settings_.everything = {3'600'000, 100};
  make({{"historyCount", 0}});
  report("20", 1000);
  report("7", 1000, {}, "count");
  EXPECT_EQ(values({.property = "count"}), Values{"7"});
  EXPECT_EQ(ask().status().code(), Code::not_found);
}

TEST_F(HistoryTest, DefaultsOfTheModelCount) {
  Json model = model_json();
  model["spec"]["properties"][0]["visitors"] = {{"protocolName", "modbus"},
                                                {"configData", {{"historyCount", 2}}}};
  make(nullptr, model);
  for (const char* value : {"1", "2", "3"}) report(value);
  EXPECT_EQ(values(), (Values{"2", "3"}));
}

TEST_F(HistoryTest, AKeyAddedLaterCountsFromThenOn) {
  make(nullptr);
  report("1");
  ASSERT_TRUE(update(asking(day)).ok());
  report("2");
  EXPECT_EQ(values(), Values{"2"});
}

TEST_F(HistoryTest, AWrongKeyIsCountedAndTheDeviceWorksOn) {
  make({{"historyAge", "yesterday"}});
  report("1");
  EXPECT_EQ(ask().status().code(), Code::not_found);
  EXPECT_EQ(history_->counters().wrong_rules, 1U);
  EXPECT_EQ(core_->rows(boiler_)->find("temperature")->actual.value, "1");
}

TEST_F(HistoryTest, OlderThanItsAgeIsNeverAnsweredAndLeavesTheFile) {
  make({{"historyAge", "1h"}});
  report("1");
  loop_.advance(minutes(40));
  report("2");
  loop_.advance(minutes(30));
  EXPECT_EQ(values(), Values{"2"});
  loop_.advance(seconds(10));
  EXPECT_TRUE(counted([](const auto& counters) { return counters.removed == 1; }));
  loop_.advance(hours(1));
  EXPECT_TRUE(counted([](const auto& c) { return c.removed == 2 && c.series == 0; }));
}

TEST_F(HistoryTest, KeepsTheNewestCountAndAtMostASixteenthMore) {
  make({{"historyCount", 32}});
  for (int i = 1; i <= 200; ++i) {
    report(cat(i));
    if (i % 7 != 0) continue;
    const Values kept = values();
    ASSERT_GE(kept.size(), static_cast<std::size_t>(std::min(i, 32)));
    ASSERT_LE(kept.size(), 34U);
    ASSERT_EQ(kept.back(), cat(i));
  }
}

TEST_F(HistoryTest, AClockThatJumpsBackLosesNothingAndKeepsTheOrderOfRetention) {
  make({{"historyAge", "1h"}, {"historyCount", 3}});
  report("1");
  report("2");
  loop_.jump(-hours(5));
  report("3");
  loop_.advance(seconds(10));
  EXPECT_EQ(values(), (Values{"3", "1", "2"})) << "by source time";
  report("4");
  EXPECT_EQ(values(), (Values{"3", "4", "2"})) << "what came first went, not what looks oldest";
}

TEST_F(HistoryTest, ACalendarOf1970PrunesNothing) {
  make({{"historyAge", "1h"}});
  report("1", 1000);
  set_clock(base::from_ms(20'000));
  report("2", 2000);
  loop_.advance(hours(5));
  EXPECT_EQ(values(), (Values{"1", "2"}));
  EXPECT_EQ(history_->counters().removed, 0U);
}

// Nobody knows when they came; the first later one that is over age says that they are, too.
TEST_F(HistoryTest, WhatCameIn1970IsKeptWhenTheClockIsSetAndGoesWithWhatCameAfterIt) {
  make({{"historyAge", "1h"}});
  const base::Time right = loop_.wall();
  set_clock(base::from_ms(20'000));
  report("1", 1000);
  set_clock(right);
  const auto page = ask();
  ASSERT_EQ(page.value().samples.size(), 1U);
  EXPECT_EQ(page->samples.front().came_ms, 0);
  loop_.advance(hours(5));
  EXPECT_EQ(values(), Values{"1"});
  report("2", 2000);
  start();
  loop_.advance(minutes(30));
  EXPECT_EQ(values(), (Values{"1", "2"}));
  loop_.advance(hours(5));
  EXPECT_TRUE(counted([](const auto& c) { return c.removed == 2 && c.series == 0; }));
}

TEST_F(HistoryTest, AMinuteOf2099WipesNothing) {
  make({{"historyAge", "24h"}});
  EXPECT_EQ(values(), Values());  // its thread has looked at the file, or there is none
  Values sent;
  for (int i = 0; i < 100; ++i) {
    report(cat(i), i);
    sent.push_back(cat(i));
    loop_.advance(minutes(10));
  }
  const base::Time right = loop_.wall();
  set_clock(base::from_ms(4'070'908'800'000));
  loop_.advance(minutes(1));
  EXPECT_EQ(values(), Values()) << "reading goes by the calendar";
  set_clock(right);
  loop_.advance(seconds(10));
  EXPECT_EQ(values(), sent);
  EXPECT_EQ(history_->counters().removed, 0U);
}

TEST_F(HistoryTest, WhatCameIn2099DoesNotKeepWhatCameAfterIt) {
  make({{"historyAge", "1h"}});
  const base::Time right = loop_.wall();
  report("1", 1);
  set_clock(base::from_ms(4'070'908'800'000));
  report("2", 2);
  set_clock(right);
  report("3", 3);
  EXPECT_EQ(values(), (Values{"1", "2", "3"}));
  loop_.advance(hours(2));
  EXPECT_TRUE(counted([](const auto& c) { return c.removed == 3 && c.series == 0; }));
}

TEST_F(HistoryTest, ANodeThatWasOffForAMonthIsLevelAfterHalfADay) {
  make({{"historyAge", "1h"}});
  report("1");
  stop();
  loop_.jump(hours(30 * 24));
  start();
  EXPECT_EQ(values(), Values()) << "never answered";
  loop_.advance(hours(12));
  EXPECT_TRUE(counted([](const auto& c) { return c.removed == 1; }));
}

TEST_F(HistoryTest, PagesJoinWithoutOverlapOverEqualTimesInBothOrders) {
  make(day);
  Values sent;
  for (int i = 0; i < 10; ++i) {
    report(cat(i), 1000 + i / 4);
    sent.push_back(cat(i));
  }
  for (const bool newest_first : {false, true}) {
    Values seen;
    HistoryQuery query{.limit = 3, .newest_first = newest_first};
    for (;;) {
      const auto page = ask(query);
      ASSERT_TRUE(page.ok());
      for (const HistorySample& sample : page->samples) seen.push_back(sample.value);
      if (page->token.empty()) break;
      EXPECT_EQ(page->samples.size(), 3U);
      query.token = page->token;
    }
    EXPECT_EQ(seen, sent);
    std::reverse(sent.begin(), sent.end());
  }
}

TEST_F(HistoryTest, FromIsInclusiveAndToIsExclusive) {
  make(day);
  for (int i = 1; i <= 5; ++i) report(cat(i), i * 1000);
  EXPECT_EQ(values({.from_ms = 2000, .to_ms = 4000}), (Values{"2", "3"}));
  EXPECT_EQ(values({.from_ms = 4000}), (Values{"4", "5"}));
  EXPECT_EQ(values({.to_ms = std::numeric_limits<std::int64_t>::min()}), Values());
}

TEST_F(HistoryTest, AnAnswerIsBoundedInBytesAndGoesOn) {
  make(day);
  const std::string big(10'000, 'x');
  Json model = model_json();
  model["spec"]["properties"][0]["type"] = "STRING";
  core_->update(Kind::device_model, model, 0, Origin::kubernetes, [](auto) {});
  loop_.settle();
  for (int i = 0; i < 5; ++i) report(cat(i, big), i);
  auto page = ask({.max_bytes = 25'000});
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->samples.size(), 2U);
  EXPECT_EQ(ask({.max_bytes = 1, .token = page->token})->samples.size(), 1U);
}

TEST_F(HistoryTest, WrongQueriesAreToldWhatIsWrong) {
  make(day);
  report("1");
  EXPECT_EQ(ask({.limit = 10'001}).status().code(), Code::out_of_range);
  EXPECT_EQ(ask({.limit = 0}).status().code(), Code::out_of_range);
  EXPECT_EQ(ask({.token = "nonsense"}).status().code(), Code::invalid);
  EXPECT_EQ(ask({.newest_first = true, .token = "a1.1"}).status().code(), Code::invalid);
  EXPECT_EQ(ask({.property = "nothing"}).status().code(), Code::not_found);
  remove();
  EXPECT_EQ(ask().status().code(), Code::not_found);
}

TEST_F(HistoryTest, TooManyQueriesAreRefusedAndCounted) {
  make(day);
  report("1");
  std::size_t good = 0, refused = 0;
  constexpr std::size_t asked = 5000;
  for (std::size_t i = 0; i < asked; ++i) {
    history_->query({.device = boiler_, .property = "temperature"}, [&](const auto& page) {
      ++(page.ok() ? good : refused);
      if (!page.ok()) {
        EXPECT_EQ(page.status().code(), Code::unavailable);
      }
    });
  }
  EXPECT_TRUE(wait_until([&] {
    loop_.settle();
    return good + refused == asked;
  }));
  EXPECT_EQ(history_->counters().refused_queries, refused);
  EXPECT_GE(good, History::max_queries);
}

TEST_F(HistoryTest, SurvivesARestart) {
  make(day);
  report("1");
  report("2");
  start();
  EXPECT_EQ(values(), (Values{"1", "2"}));
  report("3");
  EXPECT_EQ(values(), (Values{"1", "2", "3"}));
}

TEST_F(HistoryTest, DeletingADeviceDeletesItsHistory) {
  make(day);
  report("1");
  EXPECT_EQ(values(), Values{"1"});
  report("2");
  remove();
  ASSERT_TRUE(create(Kind::device, asking(day)).ok());
  EXPECT_EQ(values(), Values());
  report("3");
  EXPECT_EQ(values(), Values{"3"});
  EXPECT_EQ(history_->counters().removed, 2U);
}

TEST_F(HistoryTest, ADeviceDeletedWhileNobodyWroteItDownIsForgottenAtTheNextStart) {
  make(day);
  report("1");
  stop();
  const auto object = journal_.objects.extract({Kind::device, boiler_});
  start();
  EXPECT_TRUE(counted([](const auto& counters) { return counters.removed == 1; }));
  ASSERT_TRUE(create(Kind::device, asking(day)).ok());
  EXPECT_EQ(values(), Values());
}

TEST_F(HistoryTest, APropertyThatAsksNoMoreKeepsWhatItHasByTheRuleItHad) {
  make({{"historyAge", "1h"}});
  report("1");
  ASSERT_TRUE(update(asking(nullptr)).ok());
  report("2");
  start();
  EXPECT_EQ(values(), Values{"1"});
  loop_.advance(hours(2));
  EXPECT_TRUE(counted([](const auto& counters) { return counters.series == 0; }));
}

TEST_F(HistoryTest, PastTheQuotaTheOldestGoFirst) {
  settings_.quota_bytes = History::min_quota_bytes;
  Json model = model_json();
  model["spec"]["properties"][0]["type"] = "STRING";
  make({{"historyCount", 1'000'000}}, model);
  const std::string text(4000, 'x');
  const std::size_t fit = History::min_quota_bytes / text.size();
  const std::size_t reports = 2 * fit;
  for (std::size_t i = 0; i < reports; ++i) report(cat(i, '-', text));
  EXPECT_TRUE(counted([&](const auto& counters) {
    return counters.written == reports && counters.bytes <= settings_.quota_bytes;
  }));
  const auto page = ask({.limit = 10'000});
  ASSERT_TRUE(page.ok());
  ASSERT_GT(page->samples.size(), fit / 2);
  ASSERT_LT(page->samples.size(), fit);
  EXPECT_TRUE(page->samples.back().value.starts_with(cat(reports - 1, '-')));
  const std::size_t first = reports - page->samples.size();
  EXPECT_TRUE(page->samples.front().value.starts_with(cat(first, '-'))) << "no gap inside";
}

TEST_F(HistoryTest, ADamagedFileIsMovedAsideAndANewOneBegins) {
  make(day);
  report("1");
  stop();
  {
    std::fstream file(settings_.file, std::ios::in | std::ios::out | std::ios::binary);
    for (int i = 0; i < 4096 * 3; ++i) file.put('x');
  }
  start();
  report("2");
  EXPECT_EQ(values(), Values{"2"});
  EXPECT_TRUE(kept_aside());
}

// The index by time is whole, and so is what is read and written; nobody looks at the other table.
TEST_F(HistoryTest, DamageThatOnlyALookFindsIsFoundBehindAndANewFileBegins) {
  make(day);
  report("1");
  stop();
  const auto sql = [&](const std::string& text) {
    return test_support::run(
        {test_support::find_program("sqlite3"), settings_.file.string(), text});
  };
  ASSERT_EQ(sql("CREATE TABLE other(x); INSERT INTO other VALUES(1);").exit, 0);
  const auto root = sql("SELECT rootpage FROM sqlite_schema WHERE name='other'");
  {
    std::fstream file(settings_.file, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((std::stol(root.output) - 1) * 4096);
    file << std::string(4096, '\xa5');
  }
  settings_.check_after = std::chrono::milliseconds(0);
  start();
  EXPECT_TRUE(wait_until([&] { return kept_aside() && values().empty(); }));
  report("2");
  EXPECT_EQ(values(), Values{"2"});
}

TEST_F(HistoryTest, WhatWasThereBeforeTheStartIsCountedBehindAndThenKeptByItsCount) {
  make({{"historyCount", 32}});
  settings_.check_after = hours(1);
  start();
  report("0");
  EXPECT_EQ(values().size(), 1U);
  start();
  for (int i = 1; i <= 80; ++i) report(cat(i));
  EXPECT_EQ(values().size(), 81U) << "not counted yet";
  settings_.check_after = std::chrono::milliseconds(0);
  start();
  int next = 81;
  EXPECT_TRUE(wait_until([&] {
    report(cat(next++));
    return values().size() <= 34;
  }));
  EXPECT_EQ(values().back(), cat(next - 1));
}

TEST_F(HistoryTest, AFileThatCannotBeOpenedHurtsNoTwinAndIsTriedAgain) {
  std::filesystem::create_directory(settings_.file);
  make(day);
  report("1");
  report("2");
  EXPECT_TRUE(counted([](const auto& counters) { return counters.failures > 0; }));
  EXPECT_EQ(core_->rows(boiler_)->find("temperature")->actual.value, "2");
  EXPECT_EQ(ask().status().code(), Code::unavailable);
  std::filesystem::remove(settings_.file);
  EXPECT_TRUE(counted([](const auto& counters) { return counters.written == 2; }));
  EXPECT_EQ(values(), (Values{"1", "2"}));
}

TEST_F(HistoryTest, AFullDiskCostsTheOldestOfTheQueueAndItGoesOnWhenThereIsRoom) {
  make(day);
  report("1");
  Json model = model_json();
  model["spec"]["properties"][0]["type"] = "STRING";
  core_->update(Kind::device_model, model, 0, Origin::kubernetes, [](auto) {});
  loop_.settle();
  report("first");
  EXPECT_EQ(values().back(), "first");
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit full{std::filesystem::file_size(settings_.file), limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const std::string big(60'000, 'x');
  for (int i = 0; i < 1000; ++i) report(cat(i, big));
  EXPECT_TRUE(counted([](const auto& counters) { return counters.failures > 0; }));
  EXPECT_TRUE(core_->rows(boiler_)->find("temperature")->actual.value.starts_with("999"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(counted([](const auto& counters) {
    return counters.queued == 0 && counters.written + counters.dropped == counters.changes;
  }));
  EXPECT_GT(history_->counters().dropped, 500U);
  const Values kept = values({.limit = 1, .newest_first = true});
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_TRUE(kept.front().starts_with("999x"));
}

// Its turns are counted, not their time: a thread that does not sleep takes some ten thousand.
TEST_F(HistoryTest, AThreadWhoseDiskFailsSleepsUntilItsNextTry) {
  make(day);
  report("1");
  loop_.advance(History::sync);
  EXPECT_EQ(values(), Values{"1"});
  report("2");
  EXPECT_EQ(values(), (Values{"1", "2"})) << "written, and in no sync yet";
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit full{0, limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  loop_.advance(History::sync);  // which fails, and what comes next is due before the next try
  EXPECT_TRUE(counted([](const auto& counters) { return counters.failures == 1; }));
  report("3");
  EXPECT_TRUE(counted([](const auto& counters) { return counters.failures >= 2; }));
  const std::uint64_t turns = history_->counters().turns;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_LT(turns, 50U);
  EXPECT_TRUE(counted([](const auto& counters) { return counters.queued == 0; }));
  EXPECT_EQ(values(), (Values{"1", "2", "3"}));
}

}  // namespace
}  // namespace devicetwin::test

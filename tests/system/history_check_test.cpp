// Each rule catches the history that breaks it, and lets the nearest good one pass.
#include "system/history_check.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace system_test {
namespace {

using base::cat;

const std::string key = "boiler/setpoint";

struct Made : History {
  Made& write(const std::string& value, Micros start, Micros end, std::uint64_t version = 0,
              const std::string& to = key) {
    writes.push_back({to, value, "w", start, end, Answer::accepted, version});
    return *this;
  }
  Made& unanswered(const std::string& value, Micros start) {
    writes.push_back({key, value, "w", start, never, Answer::none, 0});
    return *this;
  }
  Made& refused(const std::string& value, Micros start, Micros end) {
    writes.push_back({key, value, "w", start, end, Answer::refused, 0});
    return *this;
  }
  Made& sight(const std::string& value, Micros start, Micros end, std::uint64_t version = 0) {
    sights.push_back({key, value, "r", start, end, version});
    return *this;
  }
  Made& actuated(const std::string& value, Micros when) {
    actuations.push_back({key, value, when});
    return *this;
  }
  Made& panel_set(const std::string& value, Micros when) {
    panel.push_back({key, value, when});
    return *this;
  }
  Made& fault(What what, Micros when) {
    faults.push_back({what, when});
    return *this;
  }
  Made& edge(std::int64_t version, Micros when) {
    edge_versions.push_back({key, version, when});
    return *this;
  }
  Made& end(const std::string& desired, const std::string& held) {
    ends.push_back({key, desired, held});
    return *this;
  }
};

// The rules that a history breaks, in order: "actuated once, …".
std::string broken(const History& history) {
  std::string names;
  for (const Violation& violation : check(history)) {
    names += cat(names.empty() ? "" : ", ", name(violation.rule));
  }
  return names;
}

TEST(HistoryCheck, OrdinaryHistoryBreaksNothing) {
  EXPECT_EQ(broken(Made()
                       .write("1", 10, 20, 5)
                       .actuated("1", 25)
                       .sight("1", 30, 35, 5)
                       .write("2", 40, 50, 6)
                       .actuated("2", 60)
                       .sight("2", 70, 80, 6)
                       .edge(1, 20)
                       .edge(2, 50)
                       .end("2", "2")),
            "");
}

TEST(HistoryCheck, WritesThatOverlapMayComeInAnyOrder) {
  EXPECT_EQ(broken(Made()
                       .write("1", 10, 30)
                       .write("2", 20, 25)
                       .actuated("2", 40)
                       .actuated("1", 50)
                       .end("1", "1")),
            "");
  EXPECT_EQ(broken(Made()
                       .write("1", 10, 30)
                       .write("2", 20, 25)
                       .actuated("1", 40)
                       .actuated("2", 50)
                       .end("2", "2")),
            "");
}

TEST(HistoryCheck, LaterWriteWithALowerVersion) {
  EXPECT_EQ(
      broken(Made().write("1", 10, 20, 6).write("2", 30, 40, 5).end("2", "2").actuated("2", 50)),
      "versions rise");
  EXPECT_EQ(broken(Made().write("1", 10, 20, 6).write("7", 30, 40, 5, "pump/speed")),
            "versions rise");
}

TEST(HistoryCheck, OneVersionGivenTwice) {
  EXPECT_EQ(broken(Made().write("1", 10, 20, 5).write("2", 15, 25, 5)), "versions rise");
}

TEST(HistoryCheck, VersionSeenFallsAfterACrash) {
  EXPECT_EQ(
      broken(Made().sight("", 1, 2, 9).fault(What::devicetwin_killed, 5).sight("", 10, 11, 8)),
      "versions rise");
  // Answers that overlap may arrive in any order.
  EXPECT_EQ(broken(Made().sight("", 1, 12, 9).sight("", 10, 11, 8)), "");
}

TEST(HistoryCheck, OneVersionWithTwoContents) {
  EXPECT_EQ(broken(Made().write("1", 10, 30).sight("", 12, 20, 5).sight("1", 13, 22, 5)),
            "versions rise");
}

TEST(HistoryCheck, EdgeVersionFalls) {
  EXPECT_EQ(broken(Made().edge(2, 10).edge(2, 20).edge(1, 30)), "edge versions rise");
}

TEST(HistoryCheck, ValueThatNobodyWrote) {
  EXPECT_EQ(broken(Made().sight("9", 10, 20)), "nothing is invented");
  EXPECT_EQ(broken(Made().actuated("9", 10)), "nothing is invented");
}

TEST(HistoryCheck, ValueBeforeItsWrite) {
  EXPECT_EQ(broken(Made().write("1", 10, 20).actuated("1", 5)), "nothing is invented");
}

TEST(HistoryCheck, RefusedValueTakesEffect) {
  EXPECT_EQ(broken(Made().refused("1", 10, 20).actuated("1", 30)), "nothing is invented");
  EXPECT_EQ(broken(Made().refused("1", 10, 20).sight("", 30, 31).end("", "0")), "");
}

TEST(HistoryCheck, AcceptedWriteIsForgottenByACrash) {
  Made history;
  history.write("1", 10, 20).write("2", 30, 40).fault(What::devicetwin_killed, 41);
  history.actuated("1", 25);
  EXPECT_EQ(broken(Made(history).end("1", "1")), "nothing accepted is lost");
  EXPECT_EQ(broken(Made(history).sight("1", 50, 60)), "nothing accepted is lost");
  EXPECT_EQ(broken(Made(history).sight("1", 35, 60)), "");  // asked before the answer
  EXPECT_EQ(broken(Made(history).end("2", "2").actuated("2", 60)), "");
}

TEST(HistoryCheck, UnansweredWriteMayWinLaterOrNever) {
  Made history;
  history.unanswered("1", 10).write("2", 30, 40);
  EXPECT_EQ(broken(Made(history).actuated("2", 45).end("2", "2")), "");
  EXPECT_EQ(broken(Made(history).actuated("1", 45).end("1", "1")), "");
}

TEST(HistoryCheck, UnansweredWriteThatWasSeenCountsFromThere) {
  EXPECT_EQ(broken(Made()
                       .unanswered("1", 10)
                       .sight("1", 12, 15)
                       .write("2", 30, 40)
                       .end("1", "1")
                       .actuated("1", 50)),
            "nothing accepted is lost");
  // What a device got was on disk: it cannot be forgotten either.
  EXPECT_EQ(
      broken(Made().write("1", 1, 2).unanswered("2", 10).actuated("2", 12).sight("1", 20, 25)),
      "nothing accepted is lost");
}

TEST(HistoryCheck, ReplacedValueIsSeenAgain) {
  Made history;
  history.unanswered("1", 1).unanswered("2", 1);
  EXPECT_EQ(broken(Made(history).sight("1", 2, 3).sight("2", 4, 5).sight("1", 6, 7)),
            "what was seen never goes back");
  EXPECT_EQ(broken(Made(history).sight("1", 2, 3).sight("2", 4, 5).sight("2", 6, 7)), "");
  // In order of versions, although the answers overlap.
  EXPECT_EQ(broken(Made(history).sight("1", 2, 9, 4).sight("2", 2, 9, 5).sight("1", 2, 9, 6)),
            "what was seen never goes back");
}

TEST(HistoryCheck, ValueIsActuatedTwice) {
  Made history;
  history.write("1", 10, 20).actuated("1", 30).actuated("1", 40);
  EXPECT_EQ(broken(history), "actuated once");
  EXPECT_EQ(broken(Made(history).fault(What::mapper_killed, 35)), "actuated once");
  EXPECT_EQ(broken(Made(history).panel_set("7", 35)), "actuated once");  // overridden stays so
  EXPECT_EQ(broken(Made(history).panel_set("7", 35).fault(What::devicetwin_killed, 36)),
            "actuated once");
  // Decision 0005: the device lost it, and the mapper its memory.
  EXPECT_EQ(broken(Made(history).panel_set("7", 35).fault(What::mapper_killed, 36)), "");
  EXPECT_EQ(broken(Made(history).panel_set("7", 35).fault(What::link_lost, 35)), "");
}

TEST(HistoryCheck, CommandIsNeverRepeated) {
  Made history;
  history.commands.insert(key);
  history.write("1", 10, 20).actuated("1", 30);
  EXPECT_EQ(broken(Made(history).end("1", "0")), "");  // the register need not show it
  EXPECT_EQ(
      broken(Made(history).panel_set("0", 33).fault(What::mapper_killed, 35).actuated("1", 40)),
      "actuated once");
}

TEST(HistoryCheck, OlderValueIsActuatedAfterANewerOne) {
  EXPECT_EQ(
      broken(Made().write("1", 10, 20).write("2", 30, 40).actuated("2", 45).actuated("1", 50)),
      "actuated in order");
  EXPECT_EQ(broken(Made()
                       .write("1", 10, 30)
                       .write("2", 20, 40)
                       .actuated("1", 45)
                       .actuated("2", 50)
                       .actuated("1", 55)),
            "actuated once, actuated in order");
}

TEST(HistoryCheck, DeviceIsLeftWithSomethingElse) {
  Made history;
  history.write("1", 10, 20).actuated("1", 30).write("2", 40, 50);
  EXPECT_EQ(broken(Made(history).end("2", "1")), "the device follows");
  EXPECT_EQ(broken(Made(history).actuated("2", 60).panel_set("7", 70).end("2", "7")), "");
  EXPECT_EQ(broken(Made(history).panel_set("7", 70).end("2", "7")), "the device follows");
}

TEST(HistoryCheck, NextRoundKnowsWhatStillCounts) {
  Made first;
  first.write("1", 10, 20, 5).unanswered("2", 25).write("3", 30, 40, 6).actuated("1", 22);
  first.actuated("3", 50).sight("3", 60, 61, 6).edge(4, 45).end("3", "3");
  ASSERT_EQ(broken(first), "");
  Made second;
  static_cast<History&>(second) = carried_over(first, 100);
  EXPECT_EQ(second.writes.size(), 2u);
  EXPECT_EQ(broken(Made(second).end("3", "3")), "");
  EXPECT_EQ(broken(Made(second).actuated("3", 110)), "actuated once");
  EXPECT_EQ(broken(Made(second).edge(3, 110)), "edge versions rise");
  EXPECT_EQ(broken(Made(second).sight("3", 110, 111, 4)), "versions rise");
  EXPECT_EQ(broken(Made(second).sight("2", 110, 111).end("2", "2").actuated("2", 120)), "");
  EXPECT_EQ(broken(Made(second).write("4", 110, 120).end("3", "3")), "nothing accepted is lost");
}

TEST(HistoryCheck, FindingsAreBoundedAndTheHistoryIsReadable) {
  Made history;
  for (int i = 0; i < 100; ++i) history.actuated(cat(i), i + 1);
  EXPECT_EQ(check(history, 7).size(), 7u);
  EXPECT_EQ(
      to_text(
          Made().write("1", 1000, 2500, 5).actuated("1", 3000).fault(What::mapper_killed, 4000)),
      "1.0 ms  boiler/setpoint w writes 1\n"
      "2.5 ms  boiler/setpoint w 1 accepted, version 5\n"
      "3.0 ms  boiler/setpoint ACTUATED 1\n"
      "4.0 ms  ---- mapper killed ----\n");
}

}  // namespace
}  // namespace system_test

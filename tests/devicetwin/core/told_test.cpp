// What is told: in order, never ahead of the disk, and in the end what is. Flushes are held here
// as long as a test wants.
#include <gmock/gmock.h>

#include "devicetwin/core/fixture.hpp"

namespace devicetwin::test {
namespace {

class Told : public CoreTest {
 protected:
  Told() {
    make_boiler();
    journal_.held = true;
  }
  void report(const std::string& value) {
    core_.update_twin(boiler_, actual("temperature", value), Origin::mapper, [](const auto&) {});
  }
  void desire(const std::string& name, const std::string& value) {
    core_.update_twin(boiler_, expected(name, value), Origin::mqtt,
                      [this](const auto& done) { answers_.push_back(done.status()); });
  }
  void label(const std::string& text) {
    Json labelled = object();
    labelled["metadata"].erase("resourceVersion");
    labelled["metadata"]["labels"] = {{"a", text}};
    core_.update(Kind::device, labelled, 0, Origin::kubernetes,
                 [this](const auto& done) { answers_.push_back(done.status()); });
  }
  // Lets one flush end.
  void written(const Status& disk = Status()) {
    EXPECT_TRUE(journal_.let_go(disk));
    loop_.settle();
  }
  void all_written() {
    while (journal_.let_go()) loop_.settle();
  }
  // "temperature 1 2": a row that changed, before and after, in the order of telling.
  std::vector<std::string> rows(const std::string& name) {
    std::vector<std::string> told;
    for (const Change& change : heard_.changes) {
      for (const Change::Row& row : change.rows) {
        if (row.after.name != name) continue;
        told.push_back((row.before ? shown(*row.before) : "-") + " " + shown(row.after));
      }
    }
    return told;
  }
  static std::string shown(const TwinRow& row) {
    return row.expected.value + "/" + row.actual.value;
  }
  void expect_versions_rise() {
    std::uint64_t last = 0;
    for (const Change& change : heard_.changes) {
      EXPECT_GT(change.version, last);
      last = change.version;
    }
  }

  std::vector<Status> answers_;
};

using ::testing::ElementsAre;

TEST_F(Told, AReportThatCameWhileAPatchWaitsIsNotOvertakenByALaterOne) {
  report("1");
  label("x");
  report("2");
  EXPECT_EQ(rows("temperature").size(), 1u);  // the second waits for the patch before it
  EXPECT_TRUE(journal_.let_go());             // the patch is answered …
  report("3");                                // … and the third comes just after
  loop_.settle();
  all_written();
  EXPECT_THAT(rows("temperature"), ElementsAre("- /1", "/1 /2", "/2 /3"));
  expect_versions_rise();
}

TEST_F(Told, ADesiredValueOutsideOfTheSpecIsInTheSameQueue) {
  desire("note", "a");
  core_.update_twin(boiler_, actual("note", "b"), Origin::mqtt, [](const auto&) {});
  EXPECT_TRUE(heard_.changes.empty());
  all_written();
  expect_versions_rise();
  EXPECT_EQ(shown(heard_.changes.back().rows.back().after), "a/b");
  EXPECT_EQ(shown(row("note")), "a/b");
}

TEST_F(Told, ReportsThatWaitAreOneTheNewest) {
  label("x");
  for (int i = 0; i < 1000; ++i) report(std::to_string(i));
  all_written();
  EXPECT_THAT(rows("temperature"), ElementsAre("- /999"));
}

TEST_F(Told, ReportsOfOtherDevicesWaitForNobody) {
  Json other = device_json();
  other["metadata"]["name"] = "other";
  journal_.held = false;
  ASSERT_TRUE(create(Kind::device, other).ok());
  heard_.changes.clear();
  journal_.held = true;
  label("x");
  core_.update_twin({"default", "other"}, actual("temperature", "5"), Origin::mapper,
                    [](const auto&) {});
  EXPECT_EQ(rows("temperature").size(), 1u);
}

TEST_F(Told, ReadersSeeWhatIsOnDiskAndTheNewestReport) {
  desire("setpoint", "50");
  report("7");
  EXPECT_EQ(row("setpoint").expected.value, "21");
  EXPECT_EQ(object()["spec"]["properties"][1]["desired"]["value"], "21");
  EXPECT_EQ(row("temperature").actual.value, "7");
  all_written();
  EXPECT_EQ(row("setpoint").expected.value, "50");
  EXPECT_EQ(object()["spec"]["properties"][1]["desired"]["value"], "50");
  EXPECT_EQ(row("temperature").actual.value, "7");
}

TEST_F(Told, WhatTheDiskDidNotTakeIsToldToNobodyAndWhatWaitedBehindItIs) {
  const TwinRow before = row("setpoint");
  desire("setpoint", "50");
  desire("note", "x");
  report("7");
  written(Status(Code::unavailable, "full"));
  written(Status(Code::unavailable, "full"));
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0].text(), "disk: full");
  EXPECT_THAT(rows("temperature"), ElementsAre("- /7"));
  EXPECT_TRUE(rows("setpoint").empty() && rows("note").empty());
  EXPECT_EQ(row("setpoint"), before);  // since, origin and version too
  EXPECT_FALSE(core_.rows(boiler_)->contains("note"));
  journal_.let_go_on();
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ((journal_.rows.at({boiler_, "setpoint"})), before);
  EXPECT_FALSE(journal_.rows.contains({boiler_, "note"}));
}

TEST_F(Told, VerbsOfOneObjectThatCameTogetherGoToTheDiskTogether) {
  desire("setpoint", "1");
  desire("setpoint", "2");
  desire("note", "x");
  label("l");
  written();
  EXPECT_EQ(answers_.size(), 1u);
  written();
  EXPECT_EQ(answers_.size(), 4u);
  // The label came with the object as it was seen then.
  EXPECT_THAT(rows("setpoint"), ElementsAre("21/ 1/", "1/ 2/", "2/ 21/"));
  expect_versions_rise();
}

TEST_F(Told, EachVerbIsJudgedByWhatTheOnesBeforeItLeft) {
  const std::uint64_t version = core_.find(Kind::device, boiler_)->version;
  core_.update(Kind::device, device_json("1"), version, Origin::kubernetes,
               [this](const auto& done) { answers_.push_back(done.status()); });
  core_.update(Kind::device, device_json("2"), version, Origin::kubernetes,
               [this](const auto& done) { answers_.push_back(done.status()); });
  written(Status(Code::unavailable, "full"));  // the first failed: its version is still there
  all_written();
  ASSERT_EQ(answers_.size(), 2u);
  EXPECT_EQ(answers_[0].code(), Code::unavailable);
  EXPECT_TRUE(answers_[1].ok());
  EXPECT_EQ(row("setpoint").expected.value, "2");
}

TEST_F(Told, ADeviceMadeAgainWhileItsRemovalWaitsIsToldAsGoneAndAdded) {
  core_.remove(Kind::device, boiler_, Origin::kubernetes, [](const auto&) {});
  core_.create(Kind::device, device_json("5"), Origin::kubernetes, [](const auto&) {});
  report("9");  // of the one that is there still
  EXPECT_TRUE(heard_.of(Kind::device).empty());
  all_written();
  const auto devices = heard_.of(Kind::device);
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].what, Change::What::deleted);
  EXPECT_EQ(devices[1].what, Change::What::added);
  EXPECT_EQ(shown(row("setpoint")), "5/");
  EXPECT_FALSE(core_.rows(boiler_)->contains("temperature"));
  expect_versions_rise();
}

TEST_F(Told, TheStateOfADeviceThatIsMadeAgainIsNotTheOldOnes) {
  label("x");
  core_.remove(Kind::device, boiler_, Origin::kubernetes, [](const auto&) {});
  core_.create(Kind::device, device_json("5"), Origin::kubernetes, [](const auto&) {});
  written();  // now both are on their way
  core_.update_state(boiler_, "online", Origin::mapper, [](const auto&) {});
  all_written();
  journal_.let_go_on();
  loop_.settle();
  EXPECT_EQ(core_.state(boiler_)->state, "");
  EXPECT_FALSE(journal_.states.contains(boiler_));
}

TEST_F(Told, ARefinedTypeAndAReportReachTheDeviceThatIsOnItsWay) {
  Json more = device_json("21");
  more["spec"]["properties"].push_back({{"name", "level"}});
  core_.update(Kind::device, more, 0, Origin::kubernetes, [](const auto&) {});
  report("3");
  all_written();
  EXPECT_EQ(row("temperature").actual.value, "3");
  loop_.advance(Core::report_window);
  all_written();
  EXPECT_EQ((journal_.rows.at({boiler_, "temperature"}).actual.value), "3");
}

TEST_F(Told, AModelMovesItsDevicesWhenItIsOnDisk) {
  Json model = model_json();
  model["spec"]["properties"][2]["type"] = "STRING";
  core_.update(Kind::device_model, model, 0, Origin::kubernetes, [](const auto&) {});
  core_.update_twin(boiler_, actual("count", "1"), Origin::mqtt, [](const auto&) {});
  EXPECT_EQ(row("count").type, "int");
  written(Status(Code::unavailable, "full"));
  EXPECT_EQ(row("count").type, "int");
  core_.update(Kind::device_model, model, 0, Origin::kubernetes, [](const auto&) {});
  all_written();
  EXPECT_EQ(row("count").type, "string");
}

TEST_F(Told, NoVersionIsToldAgainAfterACrash) {
  all_written();  // the first write of a core reserves them
  report("1");
  core_.update_twin(boiler_, actual("temperature", "2"), Origin::mapper, [](const auto&) {});
  const std::uint64_t told = heard_.changes.back().version;
  const std::int64_t edge = row("temperature").actual.version.edge;
  // The process dies here: the disk has nothing of the reports.
  MemoryJournal disk(loop_);
  static_cast<Image&>(disk) = journal_;
  Core again(loop_, disk, "edge-node");
  disk.load_into(again);
  Recorder heard;
  again.add_outlet(heard);
  again.update_twin(boiler_, actual("temperature", "3"), Origin::mapper, [](const auto&) {});
  EXPECT_GT(heard.changes.back().version, told);
  again.update_twin(boiler_, actual("temperature", "4"), Origin::mapper, [](const auto&) {});
  EXPECT_GT(heard.changes.back().rows.back().after.actual.version.edge, edge);
}

TEST_F(Told, AfterACleanEndVersionsGoOnWhereTheyWere) {
  journal_.let_go_on();
  loop_.settle();
  MemoryJournal disk(loop_);
  std::uint64_t last = 0;
  TwinRow before;
  {
    Core first(loop_, disk, "edge-node");
    first.create(Kind::device, device_json(), Origin::kubernetes, [](const auto&) {});
    loop_.settle();
    first.update_twin(boiler_, actual("temperature", "1"), Origin::mapper, [](const auto&) {});
    last = first.version();
    before = first.rows(boiler_)->at("temperature");
  }
  loop_.settle();
  Core again(loop_, disk, "edge-node");
  disk.load_into(again);
  EXPECT_LE(again.version(), last + 2);
  EXPECT_EQ(again.rows(boiler_)->at("temperature"), before);
}

TEST_F(Told, VerbsThatWaitForADeadDiskAreLimited) {
  label("x");
  for (std::size_t i = 0; i < 2 * Core::max_waiting; ++i) desire("note", std::to_string(i));
  EXPECT_EQ(answers_.size(), Core::max_waiting);
  EXPECT_EQ(answers_.back().code(), Code::unavailable);
}

}  // namespace
}  // namespace devicetwin::test

#include "devicetwin/core/fixture.hpp"

namespace devicetwin::test {
namespace {

TEST_F(CoreTest, DesiredOfTheSpecIsTheExpectedSideOfItsRow) {
  make_boiler();
  EXPECT_EQ(row("setpoint").expected.value, "21");
  EXPECT_EQ(row("setpoint").expected.version.edge, 1);
  EXPECT_EQ(row("setpoint").type, "float");
  EXPECT_FALSE(core_.rows(boiler_)->contains("temperature"));
  ASSERT_TRUE(update(device_json("")).ok());
  EXPECT_FALSE(row("setpoint").expected.present);
  EXPECT_EQ(row("setpoint").progress(), Progress::none);
}

TEST_F(CoreTest, PropertyRemovedFromTheSpecLosesItsRowAndMqttRowsStay) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("own", "x")).ok());
  Json device = object();
  device["spec"]["properties"].erase(1);
  ASSERT_TRUE(update(device).ok());
  EXPECT_TRUE(row("setpoint").deleted);
  EXPECT_FALSE(row("own").deleted);
}

TEST_F(CoreTest, ReportIsToldOnceAndRepeatsOnlyMoveTheTime) {
  make_boiler();
  TwinUpdate report = actual("temperature", "20.5", "float");
  report.properties[0].actual_ms = 1000;
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  EXPECT_EQ(heard_.changes.size(), 1u);
  loop_.advance(Core::report_window);
  const int writes = journal_.row_writes;
  ASSERT_GT(writes, 0);
  report.properties[0].actual_ms = 2000;
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  EXPECT_EQ(heard_.changes.size(), 1u);
  loop_.advance(Core::report_window);
  EXPECT_EQ(journal_.row_writes, writes);
  EXPECT_EQ(row("temperature").actual.time_ms, 2000);
  EXPECT_EQ(row("temperature").actual.version.edge, 1);
}

TEST_F(CoreTest, ReportsWaitForTheDiskAsLongAsTheyWereToldTo) {
  core_.set_report_window(std::chrono::seconds(60));
  make_boiler();
  const int writes = journal_.row_writes;
  ASSERT_TRUE(update_twin(actual("temperature", "20.5", "float"), Origin::mapper).ok());
  EXPECT_EQ(heard_.changes.size(), 1u) << "told at once";
  loop_.advance(std::chrono::seconds(59));
  EXPECT_EQ(journal_.row_writes, writes);
  ASSERT_TRUE(update_twin(expected("setpoint", "55.5")).ok()) << "what is desired does not wait";
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(journal_.row_writes, writes + 2);
}

TEST_F(CoreTest, ADeviceThatStaysOnlineIsToldAndNotWritten) {
  make_boiler();
  const auto online = [&] {
    core_.update_state(boiler_, "online", Origin::mapper, [](Status) {});
    loop_.settle();
  };
  online();
  EXPECT_EQ(journal_.state_writes, 1);
  const int flushes = journal_.flushes;
  for (int i = 0; i < 10; ++i) {
    loop_.advance(std::chrono::minutes(2));
    heard_.changes.clear();
    online();
    EXPECT_EQ(heard_.changes.size(), 1u);
  }
  EXPECT_EQ(journal_.state_writes, 1);
  EXPECT_EQ(journal_.flushes, flushes);
}

TEST_F(CoreTest, ExpectedOfAPropertyInTheSpecBecomesTheDevicesDesired) {
  make_boiler();
  TwinUpdate wish = expected("setpoint", "55.5");
  wish.event_id = "e-17";
  ASSERT_TRUE(update_twin(wish).ok());
  EXPECT_EQ(object()["spec"]["properties"][1]["desired"]["value"], "55.5");
  EXPECT_EQ(object()["metadata"]["generation"], 2);
  const Change change = heard_.of(Kind::device).at(0);
  EXPECT_EQ(change.origin, Origin::mqtt);
  EXPECT_TRUE(change.spec_changed);
  EXPECT_EQ(heard_.of(Kind::device_status).at(0).event_id, "e-17");
  EXPECT_EQ(core_.merged_device(boiler_)->find("setpoint")->desired->value, "55.5");
}

TEST_F(CoreTest, ExpectedMakesTheDesiredObjectWhereThereIsNone) {
  make_boiler();
  ASSERT_TRUE(update_twin(expected("count", "7")).ok());
  EXPECT_EQ(object()["spec"]["properties"][2]["desired"]["value"], "7");
}

TEST_F(CoreTest, ExpectedIsAnsweredWhenItIsOnDiskAndTakenBackWhenNot) {
  make_boiler();
  journal_.disk = Status(Code::unavailable, "full");
  EXPECT_EQ(update_twin(expected("setpoint", "99")).status().code(), Code::unavailable);
  EXPECT_EQ(object()["spec"]["properties"][1]["desired"]["value"], "21");
  EXPECT_EQ(row("setpoint").expected.value, "21");
  EXPECT_TRUE(heard_.changes.empty());
}

TEST_F(CoreTest, ExpectedOutsideTheSpecStaysInItsRow) {
  make_boiler();
  ASSERT_TRUE(update_twin(expected("own", "5")).ok());
  EXPECT_EQ(row("own").expected.value, "5");
  EXPECT_EQ(object()["metadata"]["generation"], 1);
  EXPECT_EQ(heard_.changes.size(), 1u);
}

TEST_F(CoreTest, UpdateWithOneBadValueChangesNothing) {
  make_boiler();
  TwinUpdate update = actual("temperature", "20.5");
  update.properties.push_back({.name = "count", .actual = "abc"});
  const auto result = update_twin(update);
  EXPECT_EQ(result.status().text(), "the value is not int or integer");
  EXPECT_FALSE(core_.rows(boiler_)->contains("temperature"));
  EXPECT_TRUE(heard_.changes.empty());
}

TEST_F(CoreTest, KubeEdgesTypeTextsAreKept) {
  make_boiler();
  EXPECT_EQ(update_twin(actual("b", "TRUE", "boolean")).status().text(),
            "the bool value must be true or false");
  EXPECT_EQ(update_twin(actual("f", "x", "float")).status().text(), "the value is not float");
  EXPECT_EQ(update_twin(actual("t", "x", "colour")).status().text(),
            "the value type is not allowed");
  EXPECT_TRUE(update_twin(actual("d", "1.5", "double")).ok());
  EXPECT_TRUE(update_twin(actual("u", "x", "Updated")).ok());
  EXPECT_EQ(row("u").type, "string");
}

TEST_F(CoreTest, NullDeletesToATombstoneThatKeepsItsVersions) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("own", "x")).ok());
  TwinUpdate removal;
  removal.properties.push_back({.name = "own", .remove = true});
  const auto result = update_twin(removal);
  EXPECT_EQ(result->removed, std::vector<std::string>{"own"});
  EXPECT_TRUE(row("own").deleted);
  EXPECT_EQ(row("own").actual.version.edge, 2);
  ASSERT_TRUE(update_twin(actual("own", "y", "string")).ok());
  EXPECT_FALSE(row("own").deleted);
  EXPECT_EQ(row("own").actual.version.edge, 3);
}

TEST_F(CoreTest, NullForAnUnknownOrRequiredTwinIsAnsweredAndChangesNothing) {
  make_boiler();
  TwinUpdate pinned = actual("own", "x");
  pinned.properties[0].optional = false;
  ASSERT_TRUE(update_twin(pinned).ok());
  heard_.changes.clear();
  TwinUpdate removal;
  removal.properties = {{.name = "own", .remove = true}, {.name = "never", .remove = true}};
  const auto result = update_twin(removal);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->removed.empty());
  EXPECT_TRUE(heard_.changes.empty());
}

TEST_F(CoreTest, OptionalOnlyEverBecomesFalse) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("own", "x")).ok());
  TwinUpdate update;
  update.properties.push_back({.name = "own", .optional = false});
  ASSERT_TRUE(update_twin(update).ok());
  EXPECT_FALSE(row("own").optional);
  update.properties[0].optional = true;
  ASSERT_TRUE(update_twin(update).ok());
  EXPECT_FALSE(row("own").optional);
}

TEST_F(CoreTest, MapperRefinesTheType) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("count", "1.5", "float"), Origin::mapper).ok());
  EXPECT_EQ(row("count").type, "float");
  EXPECT_EQ(update_twin(actual("count", "x", "int"), Origin::mapper).status().code(),
            Code::invalid);
  EXPECT_EQ(row("count").type, "float");
}

TEST_F(CoreTest, ProgressGoesFromPendingToAppliedAndBack) {
  make_boiler();
  EXPECT_EQ(row("setpoint").progress(), Progress::pending);
  TwinUpdate report;
  report.properties.push_back({.name = "setpoint", .observed = "21.0"});
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  EXPECT_EQ(row("setpoint").progress(), Progress::applied);
  ASSERT_TRUE(update(device_json("500")).ok());
  EXPECT_EQ(row("setpoint").progress(), Progress::pending);
  report.properties[0].refusal = Status(Code::out_of_range, "500 is above 90");
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  const Json outcome =
      (*core_.status_object(boiler_))["status"]["extensions"]["properties"]["setpoint"];
  EXPECT_EQ(outcome["state"], "failed");
  EXPECT_EQ(outcome["reason"], "out_of_range: 500 is above 90");
  ASSERT_TRUE(update(device_json("50")).ok());
  EXPECT_EQ(row("setpoint").progress(), Progress::pending);
}

TEST_F(CoreTest, RefusalThatMayPassIsPendingWithItsReason) {
  make_boiler();
  TwinUpdate report;
  report.properties.push_back(
      {.name = "setpoint", .observed = "", .refusal = Status(Code::timeout, "no answer")});
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  const Json status = (*core_.status_object(boiler_))["status"];
  EXPECT_EQ(status["extensions"]["properties"]["setpoint"]["state"], "pending");
  EXPECT_EQ(status["extensions"]["properties"]["setpoint"]["reason"], "timeout: no answer");
  EXPECT_FALSE(status.contains("twins"));  // "": the device has accepted nothing yet
}

TEST_F(CoreTest, StatusHasTwinsInTheOrderOfTheSpecAndOnlySidesThatWereSeen) {
  make_boiler();
  TwinUpdate report;
  report.properties.push_back(
      {.name = "setpoint", .actual = "21", .actual_ms = 5, .observed = "21"});
  report.properties.push_back({.name = "temperature",
                               .actual = "",
                               .actual_ms = 7,
                               .quality = Status(Code::timeout, "unit 1 did not answer")});
  report.properties.push_back({.name = "stranger", .actual = "1"});
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  const Json status = *core_.status_object(boiler_);
  const Json& twins = status["status"]["twins"];
  ASSERT_EQ(twins.size(), 2u);
  EXPECT_EQ(twins[0]["propertyName"], "temperature");
  EXPECT_EQ(twins[0]["reported"]["value"], "");
  EXPECT_EQ(twins[0]["reported"]["metadata"]["status"], "timeout");
  EXPECT_EQ(twins[0]["reported"]["metadata"]["reason"], "unit 1 did not answer");
  EXPECT_FALSE(twins[0].contains("observedDesired"));
  EXPECT_EQ(twins[1]["reported"]["metadata"]["timestamp"], "5");
  EXPECT_EQ(status["metadata"]["ownerReferences"][0]["uid"], object()["metadata"]["uid"]);
}

TEST_F(CoreTest, MapperIsToldWhatItsDeviceIsKnownToHaveAccepted) {
  make_boiler();
  EXPECT_TRUE(core_.merged_device(boiler_)->observed.empty());
  TwinUpdate report;
  report.properties.push_back({.name = "setpoint", .observed = "21.0"});
  ASSERT_TRUE(update_twin(std::move(report), Origin::mapper).ok());
  EXPECT_EQ(core_.merged_device(boiler_)->observed.at("setpoint").value, "21.0");
  EXPECT_EQ(core_.merged_device(boiler_)->observed.size(), 1u);
}

TEST_F(CoreTest, OversizedAndIllFormedValuesAreRefusedWithTheNumber) {
  make_boiler();
  core_.set_max_value_bytes(5);
  EXPECT_TRUE(update_twin(actual("own", "12345")).ok());
  const auto above = update_twin(actual("own", "123456"));
  EXPECT_EQ(above.status(), Status(Code::invalid, "the value of twin own has 6 bytes, above 5"));
  const Status desired = update(device_json("123456"));
  EXPECT_EQ(desired.text(), "default/boiler.properties.setpoint.desired.value: 6 bytes, above 5");
  core_.set_max_value_bytes(1'000'000);  // the limit of all parts
  const auto big = update_twin(actual("own", std::string(dmi::max_value_bytes + 1, 'x')));
  EXPECT_EQ(big.status().code(), Code::invalid);
  EXPECT_NE(big.status().text().find("65537 bytes, above 65536"), std::string::npos);
  EXPECT_FALSE(update_twin(actual("own", "\xff\xfe"), Origin::mapper).ok());
  EXPECT_FALSE(update_twin(actual("", "x"), Origin::mapper).ok());
  EXPECT_FALSE(update_twin(actual(std::string(129, 'n'), "x"), Origin::mapper).ok());
}

TEST_F(CoreTest, RowsOfADeviceAreBounded) {
  make_boiler();
  TwinUpdate many;
  for (std::size_t i = 0; i <= Core::max_rows; ++i) {
    many.properties.push_back({.name = "p" + std::to_string(i), .actual = "1"});
  }
  const auto result = update_twin(many);
  EXPECT_NE(result.status().text().find("above 8192"), std::string::npos);
  EXPECT_EQ(core_.rows(boiler_)->size(), 1u);
}

TEST_F(CoreTest, UnknownDeviceIsNotFound) {
  EXPECT_EQ(update_twin(actual("x", "1")).status().code(), Code::not_found);
}

TEST_F(CoreTest, StateIsKeptAsSentAndLastOnlineSurvivesOffline) {
  make_boiler();
  Status result;
  const auto tell = [&](const char* state) {
    core_.update_state(boiler_, state, Origin::mapper, [&](Status status) { result = status; });
    loop_.settle();
  };
  tell("Online");
  EXPECT_EQ(core_.state(boiler_)->state, "Online");
  const std::string seen = core_.state(boiler_)->last_online;
  EXPECT_EQ(seen, "2023-11-14T22:13:20Z");
  tell("offline");
  EXPECT_EQ(core_.state(boiler_)->last_online, seen);
  tell("disconnected");
  EXPECT_EQ(result.code(), Code::invalid);
  EXPECT_EQ(core_.state(boiler_)->state, "offline");
}

TEST_F(CoreTest, RepeatedStateIsToldOnceAMinute) {
  make_boiler();
  for (int second = 0; second < 130; ++second) {
    core_.update_state(boiler_, "ok", Origin::mapper, [](Status) {});
    loop_.advance(std::chrono::seconds(1));
  }
  EXPECT_EQ(heard_.changes.size(), 3u);
}

}  // namespace
TEST_F(CoreTest, ReportsOfAWindowAreOneWriteTheNewest) {
  make_boiler();
  const int writes = journal_.row_writes;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(update_twin(actual("temperature", std::to_string(i)), Origin::mapper).ok());
  }
  EXPECT_EQ(journal_.row_writes, writes);
  loop_.advance(Core::report_window);
  EXPECT_EQ(journal_.row_writes, writes + 1);
  EXPECT_EQ((journal_.rows[{boiler_, "temperature"}].actual.value), "49");
  EXPECT_EQ((journal_.rows[{boiler_, "temperature"}].actual.version.edge), 50);
}

class PaceTest : public CoreTest {
 protected:
  void make(const Json& keys, const Json& model_keys = Json::object()) {
    Json model = model_json();
    if (!model_keys.empty()) {
      model["spec"]["properties"][0]["visitors"] = {{"protocolName", "modbus"},
                                                    {"configData", model_keys}};
    }
    Json device = device_json();
    device["spec"]["properties"][0]["visitors"] = {{"protocolName", "modbus"},
                                                   {"configData", keys}};
    ASSERT_TRUE(create(Kind::device_model, model).ok());
    ASSERT_TRUE(create(Kind::device, device).ok());
    heard_.changes.clear();
  }
  void report(const std::string& value, Status quality = Status()) {
    TwinUpdate update = actual("temperature", value, "float");
    update.properties[0].quality = std::move(quality);
    update.actor = "m";
    ASSERT_TRUE(update_twin(update, Origin::mapper).ok());
  }
  std::string told() {
    std::string all;
    for (const Change& change : heard_.changes) {
      for (const auto& row : change.rows) all += row.after.actual.value + " ";
    }
    return all;
  }
};

TEST_F(PaceTest, WithinTheDeadbandOfWhatWasTakenLastIsTheSame) {
  make({{"deadband", 0.5}});
  for (const char* value : {"20", "20.4", "20.2", "20.5", "20.9", "20.05", "20.0"}) report(value);
  EXPECT_EQ(told(), "20 20.5 20.0 ");
}

TEST_F(PaceTest, BadQualityPassesTheDeadband) {
  make({{"deadband", 5}, {"minInterval", 10'000}});
  report("20");
  report("", Status(Code::timeout, "no answer"));
  report("20.1");
  EXPECT_EQ(told(), "20  20.1 ");
}

TEST_F(PaceTest, WithinTheMinimumIntervalTheNewestWaits) {
  using namespace std::chrono_literals;
  make({{"minInterval", 1000}});
  report("1");
  report("2");
  report("3");
  EXPECT_EQ(told(), "1 ");
  loop_.advance(999ms);
  EXPECT_EQ(told(), "1 ");
  loop_.advance(1ms);
  EXPECT_EQ(told(), "1 3 ");
  EXPECT_EQ(row("temperature").actual.by, "mapper m");
  loop_.advance(5s);
  report("4");
  EXPECT_EQ(told(), "1 3 4 ");
  report("5");
  report("4");  // back before the interval's end: nothing to tell
  loop_.advance(5s);
  EXPECT_EQ(told(), "1 3 4 ");
}

TEST_F(PaceTest, AfterTheMaximumIntervalARepeatIsToldAgain) {
  using namespace std::chrono_literals;
  make({{"maxInterval", 60'000}});
  report("1");
  loop_.advance(59s);
  report("1");
  EXPECT_EQ(told(), "1 ");
  loop_.advance(1s);
  report("1");
  EXPECT_EQ(told(), "1 1 ");
  EXPECT_EQ(row("temperature").actual.version.edge, 1);
}

TEST_F(PaceTest, TheModelsPaceCountsAndTheInstancesKeysGoOverIt) {
  make({{"deadband", 1}}, {{"deadband", 100}, {"minInterval", 1000}});
  report("20");
  report("22");
  EXPECT_EQ(told(), "20 ");
  loop_.advance(std::chrono::seconds(1));
  EXPECT_EQ(told(), "20 22 ");
}

TEST_F(PaceTest, ADeviceThatGoesWhileAReportWaitsIsNoHarm) {
  make({{"minInterval", 1000}});
  report("1");
  report("2");
  ASSERT_TRUE(remove(Kind::device).ok());
  loop_.advance(std::chrono::seconds(2));
  EXPECT_EQ(told(), "1 ");
}

TEST_F(PaceTest, WrongKeysAreRefusedWithTheirPath) {
  for (const auto& [keys, text] : std::map<std::string, std::string>{
           {R"({"deadband":-1})", "deadband: -1 is below 0"},
           {R"({"minInterval":"soon"})", "minInterval"},
           {R"({"maxInterval":86400001})", "maxInterval: 86400001 is above 86400000"},
           {R"({"minInterval":5,"maxInterval":4})",
            "minInterval: 5 ms is above maxInterval, 4 ms"}}) {
    Json device = device_json();
    device["spec"]["properties"][0]["visitors"] = {{"protocolName", "modbus"},
                                                   {"configData", Json::parse(keys)}};
    const Status status = create(Kind::device, device);
    EXPECT_EQ(status.code(), Code::invalid);
    EXPECT_NE(status.text().find(text), std::string::npos) << status.text();
    EXPECT_NE(status.text().find("default/boiler.properties.temperature.visitors.configData."),
              std::string::npos)
        << status.text();
  }
}

TEST_F(CoreTest, WhoChangedASideAndWhenIsKept) {
  make_boiler();
  EXPECT_EQ(row("setpoint").expected.by, "kubernetes");
  ASSERT_TRUE(update_twin(expected("setpoint", "30"), Origin::mqtt).ok());
  EXPECT_EQ(row("setpoint").expected.by, "mqtt");
  TwinUpdate report = actual("temperature", "20");
  report.actor = "boiler-mapper";
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  EXPECT_EQ(row("temperature").actual.by, "mapper boiler-mapper");
  const Json outcome =
      (*core_.status_object(boiler_))["status"]["extensions"]["properties"]["setpoint"];
  EXPECT_EQ(outcome["origin"], "mqtt");
  EXPECT_EQ(outcome["since"], base::to_rfc3339(loop_.wall()));
}

TEST_F(CoreTest, AnUpdateOfAnOldVersionOfASideIsAConflictAndChangesNothing) {
  make_boiler();
  ASSERT_TRUE(update_twin(actual("temperature", "1")).ok());
  const Version seen = row("temperature").actual.version;
  TwinUpdate first = actual("temperature", "2");
  first.properties[0].actual_version = seen;
  ASSERT_TRUE(update_twin(first).ok());
  TwinUpdate second = actual("temperature", "3");
  second.properties[0].actual_version = seen;
  second.properties.push_back({.name = "setpoint", .expected = "77"});
  EXPECT_EQ(update_twin(second).status().code(), Code::conflict);
  EXPECT_EQ(row("temperature").actual.value, "2");
  EXPECT_EQ(row("setpoint").expected.value, "21");
  TwinUpdate fresh = expected("new", "1");
  fresh.properties[0].expected_version = Version{0, 1};
  EXPECT_EQ(update_twin(fresh).status().code(), Code::conflict);
  fresh.properties[0].expected_version = Version{};
  EXPECT_TRUE(update_twin(fresh).ok());
}

TEST_F(CoreTest, ADesiredValueThatTheDeviceChangedIsOverridden) {
  make_boiler();
  TwinUpdate report;
  report.properties.push_back(
      {.name = "setpoint",
       .observed = "21",
       .refusal = Status(Code::conflict, "overridden by the device: reads 5")});
  ASSERT_TRUE(update_twin(report, Origin::mapper).ok());
  EXPECT_EQ(row("setpoint").progress(), Progress::overridden);
  const Json outcome =
      (*core_.status_object(boiler_))["status"]["extensions"]["properties"]["setpoint"];
  EXPECT_EQ(outcome["state"], "overridden");
  EXPECT_EQ(outcome["reason"], "conflict: overridden by the device: reads 5");
}

TEST_F(CoreTest, EveryRefusalIsCounted) {
  make_boiler();
  const auto count = [this](std::uint64_t Core::Counters::*member) {
    return core_.counters().*member;
  };
  EXPECT_FALSE(update_twin(actual("count", "x"), Origin::mapper).ok());
  EXPECT_FALSE(update_twin(expected("count", "x")).ok());
  EXPECT_EQ(count(&Core::Counters::invalid), 2u);
  core_.update_twin({"default", "gone"}, actual("a", "1"), Origin::mapper, [](auto) {});
  core_.update_state({"default", "gone"}, "online", Origin::mapper, [](auto) {});
  EXPECT_FALSE(create(Kind::device, device_json()).ok());
  EXPECT_EQ(count(&Core::Counters::not_found), 2u);
  EXPECT_EQ(count(&Core::Counters::conflict), 1u);
  EXPECT_FALSE(update(device_json("22"), 12345).ok());
  EXPECT_EQ(count(&Core::Counters::conflict), 2u);
  journal_.disk = Status(Code::unavailable, "full");
  EXPECT_FALSE(update(device_json("22")).ok());
  EXPECT_FALSE(update_twin(expected("own", "1")).ok());
  EXPECT_EQ(count(&Core::Counters::disk), 2u);
  EXPECT_EQ(count(&Core::Counters::reports), 2u);
  EXPECT_EQ(count(&Core::Counters::updates), 2u);
  EXPECT_EQ(core_.twins(), 1u);  // setpoint; what the disk did not take is not there
}

}  // namespace devicetwin::test

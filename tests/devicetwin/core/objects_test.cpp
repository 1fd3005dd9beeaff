#include "devicetwin/core/fixture.hpp"

namespace devicetwin::test {
namespace {

TEST_F(CoreTest, CreatedObjectHasServerMetadataAndIsAnsweredWhenOnDisk) {
  bool answered = false;
  core_.create(Kind::device, device_json(), Origin::kubernetes, [&](auto) { answered = true; });
  EXPECT_FALSE(answered);
  EXPECT_TRUE(heard_.changes.empty());
  loop_.settle();
  EXPECT_TRUE(answered);
  const Json metadata = object()["metadata"];
  EXPECT_EQ(metadata["generation"], 1);
  EXPECT_EQ(metadata["uid"].get<std::string>().size(), 36u);
  EXPECT_EQ(metadata["creationTimestamp"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(heard_.changes.at(0).what, Change::What::added);
}

TEST_F(CoreTest, SecondCreateIsAConflict) {
  make_boiler();
  EXPECT_EQ(create(Kind::device, device_json()).code(), Code::conflict);
}

TEST_F(CoreTest, TwoPropertiesOfOneNameAreRefusedWithTheirPath) {
  Json device = device_json();
  device["spec"]["properties"][2]["name"] = "setpoint";
  const Status status = create(Kind::device, device);
  EXPECT_EQ(status.code(), Code::invalid);
  EXPECT_NE(status.text().find("spec.properties[2].name"), std::string::npos) << status.text();
  EXPECT_EQ(core_.find(Kind::device, boiler_), nullptr);
}

TEST_F(CoreTest, GenerationRisesWithTheSpecOnlyAndVersionWithEverything) {
  make_boiler();
  const std::uint64_t first = core_.find(Kind::device, boiler_)->version;
  Json labelled = device_json();
  labelled["metadata"]["labels"] = {{"a", "b"}};
  ASSERT_TRUE(update(labelled).ok());
  EXPECT_EQ(object()["metadata"]["generation"], 1);
  EXPECT_FALSE(heard_.of(Kind::device).back().spec_changed);
  ASSERT_TRUE(update(device_json("22")).ok());
  EXPECT_EQ(object()["metadata"]["generation"], 2);
  EXPECT_TRUE(heard_.of(Kind::device).back().spec_changed);
  EXPECT_GT(core_.find(Kind::device, boiler_)->version, first + 1);
}

TEST_F(CoreTest, ClientCannotChangeServerMetadata) {
  make_boiler();
  const Json before = object()["metadata"];
  Json forged = device_json("22");
  forged["metadata"]["uid"] = "mine";
  forged["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z";
  forged["metadata"]["generation"] = 99;
  ASSERT_TRUE(update(forged).ok());
  EXPECT_EQ(object()["metadata"]["uid"], before["uid"]);
  EXPECT_EQ(object()["metadata"]["creationTimestamp"], before["creationTimestamp"]);
  EXPECT_EQ(object()["metadata"]["generation"], 2);
}

TEST_F(CoreTest, EqualContentIsAnsweredAndNothingChanges) {
  make_boiler();
  const auto version = core_.version();
  EXPECT_TRUE(update(object()).ok());
  EXPECT_EQ(core_.version(), version);
  EXPECT_TRUE(heard_.changes.empty());
}

TEST_F(CoreTest, UpdateOfAnOldVersionIsAConflict) {
  make_boiler();
  const auto version = core_.find(Kind::device, boiler_)->version;
  ASSERT_TRUE(update(device_json("22"), version).ok());
  EXPECT_EQ(update(device_json("23"), version).code(), Code::conflict);
  EXPECT_EQ(row("setpoint").expected.value, "22");
}

TEST_F(CoreTest, FailedDiskTakesTheVerbBackAndTellsNobody) {
  make_boiler();
  journal_.disk = Status(Code::unavailable, "full");
  const Status status = update(device_json("99"));
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_NE(status.text().find("disk: full"), std::string::npos);
  EXPECT_EQ(object()["spec"]["properties"][1]["desired"]["value"], "21");
  EXPECT_EQ(row("setpoint").expected.value, "21");
  EXPECT_TRUE(heard_.changes.empty());
  journal_.disk = Status();
  EXPECT_TRUE(update(device_json("99")).ok());
  EXPECT_EQ(row("setpoint").expected.value, "99");
}

TEST_F(CoreTest, FailedDiskTakesACreateAndARemoveBack) {
  journal_.disk = Status(Code::unavailable, "full");
  EXPECT_EQ(create(Kind::device, device_json()).code(), Code::unavailable);
  EXPECT_EQ(core_.find(Kind::device, boiler_), nullptr);
  journal_.disk = Status();
  make_boiler();
  ASSERT_TRUE(update_twin(actual("temperature", "20.5"), Origin::mapper).ok());
  journal_.disk = Status(Code::unavailable, "full");
  EXPECT_EQ(remove(Kind::device).code(), Code::unavailable);
  ASSERT_NE(core_.find(Kind::device, boiler_), nullptr);
  EXPECT_EQ(row("temperature").actual.value, "20.5");
  journal_.disk = Status();
  loop_.advance(Core::report_window);
  EXPECT_EQ(journal_.rows.count({boiler_, "temperature"}), 1u);
}

TEST_F(CoreTest, DevicesAreMovedOnlyByWhatIsOnDisk) {
  make_boiler();
  core_.update(Kind::device, device_json("99"), 0, Origin::kubernetes, [](auto) {});
  EXPECT_EQ(core_.merged_device(boiler_)->find("setpoint")->desired->value, "21");
  loop_.settle();
  EXPECT_EQ(core_.merged_device(boiler_)->find("setpoint")->desired->value, "99");
}

TEST_F(CoreTest, OutletsHearVerbsOfOneObjectInOrder) {
  make_boiler();
  core_.update(Kind::device, device_json("1"), 0, Origin::kubernetes, [](auto) {});
  core_.update_twin(boiler_, actual("temperature", "5"), Origin::mapper, [](auto) {});
  core_.update(Kind::device, device_json("2"), 0, Origin::kubernetes, [](auto) {});
  loop_.settle();
  std::uint64_t last = 0;
  for (const Change& change : heard_.changes) {
    EXPECT_GT(change.version, last);
    last = change.version;
  }
  EXPECT_EQ(heard_.changes.size(), 5u);
}

TEST_F(CoreTest, KeysThatDoNothingAreToldInTheStatus) {
  make_boiler();
  EXPECT_FALSE((*core_.status_object(boiler_))["status"]["extensions"].contains("ignored"));
  Json device = device_json();
  device["spec"]["properties"][0]["pushMethod"]["http"] = {{"hostName", "h"}};
  heard_.changes.clear();
  ASSERT_TRUE(update(device).ok());
  const Json status = (*core_.status_object(boiler_))["status"];
  ASSERT_EQ(status["extensions"]["ignored"].size(), 1u);
  EXPECT_TRUE(status["extensions"]["ignored"][0].get<std::string>().starts_with(
      "spec.properties[0].pushMethod.http does nothing here: "));
  EXPECT_EQ(heard_.of(Kind::device_status).size(), 1u);  // who watches the status hears of it
}

TEST_F(CoreTest, DeviceWithoutItsModelWaitsAndItsStatusSaysForWhat) {
  ASSERT_TRUE(create(Kind::device, device_json()).ok());
  EXPECT_EQ(core_.state(boiler_)->waiting, "waiting for devicemodel default/boiler");
  EXPECT_EQ((*core_.status_object(boiler_))["status"]["extensions"]["reason"],
            "waiting for devicemodel default/boiler");
  EXPECT_FALSE(core_.merged_device(boiler_));
  heard_.changes.clear();
  ASSERT_TRUE(create(Kind::device_model, model_json()).ok());
  EXPECT_EQ(core_.state(boiler_)->waiting, "");
  EXPECT_TRUE(core_.merged_device(boiler_));
  EXPECT_TRUE(heard_.of(Kind::device_status).at(0).state_changed);
  EXPECT_EQ(row("setpoint").type, "float");
}

TEST_F(CoreTest, MissingMapperIsSaidAfterTheMissingModel) {
  ASSERT_TRUE(create(Kind::device, device_json()).ok());
  core_.set_waiting(boiler_, "no mapper has registered for protocol modbus");
  EXPECT_EQ(core_.state(boiler_)->waiting, "waiting for devicemodel default/boiler");
  ASSERT_TRUE(create(Kind::device_model, model_json()).ok());
  EXPECT_EQ(core_.state(boiler_)->waiting, "no mapper has registered for protocol modbus");
}

TEST_F(CoreTest, RemovedDeviceTakesItsTwinsAlongAndItsStatusIsDeleted) {
  make_boiler();
  ASSERT_TRUE(remove(Kind::device).ok());
  EXPECT_FALSE(core_.rows(boiler_).has_value());
  EXPECT_FALSE(core_.status_object(boiler_));
  EXPECT_EQ(heard_.of(Kind::device_status).at(0).what, Change::What::deleted);
  EXPECT_TRUE(journal_.rows.empty());
  EXPECT_EQ(remove(Kind::device).code(), Code::not_found);
}

TEST_F(CoreTest, RestartKnowsEverythingAndVersionsGoOnAboveEveryOneSeen) {
  make_boiler();
  for (int i = 0; i < 10; ++i) {
    (void)update_twin(actual("temperature", std::to_string(i)), Origin::mapper);
  }
  loop_.advance(Core::report_window);
  const auto seen = core_.version();
  std::vector<Object> objects;
  for (const auto& [key, object] : journal_.objects) objects.push_back(object);
  std::vector<std::pair<ObjectId, TwinRow>> rows;
  for (const auto& [key, row] : journal_.rows) rows.emplace_back(key.first, row);
  Core again(loop_, journal_, "edge-node");
  again.load(objects, rows, {}, journal_.version);
  EXPECT_GT(again.version(), seen);
  EXPECT_EQ(again.rows(boiler_)->at("temperature").actual.value, "9");
  EXPECT_EQ(again.rows(boiler_)->at("setpoint").expected.value, "21");
  EXPECT_TRUE(again.merged_device(boiler_));
}

TEST_F(CoreTest, DamagedStoredObjectIsLeftOutAndTheRestIsThere) {
  make_boiler();
  std::vector<Object> objects;
  for (const auto& [key, object] : journal_.objects) objects.push_back(object);
  Object bad = objects.front();
  bad.id.name = "bad";
  bad.text = Text("{\"metadata\":");
  objects.push_back(bad);
  Core again(loop_, journal_, "edge-node");
  again.load(objects, {}, {}, 1);
  EXPECT_EQ(again.find(Kind::device, {"default", "bad"}), nullptr);
  EXPECT_NE(again.find(Kind::device, boiler_), nullptr);
}

TEST_F(CoreTest, AssignmentHasEachModelOnce) {
  make_boiler();
  Json second = device_json();
  second["metadata"]["name"] = "boiler2";
  ASSERT_TRUE(create(Kind::device, second).ok());
  const auto assignment = core_.assignment("modbus");
  EXPECT_EQ(assignment.devices.size(), 2u);
  EXPECT_EQ(assignment.models.size(), 1u);
  EXPECT_TRUE(core_.assignment("opcua").devices.empty());
}

}  // namespace
}  // namespace devicetwin::test

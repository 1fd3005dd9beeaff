#include "fixture.hpp"

namespace devicetwin {
namespace {

TEST_F(DmiLinkTest, RegistrationIsAnsweredWithTheDevicesOfItsProtocolAndEachModelOnce) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  const auto answer = enroll("m");
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  ASSERT_EQ(answer->devices.size(), 1u);
  EXPECT_EQ(answer->devices[0].id, boiler);
  EXPECT_EQ(answer->models.size(), 1u);
  settle();
  EXPECT_TRUE(mapper.calls().empty()) << mapper.calls()[0];
}

TEST_F(DmiLinkTest, DeviceThatComesLaterFollowsItsModel) {
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  put(Kind::device, device("1"));
  settle();
  EXPECT_TRUE(mapper.calls().empty());
  EXPECT_EQ(waiting(), "waiting for devicemodel default/boiler");
  put(Kind::device_model, model());
  ASSERT_TRUE(until([&] { return mapper.calls().size() == 2; }));
  EXPECT_EQ(mapper.calls(), (std::vector<std::string>{"create model boiler", "register boiler=1"}));
  EXPECT_EQ(waiting(), "");
}

TEST_F(DmiLinkTest, OnlyChangesOfTheSpecAreTold) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  put(Kind::device, device("1", "hall"));
  settle();
  put(Kind::device, device("2", "hall"));
  ASSERT_TRUE(until([&] { return mapper.count("update boiler=2") == 1; }));
  put(Kind::device_model, model("celsius"));
  ASSERT_TRUE(until([&] { return mapper.count("update model boiler") == 1; }));
  settle();
  EXPECT_EQ(mapper.calls().size(), 2u);
}

TEST_F(DmiLinkTest, FailedCallIsRepeatedWithTheNewestValueUntilConfirmed) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  mapper.failures = 3;
  put(Kind::device, device("2"));
  put(Kind::device, device("3"));
  ASSERT_TRUE(until([&] { return mapper.count("update boiler=3") == 1; }));
  settle();
  EXPECT_EQ(mapper.calls().back(), "update boiler=3");
}

TEST_F(DmiLinkTest, RemovalOutlivesTheMappersAbsenceAndOurOwnRestart) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  mapper.stop();
  remove(Kind::device, boiler);
  settle();
  client_.reset();
  link_.reset();
  EXPECT_TRUE(journal_.notes.contains("gone/m/default/boiler"));
  mapper.start();
  Core restarted(loop_, journal_, "edge");
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes).value();
  EXPECT_TRUE(until([&] { return mapper.count("remove boiler") == 1; }));
  EXPECT_TRUE(until([&] { return !journal_.notes.contains("gone/m/default/boiler"); }));
  link_.reset();
}

TEST_F(DmiLinkTest, MapperThatNeverRegistersAgainIsToldWhatItMissed) {
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  client_.reset();
  link_.reset();
  Core restarted(loop_, journal_, "edge");
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes).value();
  restarted.create(Kind::device_model, model(), Origin::kubernetes, [](const auto&) {});
  restarted.create(Kind::device, device("7"), Origin::kubernetes, [](const auto&) {});
  EXPECT_TRUE(until([&] { return mapper.count("register boiler=7") == 1; }));
  link_.reset();
}

TEST_F(DmiLinkTest, DeviceThatLosesItsModelLeavesTheMapperAndTurnsUnknown) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  ASSERT_TRUE(call([&](auto done) { client_->report_state(boiler, "online", done); }).ok());
  remove(Kind::device_model, boiler);
  ASSERT_TRUE(until([&] { return mapper.count("remove boiler") == 1; }));
  ASSERT_TRUE(until([&] { return core_.state(boiler)->state == "unknown"; }));
  EXPECT_EQ(waiting(), "waiting for devicemodel default/boiler");
}

TEST_F(DmiLinkTest, HungMapperHurtsOnlyItself) {
  Json other = device("1");
  other["metadata"]["name"] = "drive";
  other["spec"]["protocol"]["protocolName"] = "canopen";
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  put(Kind::device, other);
  Mapper hung(mapper_socket("hung")), healthy(mapper_socket("healthy"));
  ASSERT_TRUE(enroll("hung").ok());
  ASSERT_TRUE(enroll("healthy", "canopen").ok());
  hung.hung = true;
  put(Kind::device, device("2"));
  other["spec"]["properties"][0]["desired"]["value"] = "5";
  put(Kind::device, other);
  EXPECT_TRUE(until([&] { return healthy.count("update drive=5") == 1; }));
  hung.stop();
}

TEST_F(DmiLinkTest, DeadMapperIsNamedInTheStatusOfItsDevices) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  EXPECT_EQ(waiting(), "no mapper has registered for protocol \"modbus\"");
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  EXPECT_EQ(waiting(), "");
  ASSERT_TRUE(call([&](auto done) { client_->report_state(boiler, "online", done); }).ok());
  mapper.stop();
  ASSERT_TRUE(until([&] { return core_.state(boiler)->state == "unknown"; }));
  EXPECT_EQ(waiting(), cat("mapper m does not answer at ", mapper_socket()));
  mapper.start();
  ASSERT_TRUE(enroll("m").ok());
  EXPECT_EQ(waiting(), "");
}

TEST_F(DmiLinkTest, NonsenseIsRefusedByName) {
  const auto no_protocol = enroll("m", "").status();
  EXPECT_EQ(no_protocol.code(), Code::invalid);
  EXPECT_NE(no_protocol.text().find("mapper m: protocol is empty"), std::string::npos)
      << no_protocol.text();
  dmi::DeviceReport report{boiler, {{"setpoint", {}, dmi::TwinValue{"1", {{"type", "float"}}}}}};
  const auto send = [&](auto done) { client_->report_status(report, done); };
  EXPECT_EQ(call(send).code(), Code::not_found);
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  EXPECT_TRUE(call(send).ok());
  report.twins[0].reported->value = "warm";
  const Status bad = call(send);
  EXPECT_EQ(bad.code(), Code::invalid);
  EXPECT_NE(bad.text().find("setpoint"), std::string::npos) << bad.text();
}

TEST_F(DmiLinkTest, ReportCarriesTimeQualityAndTheReasonOfARefusal) {
  put(Kind::device_model, model());
  put(Kind::device, device("900"));
  const dmi::DeviceReport report{
      boiler,
      {{"setpoint",
        dmi::TwinValue{"60", {{"status", "out_of_range"}, {"reason", "900 is above 90"}}},
        dmi::TwinValue{"",
                       {{"type", "float"},
                        {"timestamp", "1234"},
                        {"status", "timeout"},
                        {"reason", "unit 7"}}}}}};
  ASSERT_TRUE(call([&](auto done) { client_->report_status(report, done); }).ok());
  const TwinRow row = core_.rows(boiler)->at("setpoint");
  EXPECT_EQ(row.actual.time_ms, 1234);
  EXPECT_EQ(row.quality, Status(Code::timeout, "unit 7"));
  EXPECT_EQ(row.refusal, Status(Code::out_of_range, "900 is above 90"));
  EXPECT_EQ(row.progress(), Progress::failed);
}

}  // namespace
}  // namespace devicetwin

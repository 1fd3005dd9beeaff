#include <random>

#include "fixture.hpp"
#include "mapper_link.hpp"

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

TEST_F(DmiLinkTest, ChangeFollowsARegistrationAtOnceWhereTheMapperOrdersThem) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper mapper(mapper_socket());
  ASSERT_NE(enroll("m")->number, 0);
  const auto begin = loop_.now();
  put(Kind::device, device("2"));
  loop_.settle();  // sent; what follows is the wire's time
  ASSERT_TRUE(test_support::wait_until([&] { return mapper.count("update boiler=2") == 1; }));
  EXPECT_LT(loop_.now() - begin, MapperLink::settle_time);
}

TEST_F(DmiLinkTest, DeviceThatIsRefusedSaysWhyAndCostsTheOthersNothing) {
  put(Kind::device_model, model());
  Mapper mapper(mapper_socket());
  mapper.refuse("a-wrong", Status(Code::refused, "register 70000 is none"));
  ASSERT_TRUE(enroll("m").ok());
  for (const char* name : {"a-wrong", "b-good", "c-good"}) put(Kind::device, device("1", "", name));
  const ObjectId wrong{"default", "a-wrong"};
  ASSERT_TRUE(until([&] { return mapper.calls().size() == 3 && !waiting(wrong).empty(); }));
  EXPECT_EQ(mapper.calls(), (std::vector<std::string>{"create model boiler", "register b-good=1",
                                                      "register c-good=1"}));
  EXPECT_LE(mapper.asked(), 6u);
  EXPECT_EQ(waiting(wrong),
            "mapper m: RegisterDevice: refused: register 70000 is none; tried again");
  EXPECT_EQ(waiting({"default", "b-good"}), "");
  put(Kind::device, device("2", "", "c-good"));
  EXPECT_TRUE(until([&] { return mapper.count("update c-good=2") == 1; }));
}

TEST_F(DmiLinkTest, DeviceThatIsRefusedIsTriedAtOnceWhenItChangesAndNoOftenerWhenNot) {
  put(Kind::device_model, model());
  Mapper mapper(mapper_socket());
  mapper.refuse("boiler", Status(Code::refused, "no"));  // the model, too
  ASSERT_TRUE(enroll("m").ok());
  put(Kind::device, device("1"));
  ASSERT_TRUE(until([&] { return mapper.asked() >= 4; }));
  EXPECT_EQ(waiting(), "mapper m: CreateDeviceModel default/boiler: refused: no; tried again");
  const auto before = mapper.asked();
  for (int i = 0; i < 20; ++i) put(Kind::device, device("1", cat("label-", i)));
  loop_.settle();
  put(Kind::device_model, model("celsius"));
  ASSERT_TRUE(until([&] { return mapper.asked() > before; }));
  EXPECT_LE(mapper.asked(), before + 3);
}

// Devices, models and removals that fail for ever, in any mixture: each of the others is done
// within a number of calls that does not depend on how long it goes on.
TEST_F(DmiLinkTest, SubjectsThatFailForEverStarveNobody) {
  constexpr int devices = 12;
  const Code codes[] = {Code::refused, Code::internal, Code::unavailable, Code::invalid,
                        Code::conflict};
  Mapper mapper(mapper_socket());
  ASSERT_TRUE(enroll("m").ok());
  for (unsigned seed = 0; seed < 8; ++seed) {
    std::mt19937 random(seed);
    const auto code = [&] { return codes[random() % std::size(codes)]; };
    std::set<std::string> good;
    const auto begin = mapper.asked();
    for (int i = 0; i < devices; ++i) {
      const std::string name = cat("s", seed, "-d", i);
      Json of_model = model();
      of_model["metadata"]["name"] = name + "-m";
      Json of_device = device("1", "", name);
      of_device["spec"]["deviceModelRef"]["name"] = name + "-m";
      const auto fate = random() % 4;
      if (fate == 0) mapper.refuse(name, Status(code(), "for ever"));
      if (fate == 1) mapper.refuse(name + "-m", Status(code(), "for ever"));
      if (fate > 1) good.insert(name);
      put(Kind::device_model, of_model);
      put(Kind::device, of_device);
    }
    const auto all = [&](const std::string& verb, const std::string& rest) {
      return until([&] {
        return std::ranges::all_of(
            good, [&](const auto& name) { return mapper.count(cat(verb, name, rest)) == 1; });
      });
    };
    ASSERT_TRUE(all("register ", "=1")) << "seed " << seed;
    // Those of earlier seeds go on failing beside them.
    EXPECT_LE(mapper.asked() - begin, (4u + 2 * seed) * devices) << "seed " << seed;
    const auto removing = mapper.asked();
    for (int i = 0; i < devices; ++i) remove(Kind::device, {"default", cat("s", seed, "-d", i)});
    ASSERT_TRUE(all("remove ", "")) << "seed " << seed;
    EXPECT_LE(mapper.asked() - removing, (4u + 2 * seed) * devices) << "seed " << seed;
  }
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

// Who may report what: with the callers that the kernel would name.
#include "fixture.hpp"
#include "mappers.hpp"

namespace devicetwin {
namespace {

using std::chrono::seconds;

// A stock process has a number alone, one of ours an instance too.
struct From : dmi::wire::Caller {
  From(int number, std::string name = "") : Caller{.pid = number, .instance = std::move(name)} {}
};

class ReportsTest : public ::testing::Test {
 protected:
  explicit ReportsTest(const From& a = 11, const From& b = 22) {
    add(Kind::device_model, {{"metadata", {{"name", "boiler"}}},
                             {"spec", {{"properties", {{{"name", "t"}, {"type", "INT"}}}}}}});
    for (const char* name : {"d0", "d1"}) {
      add(Kind::device, {{"metadata", {{"name", name}}},
                         {"spec",
                          {{"deviceModelRef", {{"name", "boiler"}}},
                           {"protocol", {{"protocolName", "modbus"}}},
                           {"properties", {{{"name", "t"}}}}}}});
    }
    mappers.start({});
    take("a", a);
    take("b", b);
    of_b = ObjectId{"default", journal.notes.at("assigned/default/d0") == "b" ? "d0" : "d1"};
  }
  void add(Kind kind, Json object) {
    core.create(kind, std::move(object), Origin::kubernetes,
                [](const auto& r) { ASSERT_TRUE(r.ok()); });
    loop.settle();
  }
  void take(const std::string& name, const From& caller) {
    mappers.take(caller, {name, "", "", "modbus", address(name), "ok"}, true,
                 [](const auto& answer) { ASSERT_TRUE(answer.ok()); });
    loop.settle();
  }
  std::string address(const std::string& name) const {
    return (folder / (name + ".sock")).string();
  }
  Status report(const From& caller, const ObjectId& device) {
    Status result(Code::internal, "no answer");
    mappers.report_status(caller, {device, {{"t", {}, dmi::TwinValue{"7", {}}}}},
                          [&](Status status) { result = std::move(status); });
    return result;
  }
  Status state(const From& caller, const ObjectId& device) {
    Status result(Code::internal, "no answer");
    mappers.report_state(caller, device, "online",
                         [&](Status status) { result = std::move(status); });
    return result;
  }
  base::Result<std::vector<Status>> batch(const std::string& mapper, const From& caller,
                                          std::vector<dmi::wire::BatchItem> items) {
    base::Result<std::vector<Status>> result = Status(Code::internal, "no answer");
    mappers.report_batch(caller, mapper, std::move(items),
                         [&](auto verdicts) { result = std::move(verdicts); });
    return result;
  }
  std::string actual(const ObjectId& device) const {
    const auto row = core.rows(device)->find("t");
    return row ? row->actual.value : "";
  }

  const ObjectId d0{"default", "d0"}, d1{"default", "d1"};
  ObjectId of_b;
  test_support::TempFolder folder;
  base::ManualLoop loop;
  test::MemoryJournal journal{loop};
  Core core{loop, journal, "edge"};
  Mappers mappers{core, journal, {}};
};

// As in two containers.
class OurProcessesTest : public ReportsTest {
 protected:
  OurProcessesTest() : ReportsTest(From(1, "a"), From(1, "b")) {}
};

TEST_F(ReportsTest, ReportAboutADeviceOfAnotherMapperIsRefused) {
  const ObjectId of_a = of_b == d0 ? d1 : d0;
  const Status foreign = report(11, of_b);
  EXPECT_EQ(foreign, Status(Code::refused,
                            cat("mapper a: device ", of_b.to_string(), " belongs to mapper b")));
  EXPECT_EQ(actual(of_b), "");
  EXPECT_EQ(state(11, of_b).code(), Code::refused);
  EXPECT_EQ(core.state(of_b)->state, "");
  EXPECT_TRUE(report(22, of_b).ok());
  EXPECT_TRUE(report(11, of_a).ok());
  EXPECT_EQ(actual(of_b), "7");
  EXPECT_EQ(mappers.counters().reports, 4u);
  EXPECT_EQ(mappers.counters().refused_reports, 2u);
  EXPECT_EQ(report(11, {"default", "nobody"}).code(), Code::not_found);
}

TEST_F(ReportsTest, ProcessThatIsNotKnownReportsForTheMapperOfTheDevice) {
  EXPECT_TRUE(report(0, of_b).ok());
  EXPECT_EQ(core.rows(of_b)->at("t").actual.by, "mapper b");
  EXPECT_TRUE(state(33, of_b).ok());
  // The pid of a mapper that registered from another process since is not its own any more.
  take("a", 44);
  EXPECT_TRUE(report(11, of_b).ok());
  EXPECT_EQ(report(44, of_b).code(), Code::refused);
}

TEST_F(ReportsTest, ItemsOfABatchAreJudgedOneByOneAndTheMapperIsWhoItSays) {
  const ObjectId of_a = of_b == d0 ? d1 : d0;
  const dmi::TwinReport seven{"t", {}, dmi::TwinValue{"7", {}}};
  const auto verdicts = batch("b", 22, {{{of_b, {seven}}, "online"}, {{of_a, {seven}}, "online"}});
  ASSERT_TRUE(verdicts.ok());
  EXPECT_TRUE(verdicts->at(0).ok());
  EXPECT_EQ(verdicts->at(1).code(), Code::refused);
  EXPECT_EQ(actual(of_b), "7");
  EXPECT_EQ(actual(of_a), "");
  EXPECT_EQ(core.state(of_a)->state, "");
  EXPECT_EQ(batch("b", 11, {}).status().code(), Code::refused);
  EXPECT_EQ(batch("nobody", 22, {}).status().code(), Code::refused);
  EXPECT_EQ(mappers.counters().batches, 1u);
}

// Two containers' mappers may both be process 11, and both be unknown to our kernel's namespace.
TEST_F(ReportsTest, ProcessesOfOurOwnAreToldApartByWhatTheyAloneKnow) {
  const ObjectId of_a = of_b == d0 ? d1 : d0;
  const dmi::TwinReport seven{"t", {}, dmi::TwinValue{"7", {}}};
  for (const int pid : {11, 0}) {
    const From a(pid, "number of a"), b(pid, "number of b");
    take("a", a);
    take("b", b);
    EXPECT_TRUE(report(a, of_a).ok());
    EXPECT_EQ(report(a, of_b), Status(Code::refused, cat("mapper a: device ", of_b.to_string(),
                                                         " belongs to mapper b")));
    EXPECT_EQ(state(b, of_a).code(), Code::refused);
    EXPECT_TRUE(batch("b", b, {{{of_b, {seven}}, ""}}).ok());
    EXPECT_EQ(batch("b", a, {}).status().code(), Code::refused);
    // Who has registered nothing is nobody, nor is one who knows a number and is another user.
    EXPECT_EQ(report(pid, of_b).code(), Code::refused);
    EXPECT_EQ(report({pid, "no number"}, of_b).code(), Code::refused);
    From other_user = b;
    other_user.uid = 7;
    EXPECT_EQ(report(other_user, of_b).code(), Code::refused);
    EXPECT_EQ(batch("b", other_user, {}).status().code(), Code::refused);
  }
  EXPECT_EQ(report({11, "number of a"}, {"default", "nobody"}).code(), Code::not_found);
}

// An SDK that registers again because we were away drives its devices until it has read the answer;
// a new process drives nothing, though it may have the old one's pid.
TEST_F(OurProcessesTest, SameProcessConfirmsRemovalsAlsoAfterItRegisteredAgain) {
  const auto until = [&](const std::function<bool()>& condition) {
    return test_support::wait_until([&] {
      loop.advance(milliseconds(2));
      return condition();
    });
  };
  Mapper serving_a(address("a")), serving_b(address("b"));
  serving_a.hung = true;
  ASSERT_TRUE(until([&] { return serving_a.kept() == 1; }));
  take("a", From(1, "a"));
  ASSERT_TRUE(until([&] { return serving_a.kept() == 2; }));
  const auto end = loop.now() + milliseconds(500);
  ASSERT_TRUE(until([&] { return loop.now() > end; }));
  EXPECT_TRUE(serving_b.calls().empty());
  take("a", From(1, "another a"));
  EXPECT_TRUE(until([&] { return serving_b.count(cat("register ", of_b.name)) == 1; }));
  serving_a.release();
}

TEST_F(ReportsTest, MapperWhoseBatchesStopThoughItsStreamIsOpenIsHung) {
  Mapper serving_a(address("a")), serving_b(address("b"));
  ASSERT_TRUE(batch("b", 22, {}).ok());
  ASSERT_TRUE(state(22, of_b).ok());
  const auto state_of_b = [&] { return mappers.view()[1].state; };
  const auto until = [&](const std::function<bool()>& condition) {
    return test_support::wait_until([&] {
      loop.advance(milliseconds(5));
      return condition();
    });
  };
  const auto began = loop.now();
  ASSERT_TRUE(until([&] { return state_of_b() == "hung"; }));
  EXPECT_GT(loop.now() - began, seconds(5));
  EXPECT_EQ(core.state(of_b)->state, "unknown");
  EXPECT_EQ(core.state(of_b)->waiting,
            "mapper b is hung: no batch for 5 s though its stream is open");
  ASSERT_TRUE(batch("b", 22, {}).ok());
  ASSERT_TRUE(until([&] { return state_of_b() == "up"; }));
  // A stream that ends is no silence: stock mappers have none.
  mappers.batches_ended("b");
  const auto end = loop.now() + seconds(8);
  ASSERT_TRUE(until([&] { return loop.now() > end || state_of_b() != "up"; }));
  EXPECT_EQ(state_of_b(), "up");
}

}  // namespace
}  // namespace devicetwin

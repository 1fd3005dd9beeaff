// Several mappers of one protocol share its devices.
#include <unistd.h>
#include <csignal>
#include <set>

#include "fixture.hpp"

namespace devicetwin {
namespace {

using std::chrono::seconds;

DmiLink::Settings quick() {
  DmiLink::Settings settings;
  settings.liveness_period = milliseconds(50);
  settings.answer = seconds(1);
  settings.take_over = milliseconds(400);
  return settings;
}

ObjectId numbered(int number) { return {"default", cat("d", number)}; }

class ManyMappersTest : public DmiLinkTest {
 protected:
  ManyMappersTest() : DmiLinkTest(quick()) {}

  void put_devices(int count) {
    put(Kind::device_model, model());
    for (int i = 0; i < count; ++i) put(Kind::device, device("1", "", numbered(i).name));
  }
  DmiLink::MapperView view(const std::string& name) const {
    for (const auto& each : link_->mappers_view()) {
      if (each.name == name) return each;
    }
    return {};
  }
  // What a mapper was given and did not have to give back: by registration, then by calls.
  static std::set<std::string> has(const base::Result<dmi::wire::Registration>& answer,
                                   const std::vector<std::string>& calls) {
    std::set<std::string> devices;
    for (const dmi::Device& each : answer->devices) devices.insert(each.id.name);
    for (const std::string& call : calls) {
      const auto words = base::split(call, ' ');
      const std::string device(words.back().substr(0, words.back().find('=')));
      if (words[0] == "remove") devices.erase(device);
      if ((words[0] == "register" || words[0] == "update") && words.size() == 2) {
        devices.insert(device);
      }
    }
    return devices;
  }
  static std::size_t common(const std::set<std::string>& a, const std::set<std::string>& b) {
    return static_cast<std::size_t>(
        std::count_if(a.begin(), a.end(), [&](auto& each) { return b.contains(each); }));
  }
};

TEST_F(ManyMappersTest, MapperThatJoinsGetsItsShareAndFewDevicesMove) {
  put_devices(6);
  Mapper a(mapper_socket("a")), b(mapper_socket("b")), c(mapper_socket("c"));
  const auto given_a = enroll("a");
  EXPECT_EQ(given_a->devices.size(), 6u);
  const auto given_b = enroll("b");  // with those that a has let go of already
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 3; }));
  EXPECT_EQ(has(given_a, a.calls()).size(), 3u);
  EXPECT_EQ(common(has(given_a, a.calls()), has(given_b, b.calls())), 0u);
  EXPECT_EQ(link_->counters().moves, 3u);
  const auto given_c = enroll("c");
  ASSERT_TRUE(until([&] { return has(given_c, c.calls()).size() == 2; }));
  EXPECT_EQ(has(given_a, a.calls()).size(), 2u);
  EXPECT_EQ(has(given_b, b.calls()).size(), 2u);
  EXPECT_EQ(link_->counters().moves, 5u);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(waiting(numbered(i)), "");
  // Registered again, each is given its own and nothing moves.
  EXPECT_EQ(enroll("a")->devices.size(), 2u);
  EXPECT_EQ(enroll("c")->devices.size(), 2u);
  EXPECT_EQ(link_->counters().moves, 5u);
  EXPECT_EQ(view("b").devices, 2u);
  EXPECT_EQ(view("b").state, "up");
}

TEST_F(ManyMappersTest, ChangeOfADeviceGoesToItsMapperAlone) {
  put_devices(2);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  ASSERT_TRUE(enroll("a").ok());
  a.hung = true;  // lets go of nothing before b has registered
  ASSERT_TRUE(enroll("b").ok());
  a.release();
  ASSERT_TRUE(until([&] { return b.calls().size() == 2; }));
  const ObjectId of_b = b.count("register d0=1") == 1 ? numbered(0) : numbered(1);
  put(Kind::device, device("5", "", of_b.name));
  ASSERT_TRUE(until([&] { return b.count(cat("update ", of_b.name, "=5")) == 1; }));
  remove(Kind::device, of_b);
  ASSERT_TRUE(until([&] { return b.count(cat("remove ", of_b.name)) == 1; }));
  EXPECT_EQ(a.calls(), std::vector<std::string>{cat("remove ", of_b.name)});
}

TEST_F(ManyMappersTest, OldMapperConfirmsTheRemovalBeforeTheNewOneGetsTheDevice) {
  put_devices(2);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  ASSERT_TRUE(enroll("a").ok());
  a.hung = true;
  ASSERT_TRUE(enroll("b").ok());
  ASSERT_TRUE(until([&] { return a.kept() == 1; }));
  settle();
  EXPECT_TRUE(b.calls().empty());
  EXPECT_EQ(waiting(numbered(1)), "mapper b waits until mapper a confirms RemoveDevice");
  EXPECT_TRUE(journal_.notes.contains("gone/a/default/d1"));
  a.release();
  ASSERT_TRUE(until([&] { return b.count("register d1=1") == 1; }));
  EXPECT_EQ(a.calls(), std::vector<std::string>{"remove d1"});
  EXPECT_EQ(waiting(numbered(1)), "");
  EXPECT_FALSE(journal_.notes.contains("gone/a/default/d1"));
}

TEST_F(ManyMappersTest, DevicesOfADeadMapperGoToTheSurvivorAndAShareComesBackWithIt) {
  put_devices(4);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  const auto given_a = enroll("a");
  const auto given_b = enroll("b");
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 2; }));
  const std::set<std::string> of_a = has(given_a, a.calls());
  const ObjectId one{"default", *of_a.begin()};
  ASSERT_TRUE(call([&](auto done) { client_->report_state(one, "online", done); }).ok());
  a.stop();
  ASSERT_TRUE(until([&] { return view("a").state == "down"; }));
  EXPECT_EQ(core_.state(one)->state, "unknown");
  EXPECT_EQ(waiting(one), cat("mapper a does not answer at ", mapper_socket("a")));
  EXPECT_EQ(view("a").devices, 2u);  // not yet: it may only be restarting
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 4; }));
  EXPECT_EQ(waiting(one), "");
  EXPECT_EQ(link_->counters().deaths, 1u);
  // Its process lived on without a socket: what it may still have it must give back first.
  a.start();
  ASSERT_TRUE(until([&] {
    const auto of_a_now = has(given_a, a.calls()), of_b = has(given_b, b.calls());
    return of_a_now.size() == 2 && of_b.size() == 2 && common(of_a_now, of_b) == 0;
  }));
}

TEST_F(ManyMappersTest, MapperThatOnlyRestartsKeepsItsDevices) {
  put_devices(2);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  ASSERT_TRUE(enroll("a").ok());
  const auto given_b = enroll("b");
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 1; }));
  a.stop();
  ASSERT_TRUE(until([&] { return view("a").state == "down"; }));
  a.start();
  EXPECT_EQ(enroll("a")->devices.size(), 1u);
  settle();
  EXPECT_EQ(has(given_b, b.calls()).size(), 1u);
  EXPECT_EQ(link_->counters().moves, 1u);
}

TEST_F(ManyMappersTest, RestartOfTheEdgeCoreMovesNothing) {
  put_devices(4);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  const auto given_a = enroll("a");
  const auto given_b = enroll("b");
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 2; }));
  const auto of_a = has(given_a, a.calls()), of_b = has(given_b, b.calls());
  client_.reset();
  link_.reset();
  Core restarted(loop_, journal_, "edge");
  std::vector<Object> objects;
  for (const Object* each : core_.list(Kind::device, "")) objects.push_back(*each);
  for (const Object* each : core_.list(Kind::device_model, "")) objects.push_back(*each);
  restarted.load(objects, {}, {}, core_.version());
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes, settings_).value();
  client_ = dmi::wire::connect_manager(socket());
  EXPECT_EQ(view("a").devices, 2u);
  // Whoever registers again is given the same, whoever never does is told the same.
  const auto again = enroll("a");
  EXPECT_EQ(has(again, {}), of_a);
  const std::size_t before = b.calls().size();
  ASSERT_TRUE(until([&] { return b.calls().size() == before + 3; }));  // the model, and each device
  EXPECT_EQ(has(given_b, b.calls()), of_b);
  EXPECT_EQ(link_->counters().moves, 0u);
  link_.reset();
}

TEST_F(ManyMappersTest, RemovalForAMoveIsKeptOverARestartUntilItIsConfirmed) {
  put_devices(2);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  ASSERT_TRUE(enroll("a").ok());
  a.hung = true;
  ASSERT_TRUE(enroll("b").ok());
  ASSERT_TRUE(until([&] { return a.kept() == 1; }));
  client_.reset();
  link_.reset();
  Core restarted(loop_, journal_, "edge");
  std::vector<Object> objects;
  for (const Object* each : core_.list(Kind::device, "")) objects.push_back(*each);
  for (const Object* each : core_.list(Kind::device_model, "")) objects.push_back(*each);
  restarted.load(objects, {}, {}, core_.version());
  link_ = DmiLink::start(restarted, journal_, socket(), journal_.notes, settings_).value();
  ASSERT_TRUE(until([&] { return a.kept() == 2; }));
  settle();
  EXPECT_TRUE(b.calls().empty());
  a.hung = false;
  a.release();
  ASSERT_TRUE(until([&] { return b.count("update d1=1") == 1; }));
  EXPECT_FALSE(journal_.notes.contains("gone/a/default/d1"));
  link_.reset();
}

TEST_F(ManyMappersTest, NobodyIsToldOfADeviceBeforeItsAssignmentIsOnDisk) {
  put_devices(4);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  journal_.held = true;
  std::atomic<std::size_t> given = 0;
  client_->mapper_register({"a", "v1", "v1", "modbus", mapper_socket("a"), "ok"},
                           [&](auto answer) { given = answer->devices.size(); });
  ASSERT_TRUE(until([&] { return link_->mappers() == 1; }));
  settle();
  EXPECT_EQ(given, 0u);
  journal_.let_go_on();
  ASSERT_TRUE(until([&] { return given == 4; }));
  a.hung = true;  // lets go of nothing before b has registered
  ASSERT_TRUE(enroll("b").ok());
  a.release();
  ASSERT_TRUE(until([&] { return a.calls().size() == 2 && b.calls().size() == 3; }));
  a.stop();
  journal_.held = true;
  ASSERT_TRUE(until([&] { return view("b").devices == 4; }));
  settle();
  EXPECT_EQ(b.calls().size(), 3u);
  journal_.let_go_on();
  ASSERT_TRUE(until([&] { return b.calls().size() == 5; }));
  // Nor when the one before has confirmed already.
  const std::size_t before = a.calls().size();
  journal_.held = true;
  a.start();
  ASSERT_TRUE(until([&] { return a.calls().size() == before + 2 && b.calls().size() == 7; }));
  settle();
  EXPECT_EQ(a.calls().size(), before + 2);
  EXPECT_EQ(b.count("remove d3") + b.count("remove d2"), 2u);
  journal_.let_go_on();
  EXPECT_TRUE(until([&] { return a.calls().size() == before + 4; }));
}

TEST_F(ManyMappersTest, AnnotationPinsADeviceToAMapper) {
  put_devices(2);
  Mapper a(mapper_socket("a")), b(mapper_socket("b"));
  const auto given_a = enroll("a");
  Json pinned = device("1", "", "d0");
  pinned["metadata"]["annotations"] = {{Core::mapper_annotation, "b"}};
  put(Kind::device, pinned);
  ASSERT_TRUE(until([&] { return a.count("remove d0") == 1; }));
  EXPECT_EQ(waiting(numbered(0)),
            "mapper b, which annotation devices.kubeedge.io/mapper names, has not registered for "
            "protocol \"modbus\"");
  const auto given_b = enroll("b");
  EXPECT_EQ(has(given_b, {}), std::set<std::string>{"d0"});
  EXPECT_EQ(waiting(numbered(0)), "");
  b.stop();
  ASSERT_TRUE(until([&] { return view("b").state == "down"; }));
  settle();
  EXPECT_EQ(has(given_a, a.calls()), std::set<std::string>{"d1"});
  Core restarted(loop_, journal_, "edge");
  restarted.load({*core_.find(Kind::device, numbered(0))}, {}, {}, core_.version());
  EXPECT_EQ(restarted.pinned_mapper(numbered(0)), "b");
}

TEST_F(ManyMappersTest, MapperAtAnAddressOfAnotherReplacesIt) {
  put_devices(2);
  Mapper mapper(mapper_socket("m"));
  ASSERT_TRUE(enroll("m").ok());
  std::atomic<std::size_t> devices = 0;
  client_->mapper_register({"renamed", "v1", "v1", "modbus", mapper_socket("m"), "ok"},
                           [&](auto answer) { devices = answer->devices.size(); });
  ASSERT_TRUE(until([&] { return devices == 2; }));
  EXPECT_EQ(link_->mappers(), 1u);
  EXPECT_FALSE(journal_.notes.contains("mapper/m"));
  EXPECT_EQ(journal_.notes.at("assigned/default/d0"), "renamed");
}

class FewMappersTest : public DmiLinkTest {
 protected:
  FewMappersTest() : DmiLinkTest(settings()) {}
  static DmiLink::Settings settings() {
    DmiLink::Settings settings = quick();
    settings.max_mappers = 2;
    settings.forget_after = seconds(2);
    return settings;
  }
};

TEST_F(FewMappersTest, LongestDeadMakesRoomAndTheLongDeadAreForgotten) {
  put(Kind::device_model, model());
  put(Kind::device, device("1"));
  Mapper a(mapper_socket("a")), b(mapper_socket("b")), c(mapper_socket("c"));
  ASSERT_TRUE(enroll("a").ok());
  ASSERT_TRUE(enroll("b", "canopen").ok());
  const Status full = enroll("c").status();
  EXPECT_EQ(full.code(), Code::unavailable);
  EXPECT_NE(full.text().find("2 mappers have registered, the limit"), std::string::npos);
  EXPECT_EQ(link_->counters().refused_registrations, 1u);
  b.stop();
  ASSERT_TRUE(until([&] { return link_->counters().deaths == 1; }));
  ASSERT_TRUE(enroll("c", "canopen").ok());
  EXPECT_FALSE(journal_.notes.contains("mapper/b"));
  a.stop();
  ASSERT_TRUE(until([&] { return link_->mappers() == 1; }));
  EXPECT_FALSE(journal_.notes.contains("mapper/a"));
  EXPECT_FALSE(journal_.notes.contains("assigned/default/boiler"));
  EXPECT_EQ(waiting(), "no mapper has registered for protocol \"modbus\"");
}

TEST_F(ManyMappersTest, StoppedProcessIsHungHurtsOnlyItselfAndComesBack) {
  put_devices(4);
  test_support::Process child({CHILD_MAPPER, mapper_socket("child")});
  ASSERT_TRUE(child.wait_for_output("serving"));
  Mapper b(mapper_socket("b"));
  ASSERT_TRUE(enroll("child").ok());
  const auto given_b = enroll("b");
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 2; }));
  const std::string other = *has(given_b, b.calls()).begin();
  const ObjectId of_child = other == "d0" || other == "d1" ? numbered(3) : numbered(0);
  ASSERT_TRUE(call([&](auto done) { client_->report_state(of_child, "online", done); }).ok());
  child.signal(SIGSTOP);
  put(Kind::device, device("2", "", of_child.name));
  put(Kind::device, device("2", "", other));
  ASSERT_TRUE(until([&] { return b.count(cat("update ", other, "=2")) == 1; }));
  EXPECT_EQ(view("child").state, "up");
  ASSERT_TRUE(until([&] { return view("child").state == "hung"; }));
  EXPECT_EQ(core_.state(of_child)->state, "unknown");
  EXPECT_EQ(waiting(of_child), cat("mapper child is hung: it accepts at ", mapper_socket("child"),
                                   " and says nothing"));
  EXPECT_EQ(link_->counters().hangs, 1u);
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 4; }));
  EXPECT_EQ(waiting(of_child), "");
  child.signal(SIGCONT);
  ASSERT_TRUE(until([&] { return view("child").state == "up"; }));
  // It gives back first; then it gets a share again.
  ASSERT_TRUE(until(
      [&] { return child.output().find(cat("remove ", of_child.name)) != std::string::npos; }));
  ASSERT_TRUE(until([&] { return has(given_b, b.calls()).size() == 2; }));
  ASSERT_TRUE(until([&] {
    for (int i = 0; i < 4; ++i) {
      if (!waiting(numbered(i)).empty()) return false;
    }
    return view("child").devices == 2;
  }));
}

}  // namespace
}  // namespace devicetwin

#include "assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/text.hpp"

namespace devicetwin {
namespace {

using base::cat;
using dmi::ObjectId;
using std::chrono::hours;
using std::chrono::seconds;
using Moves = Assignment::Moves;

ObjectId id(int number) { return {"default", cat("d", number < 10 ? "0" : "", number)}; }

class AssignmentTest : public ::testing::Test {
 protected:
  void devices(int count) {
    for (int i = 0; i < count; ++i) table.put(id(i), "modbus", "");
  }
  Assignment table{{}};
  base::SteadyTime now{};
};

TEST_F(AssignmentTest, DevicesThatCameFirstBelongToTheFirstMapperOfTheirProtocol) {
  devices(2);
  table.put(id(7), "canopen", "");
  EXPECT_EQ(table.mapper_of(id(0)), "");
  EXPECT_EQ(table.join("m", "modbus", now), (Moves{{id(0), "", "m"}, {id(1), "", "m"}}));
  EXPECT_EQ(table.mapper_of(id(7)), "");
}

TEST_F(AssignmentTest, NewDeviceGoesToTheMapperWithTheFewestByName) {
  table.join("b", "modbus", now);
  table.join("a", "modbus", now);
  EXPECT_EQ(table.put(id(0), "modbus", ""), (Moves{{id(0), "", "a"}}));
  EXPECT_EQ(table.put(id(1), "modbus", ""), (Moves{{id(1), "", "b"}}));
  EXPECT_EQ(table.put(id(2), "modbus", ""), (Moves{{id(2), "", "a"}}));
  EXPECT_TRUE(table.put(id(2), "modbus", "").empty());
  table.set_presence("b", Presence::dead, now);
  EXPECT_EQ(table.put(id(3), "modbus", ""), (Moves{{id(3), "", "a"}}));
}

TEST_F(AssignmentTest, MapperThatJoinsGetsTheFewestThatMakeTheCountsDifferByOne) {
  devices(10);
  table.join("a", "modbus", now);
  EXPECT_EQ(table.join("b", "modbus", now).size(), 5u);
  EXPECT_EQ(table.join("c", "modbus", now).size(), 3u);
  EXPECT_EQ(table.count("a") + table.count("b"), 7u);
  EXPECT_TRUE(table.join("b", "modbus", now).empty());
}

TEST_F(AssignmentTest, PinnedDeviceBelongsToItsMapperOrToNobody) {
  table.join("a", "modbus", now);
  table.put(id(0), "modbus", "b");
  EXPECT_EQ(table.mapper_of(id(0)), "");
  table.join("b", "canopen", now);
  EXPECT_EQ(table.mapper_of(id(0)), "");
  EXPECT_EQ(table.join("b", "modbus", now), (Moves{{id(0), "", "b"}}));
  for (int i = 1; i < 8; ++i) table.put(id(i), "modbus", "b");
  EXPECT_TRUE(table.join("c", "modbus", now).empty());
  EXPECT_EQ(table.put(id(1), "modbus", "a"), (Moves{{id(1), "b", "a"}}));
  EXPECT_TRUE(table.put(id(1), "modbus", "").empty());
  table.set_presence("b", Presence::dead, now);
  EXPECT_TRUE(table.tick(now + hours(1)).empty());
}

TEST_F(AssignmentTest, MapperThatIsAwayLongerThanARestartLosesItsDevicesToTheOthers) {
  devices(4);
  table.join("a", "modbus", now);
  table.join("b", "modbus", now);
  table.set_presence("a", Presence::hung, now);
  EXPECT_TRUE(table.tick(now + seconds(9)).empty());
  EXPECT_FALSE(table.gave_up("a", now + seconds(9)));
  table.set_presence("a", Presence::dead, now + seconds(9));
  EXPECT_EQ(table.tick(now + seconds(10)).size(), 2u);
  EXPECT_EQ(table.count("b"), 4u);
  EXPECT_TRUE(table.gave_up("a", now + seconds(10)));
  // Back again it has a share again.
  EXPECT_EQ(table.join("a", "modbus", now + seconds(11)).size(), 2u);
  // Back before the others got them, nothing has moved.
  table.set_presence("a", Presence::dead, now + seconds(20));
  EXPECT_TRUE(table.set_presence("a", Presence::up, now + seconds(29)).empty());
  EXPECT_EQ(table.count("a"), 2u);
}

TEST_F(AssignmentTest, NobodyElseIsThereSoTheDevicesStay) {
  devices(2);
  table.join("a", "modbus", now);
  table.join("other", "canopen", now);
  table.set_presence("a", Presence::dead, now);
  EXPECT_TRUE(table.tick(now + hours(23)).empty());
  EXPECT_TRUE(table.forgettable(now + hours(23)).empty());
  EXPECT_EQ(table.longest_dead(), "");
  EXPECT_EQ(table.forgettable(now + hours(24)), std::vector<std::string>{"a"});
  EXPECT_EQ(table.forget("a").size(), 2u);
  EXPECT_EQ(table.mapper_of(id(0)), "");
}

TEST_F(AssignmentTest, LongestDeadWithoutDevicesIsForgottenFirst) {
  for (const char* name : {"a", "b", "c"}) table.join(name, name, now);
  table.put(id(0), "a", "");
  for (const char* name : {"a", "c", "b"}) {
    table.set_presence(name, Presence::dead, now += seconds(1));
  }
  EXPECT_EQ(table.longest_dead(), "c");
}

TEST_F(AssignmentTest, AfterARestartEverythingIsWhereItWas) {
  for (const char* name : {"a", "b"}) table.restore(name, "modbus", now);
  EXPECT_EQ(table.put(id(0), "modbus", "", "b"), (Moves{{id(0), "", "b"}}));
  EXPECT_EQ(table.put(id(1), "modbus", "", "b"), (Moves{{id(1), "", "b"}}));
  EXPECT_EQ(table.put(id(2), "modbus", "", "b"), (Moves{{id(2), "", "b"}}));
  EXPECT_EQ(table.put(id(3), "modbus", "", "gone"), (Moves{{id(3), "", "a"}}));
  EXPECT_TRUE(table.join("a", "modbus", now).empty());
}

// Anything may happen in any order; what it may not do is checked after each step.
TEST_F(AssignmentTest, HoldsWhateverHappens) {
  std::minstd_rand random(7);
  const auto pick = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  const std::vector<std::string> names{"a", "b", "c", "d", "e"};
  const std::vector<std::string> protocols{"modbus", "canopen"};
  std::map<ObjectId, std::pair<std::string, std::string>> wanted;  // protocol, pin
  std::map<ObjectId, std::string> seen;                            // as the moves tell it
  std::map<std::string, std::string> mappers;                      // name, protocol
  for (int step = 0; step < 20'000; ++step) {
    now += seconds(pick(4));
    const std::string& name = names[static_cast<std::size_t>(pick(5))];
    const ObjectId device = id(pick(40));
    const int what = pick(10);
    Moves moves;
    bool joined = false;
    if (what == 0) {
      const std::string protocol = protocols[static_cast<std::size_t>(pick(2))];
      joined = mappers.emplace(name, protocol).second;
      mappers[name] = protocol;
      moves = table.join(name, protocol, now);
    } else if (what == 1 && pick(4) == 0) {
      mappers.erase(name);
      moves = table.forget(name);
    } else if (what == 2) {
      wanted.erase(device);
      moves = table.remove(device);
    } else if (what < 6 && mappers.contains(name)) {
      moves = table.set_presence(name, static_cast<Presence>(pick(3)), now);
    } else if (what == 6) {
      moves = table.tick(now);
    } else if (what > 6) {
      wanted[device] = {protocols[static_cast<std::size_t>(pick(2))], pick(4) == 0 ? name : ""};
      moves = table.put(device, wanted[device].first, wanted[device].second);
      ASSERT_LE(moves.size(), 1u);
    }
    // The fewest for what came of it: nobody gains and loses, and each device moves once.
    if (joined) {
      std::set<std::string> gained, lost;
      std::set<ObjectId> moved;
      for (const auto& move : moves) {
        gained.insert(move.to);
        lost.insert(move.from);
        ASSERT_TRUE(moved.insert(move.device).second) << step;
      }
      for (const std::string& one : gained) ASSERT_FALSE(lost.contains(one)) << step;
    }
    for (const auto& move : moves) {
      ASSERT_EQ(seen[move.device], move.from) << step;
      ASSERT_NE(move.from, move.to) << step;
      seen[move.device] = move.to;
    }
    std::size_t most = 0, least = wanted.size();
    for (const auto& [mapper, protocol] : mappers) {
      for (const ObjectId& each : table.devices_of(mapper)) ASSERT_EQ(seen[each], mapper);
      if (!joined || protocol != mappers[name] || table.presence(mapper) != Presence::up) continue;
      const auto all = table.devices_of(mapper);
      if (std::any_of(all.begin(), all.end(),
                      [&](auto& one) { return wanted[one].second.empty(); }))
        most = std::max(most, all.size());
      least = std::min(least, all.size());
    }
    if (joined && most > 0) {
      ASSERT_LE(most, least + 1) << step;
    }
    std::size_t placed = 0;
    for (const auto& [each, want] : wanted) {
      const std::string& at = table.mapper_of(each);
      ASSERT_EQ(seen[each], at) << step;
      if (at.empty()) {
        ASSERT_TRUE(want.second.empty()
                        ? table.mappers_of(want.first) == 0
                        : !mappers.contains(want.second) || mappers[want.second] != want.first)
            << step;
        continue;
      }
      ++placed;
      ASSERT_EQ(mappers.at(at), want.first) << step;
      ASSERT_TRUE(want.second.empty() || want.second == at) << step;
    }
    std::size_t counted = 0;
    for (const auto& [mapper, protocol] : mappers) counted += table.count(mapper);
    ASSERT_EQ(counted, placed) << step;
  }
}

}  // namespace
}  // namespace devicetwin

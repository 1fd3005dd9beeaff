// A wall clock that jumps: times are told as they are read, nothing waits by it and nothing is
// ordered by it.
#include "devicetwin/core/fixture.hpp"

namespace devicetwin::test {
namespace {

using namespace std::chrono_literals;

class Clock : public CoreTest {
 protected:
  Clock() { make_boiler(); }
  void report(const std::string& value) {
    ASSERT_TRUE(update_twin(actual("temperature", value), Origin::mapper).ok());
  }
  std::string stored() { return journal_.rows[{boiler_, "temperature"}].actual.value; }
};

TEST_F(Clock, VersionsRiseThroughJumpsInBothDirections) {
  std::int64_t edge = 0;
  std::uint64_t version = core_.version();
  int value = 0;
  for (const auto jump : {0h, -24h, 48h, -24h * 365}) {
    loop_.jump(jump);
    report(std::to_string(++value));
    EXPECT_GT(row("temperature").actual.version.edge, edge);
    EXPECT_GT(core_.version(), version);
    edge = row("temperature").actual.version.edge;
    version = core_.version();
    ASSERT_TRUE(update(device_json(std::to_string(20 + value))).ok());
    EXPECT_EQ(row("setpoint").expected.value, std::to_string(20 + value));
  }
}

TEST_F(Clock, ReportsReachTheJournalWithinTheWindowWhateverTheClockSays) {
  int value = 0;
  for (const auto jump : {-24h, 24h, -24h * 365}) {
    report(std::to_string(++value));
    loop_.jump(jump);
    loop_.advance(Core::report_window);
    EXPECT_EQ(stored(), std::to_string(value));
  }
}

TEST_F(Clock, IntervalsOfAPropertyGoOn) {
  Json device = device_json();
  device["spec"]["properties"][0]["visitors"] = {{"protocolName", "modbus"},
                                                 {"configData", {{"minInterval", 1000}}}};
  ASSERT_TRUE(update(device).ok());
  report("1");
  loop_.jump(-24h);
  report("2");
  EXPECT_EQ(row("temperature").actual.value, "1");
  loop_.advance(1000ms);
  EXPECT_EQ(row("temperature").actual.value, "2");
  loop_.jump(48h);
  report("3");
  EXPECT_EQ(row("temperature").actual.value, "2");
  loop_.advance(1000ms);
  EXPECT_EQ(row("temperature").actual.value, "3");
}

TEST_F(Clock, TimesAreToldAsTheClockHasThem) {
  loop_.jump(-24h);
  report("1");
  EXPECT_EQ(row("temperature").actual.time_ms, base::to_ms(loop_.wall()));
}

}  // namespace
}  // namespace devicetwin::test

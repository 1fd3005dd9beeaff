#include "modbus/forecast.hpp"

#include <gmock/gmock.h>

#include "modbus/points.hpp"

namespace modbus_test {
namespace {

using modbus::Forecast;
using modbus::forecast;
using modbus::Split;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Forecast of(const std::vector<int>& offsets, Json more = Json::object()) {
  Json protocol{{"ip", "10.0.0.5"}, {"roundTrip", 2}};
  protocol.update(more);
  std::vector<mapper::Point> points;
  for (const int offset : offsets) {
    points.push_back(
        point(dmi::Type::integer, at("HoldingRegister", offset), false, base::cat("p", offset)));
  }
  auto made = forecast(target_of(std::move(points), protocol));
  EXPECT_TRUE(made.ok()) << made.status().text();
  return made ? *made : Forecast();
}

TEST(Forecast, ARequestHasItsPointsItsBytesAndItsTime) {
  const Forecast made = of({0, 9});
  EXPECT_EQ(made.endpoint, "tcp://10.0.0.5:502");
  ASSERT_EQ(made.cycles.size(), 1u);
  ASSERT_EQ(made.cycles[0].requests.size(), 1u);
  const modbus::ForecastRequest& request = made.cycles[0].requests[0];
  EXPECT_EQ(request.range.to_string(), "holding 0..9");
  EXPECT_THAT(request.points, ElementsAre("p0", "p9"));
  EXPECT_EQ(request.filled, 8);
  EXPECT_EQ(request.bytes_out, 12u);
  EXPECT_EQ(request.bytes_in, 9u + 20u);
  // 2 ms, and 41 bytes at 80 ns.
  EXPECT_EQ(request.time, 2003us);
  EXPECT_NEAR(made.utilisation_pct, 0.2, 0.01);
}

TEST(Forecast, EverySplitSaysWhy) {
  const Forecast made = of({0, 1, 3, 10, 200}, {{"maxGap", 5}, {"forbidden", "holding 2"}});
  std::vector<Split> splits;
  for (const auto& request : made.cycles[0].requests) splits.push_back(request.split);
  EXPECT_THAT(splits, ElementsAre(Split::forbidden, Split::gap_cap, Split::limit, Split::last));
  EXPECT_EQ(of({0, 124, 125, 249}).cycles[0].requests[0].split, Split::limit);
  EXPECT_EQ(of({0, 20}, {{"roundTrip", 0}}).cycles[0].requests[0].split, Split::gap_cost);
}

TEST(Forecast, CyclesAreApartAndTheShortestComesFirst) {
  mapper::Target target = target_of({point(dmi::Type::integer, at("HoldingRegister", 0)),
                                     point(dmi::Type::integer, at("HoldingRegister", 1)),
                                     point(dmi::Type::integer, at("HoldingRegister", 70000))},
                                    Json{{"ip", "10.0.0.5"}});
  target.points[0].cycle = 10s;
  target.points[1].cycle = 100ms;
  const auto made = forecast(target);
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made->cycles.size(), 3u);
  EXPECT_EQ(made->cycles[0].cycle, 100ms);
  EXPECT_EQ(made->cycles[1].points, 0u);  // the wrong one, at 1 s
  EXPECT_EQ(made->cycles[2].cycle, 10s);
  ASSERT_EQ(made->mistakes.size(), 1u);
  EXPECT_THAT(made->mistakes[0].text(), HasSubstr("offset: 70000 is above 65535"));
}

TEST(Forecast, WrongSettingsAreAnError) {
  EXPECT_THAT(forecast(target_of({}, Json{{"ip", "a"}, {"timeout", 1}})).status().to_string(),
              HasSubstr("timeout: 1 is below 10"));
}

}  // namespace
}  // namespace modbus_test

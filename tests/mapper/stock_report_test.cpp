#include "stock_report.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "dmi/encoding.hpp"

namespace mapper {
namespace {

class StockReportTest : public ::testing::Test {
 protected:
  static dmi::TwinReport twin(const std::string& property, const std::string& value) {
    return {property, std::nullopt, dmi::TwinValue{value, {{"type", "string"}}}};
  }

  base::ManualLoop loop;
  base::Repeats repeats;
  StockReport stock{loop, repeats};
};

TEST_F(StockReportTest, WhatFitsIsToldAsItIs) {
  const dmi::DeviceReport report{{"default", "d"}, {twin("a", "21.5"), twin("b", "")}};
  EXPECT_EQ(stock.adapt(report).twins, report.twins);
  EXPECT_EQ(stock.counts().encoded, 0u);
}

TEST_F(StockReportTest, ReportedAndObservedAreEncoded) {
  dmi::TwinReport both = twin("a", "on air");
  both.observed = dmi::TwinValue{"21 °C", {}};
  const dmi::DeviceReport told = stock.adapt({{"default", "d"}, {both}});
  EXPECT_EQ(told.twins[0].reported->value, "#:on#20air");
  EXPECT_EQ(told.twins[0].observed->value, "#:21#20#c2#b0C");
  EXPECT_EQ(told.twins[0].reported->metadata, both.reported->metadata);
  EXPECT_EQ(stock.counts().encoded, 2u);
  EXPECT_EQ(stock.counts().cut, 0u);
}

TEST_F(StockReportTest, CutValuesSaySo) {
  const dmi::DeviceReport told =
      stock.adapt({{"default", "d"}, {twin("a", std::string(600, 'x'))}});
  EXPECT_EQ(told.twins[0].reported->metadata.at("truncated"), "true");
  EXPECT_TRUE(dmi::is_stock_text(told.twins[0].reported->value));
  EXPECT_EQ(stock.counts().cut, 1u);
}

TEST_F(StockReportTest, PropertiesThatCannotBeNamedAreDroppedAndCounted) {
  const dmi::DeviceReport report{{"default", "d"},
                                 {twin("temp in", "1"), twin("b", "2"), twin("ü", "3")}};
  const dmi::DeviceReport told = stock.adapt(report);
  ASSERT_EQ(told.twins.size(), 1u);
  EXPECT_EQ(told.twins[0].property, "b");
  EXPECT_EQ(stock.counts().dropped, 2u);
}

TEST_F(StockReportTest, TheLogTellsOfADroppedPropertyOnce) {
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 5; ++i) stock.adapt({{"default", "d"}, {twin("temp in", "1")}});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("default/d: property temp in is not told"), std::string::npos) << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
  EXPECT_EQ(stock.counts().dropped, 5u);
}

TEST_F(StockReportTest, TheLogTellsOfACutValueOnce) {
  ::testing::internal::CaptureStderr();
  const dmi::DeviceReport report{{"default", "d"}, {twin("a", std::string(600, 'x'))}};
  for (int i = 0; i < 5; ++i) stock.adapt(report);
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("default/d: property a: its 600 bytes are cut"), std::string::npos) << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
}

TEST_F(StockReportTest, TheLogTellsOfANamespaceThatIsNotHeardWhoseDevicesAreToldAllTheSame) {
  ::testing::internal::CaptureStderr();
  for (const char* device : {"d", "e"}) {
    EXPECT_EQ(stock.adapt({{"dev", device}, {twin("a", "1")}}).twins.size(), 1u);
  }
  stock.adapt({{"default", "d"}, {twin("a", "1")}});
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("namespace dev: a stock EdgeCore drops"), std::string::npos) << log;
  EXPECT_EQ(std::ranges::count(log, '\n'), 1) << log;
}

TEST_F(StockReportTest, UnknownStatesAreUnknown) {
  EXPECT_EQ(StockReport::state("online"), "online");
  EXPECT_EQ(StockReport::state("Offline"), "Offline");
  EXPECT_EQ(StockReport::state("OK"), "OK");
  EXPECT_EQ(StockReport::state("unhealthy"), "unhealthy");
  EXPECT_EQ(StockReport::state("degraded"), "unknown");
  EXPECT_EQ(StockReport::state(""), "unknown");
}

}  // namespace
}  // namespace mapper

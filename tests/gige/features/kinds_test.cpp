// Every kind of feature read, written and refused, against a camera that has one of each.
#include "gige/features/kinds.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <limits>

#include "support/process.hpp"

namespace gige {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using gige::testing::KindsTest;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Value whole(std::int64_t value) { return Value(value); }
Value text(std::string value) { return Value(std::move(value)); }

TEST_F(KindsTest, EachKindIsWhatItsDescriptionSays) {
  EXPECT_EQ(described("Width").kind, Kind::integer);
  EXPECT_EQ(described("Stubborn").kind, Kind::integer);  // IntConverter
  EXPECT_EQ(described("Gain").kind, Kind::floating);     // Converter
  EXPECT_EQ(described("Bare").kind, Kind::floating);     // FloatReg
  EXPECT_EQ(described("ReverseX").kind, Kind::boolean);
  EXPECT_EQ(described("PixelFormat").kind, Kind::enumeration);
  EXPECT_EQ(described("DeviceNote").kind, Kind::string);
  EXPECT_EQ(described("DeviceReset").kind, Kind::command);
  EXPECT_EQ(described("Table").kind, Kind::bytes);
}

TEST_F(KindsTest, AccessIsWhatTheCameraAllowsNow) {
  EXPECT_EQ(described("DeviceVendorName").access, Access::read);
  EXPECT_EQ(described("Secret").access, Access::write);
  EXPECT_EQ(described("Width").access, Access::read_write);
  EXPECT_EQ(described("Absent").access, Access::none);
  set_reg(absent, 1);
  EXPECT_NE(described("Absent").access, Access::none);
  EXPECT_EQ(described("ExposureAuto").access, Access::read_write);
  set_reg(lock, 1);
  EXPECT_EQ(described("ExposureAuto").access, Access::read);
}

TEST_F(KindsTest, UnitVisibilityAndDescriptionAreTheCameras) {
  EXPECT_EQ(described("ExposureTime").unit, "us");
  EXPECT_EQ(described("Gain").unit, "dB");
  EXPECT_EQ(described("DeviceReset").visibility, "Guru");
  EXPECT_EQ(described("Width").visibility, "Beginner");
  EXPECT_EQ(described("DeviceNote").description, "What somebody wrote on it");
}

TEST_F(KindsTest, EachKindIsWrittenAndReadBack) {
  EXPECT_EQ(features_->write("Width", whole(320)), Status());
  EXPECT_EQ(reg(width), 320u);
  EXPECT_EQ(features_->write("ExposureTime", Value(2500.5)), Status());
  EXPECT_EQ(read("ExposureTime"), Value(2500.5));
  EXPECT_EQ(features_->write("ReverseX", Value(true)), Status());
  EXPECT_EQ(reg(reverse), 5u);
  EXPECT_EQ(read("ReverseX"), Value(true));
  EXPECT_EQ(features_->write("DeviceNote", text("left")), Status());
  EXPECT_EQ(read("DeviceNote"), text("left"));
  EXPECT_EQ(features_->write("DeviceReset", Value(true)), Status());
  EXPECT_EQ(reg(reset), 7u);
  EXPECT_EQ(features_->write("Secret", whole(99)), Status());
  EXPECT_EQ(reg(secret), 99u);
  EXPECT_EQ(features_->read("Secret").status().code(), Code::refused);
}

TEST_F(KindsTest, LimitsAreThoseOfNow) {
  EXPECT_EQ(features_->write("Width", whole(640)), Status());
  set_reg(width_max, 600);
  const Status wide = features_->write("Width", whole(640));
  EXPECT_EQ(wide.code(), Code::out_of_range);
  EXPECT_THAT(wide.text(), HasSubstr("640 is above 600; the camera allows 16..600"));
  EXPECT_EQ(features_->write("Width", whole(600)), Status());
}

TEST_F(KindsTest, StepsAreTheCameras) {
  const Status between = features_->write("Width", whole(322));
  EXPECT_EQ(between.code(), Code::out_of_range);
  EXPECT_THAT(between.text(), HasSubstr("322 is not in steps of 4 from 16"));
}

TEST_F(KindsTest, EntriesAreThoseOfNow) {
  EXPECT_THAT(described("PixelFormat").entries, ElementsAre("Mono8"));
  EXPECT_EQ(features_->write("PixelFormat", text("Mono16")).code(), Code::invalid);
  set_reg(deep, 1);
  EXPECT_EQ(features_->write("PixelFormat", text("Mono16")), Status());
  EXPECT_EQ(read("PixelFormat"), text("Mono16"));
}

TEST_F(KindsTest, AnEntrysNumberIsCheckedLikeItsName) {
  const Status none = features_->write("PixelFormat", whole(42));
  EXPECT_EQ(none.code(), Code::invalid);
  EXPECT_THAT(none.text(), HasSubstr("Mono8"));
  const Status hidden = features_->write("PixelFormat", whole(0x01100007));
  EXPECT_EQ(hidden.code(), Code::invalid);  // not available now
  EXPECT_EQ(read("PixelFormat"), text("Mono8"));
  EXPECT_EQ(features_->write("PixelFormat", whole(0x01080001)), Status());
  EXPECT_EQ(features_->write("ExposureAuto", Value(2.0)), Status());
  EXPECT_EQ(read("ExposureAuto"), text("Continuous"));
  EXPECT_EQ(features_->write("ExposureAuto", text("1")), Status());
  EXPECT_EQ(read("ExposureAuto"), text("Once"));
}

TEST_F(KindsTest, WhatIsNoNumberNeverReachesACamera) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
        -std::numeric_limits<double>::infinity()}) {
    for (const char* name : {"Bare", "ExposureTime", "Unbounded", "Width"}) {
      const Status refused = features_->write(name, Value(bad));
      EXPECT_FALSE(refused.ok()) << name << " " << bad;
      EXPECT_FALSE(refused.retriable()) << name;
    }
  }
  EXPECT_EQ(read("Bare"), Value(0.0));
}

TEST_F(KindsTest, IntegersAreExactToTheirLastBit) {
  for (const std::int64_t value :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
        (std::int64_t{1} << 53) + 1}) {
    EXPECT_EQ(features_->write("Unbounded", whole(value)), Status());
    EXPECT_EQ(read("Unbounded"), whole(value));
    EXPECT_EQ(features_->write("Unbounded", text(std::to_string(value))), Status());
    EXPECT_EQ(read("Unbounded"), whole(value));
  }
  const Status beyond = features_->write("Unbounded", Value(1e30));
  EXPECT_EQ(beyond.code(), Code::out_of_range) << beyond.text();
}

TEST_F(KindsTest, ATextThatIsTooLongIsRefusedAndNotCut) {
  const Status longer = features_->write("DeviceNote", text("123456789"));
  EXPECT_EQ(longer.code(), Code::out_of_range);
  EXPECT_THAT(longer.text(), HasSubstr("9"));
  EXPECT_THAT(longer.text(), HasSubstr("8"));
  EXPECT_EQ(read("DeviceNote"), text(""));
  EXPECT_EQ(features_->write("DeviceNote", text("12345678")), Status());
  EXPECT_EQ(read("DeviceNote"), text("12345678"));
  EXPECT_EQ(features_->write("DeviceNote", text(std::string("a\0b", 3))).code(), Code::invalid);
}

TEST_F(KindsTest, AWriteThatTheCameraIgnoresIsToldSo) {
  const Status ignored = features_->write("Stubborn", whole(5));
  EXPECT_EQ(ignored.code(), Code::refused);
  EXPECT_THAT(ignored.text(), HasSubstr("Stubborn"));
  EXPECT_THAT(ignored.text(), HasSubstr("took 5 and is still 0"));
  EXPECT_EQ(features_->write("Stubborn", whole(0)), Status());
}

TEST_F(KindsTest, ALockedFeatureIsRefusedAndItsStopAskedFor) {
  EXPECT_FALSE(features_->needs_stop("ExposureAuto"));
  set_reg(lock, 1);
  EXPECT_TRUE(features_->needs_stop("ExposureAuto"));
  EXPECT_EQ(features_->write("ExposureAuto", text("Once")).code(), Code::refused);
  EXPECT_EQ(read("ExposureAuto"), text("Off"));
}

TEST_F(KindsTest, ASelectorPicksWhichOneIsReadAndWritten) {
  EXPECT_EQ(features_->write("Gain", Value(1.5), {{"GainSelector", "Blue"}}), Status());
  EXPECT_EQ(reg(gain_blue), 15u);
  EXPECT_EQ(reg(gain_red), 0u);
  EXPECT_EQ(read("Gain", {{"GainSelector", "Red"}}), Value(0.0));
  EXPECT_EQ(read("Gain", {{"GainSelector", "Blue"}}), Value(1.5));
  const auto wrong = features_->read("Gain", {{"GainSelektor", "Red"}});
  EXPECT_EQ(wrong.status().code(), Code::not_found);
  EXPECT_THAT(wrong.status().text(), HasSubstr("nearest: GainSelector"));
}

TEST_F(KindsTest, AFeatureKnowsItsCategoryAndSelectorsHoweverItIsAskedFor) {
  EXPECT_THAT(described("Gain").selectors, ElementsAre("GainSelector"));
  EXPECT_EQ(described("Gain").category, "AnalogControl");
  for (const Feature& feature : features_->list(false)) {
    EXPECT_EQ(feature.selectors, described(feature.name).selectors) << feature.name;
    EXPECT_EQ(feature.category, described(feature.name).category) << feature.name;
  }
}

TEST_F(KindsTest, OldNamesFindTodaysFeatures) {
  EXPECT_EQ(described("ExposureTimeAbs").name, "ExposureTime");
  EXPECT_EQ(described("ExposureTimeRaw").name, "ExposureTime");
  EXPECT_EQ(described("GainRaw").name, "Gain");
  EXPECT_EQ(described("GainAbs").name, "Gain");
  EXPECT_EQ(read("DeviceID"), read("DeviceSerialNumber"));  // Aravis gives every camera the old one
  EXPECT_EQ(described("GevTimestampValue").name, "Timestamp");
  EXPECT_TRUE(features_->has("DeviceStreamChannelPacketSize"));  // here it is GevSCPSPacketSize
  EXPECT_TRUE(features_->needs_stop("DeviceStreamChannelPacketSize"));
}

TEST_F(KindsTest, CategoriesThatHoldThemselvesAreWalkedOnce) {
  std::vector<std::string> names;
  for (const Feature& feature : features_->list(true)) names.push_back(feature.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  EXPECT_THAT(names, Contains("Bare"));
  EXPECT_THAT(names, Not(Contains("Oddities")));
}

TEST_F(KindsTest, ACameraThatIsGoneIsToldAsThatAndNotAsALock) {
  fake_.reset();
  const Status written = features_->write("ExposureAuto", text("Once"));
  EXPECT_TRUE(written.retriable()) << written.text();
  EXPECT_TRUE(features_->describe("ExposureAuto").status().retriable());
  EXPECT_EQ(features_->list(true).size(), features_->list(false).size());
}

// Under the address sanitizer this is a leak test as well.
TEST_F(KindsTest, ListingManyTimesSaysTheSame) {
  const std::vector<Feature> first = features_->list(true);
  for (int i = 0; i < 50; ++i) {
    const std::vector<Feature> again = features_->list(true);
    ASSERT_EQ(again.size(), first.size());
    for (std::size_t each = 0; each < first.size(); ++each) {
      ASSERT_EQ(again[each].value, first[each].value) << first[each].name;
    }
  }
}

// 40 categories in each other, a feature in each, and 21,000 features in the first of them.
class AbsurdTest : public KindsTest {
 protected:
  std::string description() override {
    const std::string file = folder_ / "absurd.xml";
    std::ofstream xml(file);
    xml << "<RegisterDescription ModelName=\"Absurd\" VendorName=\"Tests\" "
           "StandardNameSpace=\"None\" "
           "SchemaMajorVersion=\"1\" SchemaMinorVersion=\"1\" SchemaSubMinorVersion=\"0\" "
           "MajorVersion=\"1\" MinorVersion=\"0\" SubMinorVersion=\"0\" ProductGuid=\"0\" "
           "VersionGuid=\"0\">";
    for (int level = 0; level < 40; ++level) {
      xml << "<Category Name=\"" << category(level) << "\"><pFeature>At" << level
          << "</pFeature><pFeature>" << category(level + 1) << "</pFeature>";
      for (int i = 0; level == 0 && i < 21'000; ++i) xml << "<pFeature>F" << i << "</pFeature>";
      xml << "</Category><Integer Name=\"At" << level << "\"><Value>1</Value></Integer>";
    }
    for (int i = 0; i < 21'000; ++i) {
      xml << "<Integer Name=\"F" << i << "\"><Value>1</Value></Integer>";
    }
    xml << "<Port Name=\"Device\"/></RegisterDescription>";
    return file;
  }
  static std::string category(int level) {
    return level == 0 ? "Root" : "C" + std::to_string(level);
  }
  test_support::TempFolder folder_;
};

TEST_F(AbsurdTest, ATreeIsWalked32DeepAndTo20000Features) {
  const std::vector<Feature> all = features_->list(false);
  EXPECT_EQ(all.size(), 20'000u);
  std::vector<std::string> names;
  for (const Feature& feature : all) names.push_back(feature.name);
  EXPECT_THAT(names, Contains("At32"));
  EXPECT_THAT(names, Not(Contains("At33")));
}

}  // namespace
}  // namespace gige

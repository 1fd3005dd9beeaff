// Features of a real fake camera, by name: what they are, and what writing them may and may not do.
#include "gige/features.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gige/camera.hpp"
#include "gige/fake_camera.hpp"
#include "mapper/objects.hpp"

namespace gige {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using gige_test::FakeCamera;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

class FeaturesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CameraQuery query;
    query.ip = "127.0.0.1";
    const auto info = find(query, std::chrono::seconds(10));
    ASSERT_TRUE(info.ok()) << info.status().text();
    auto opened = Camera::open(*info, {});
    ASSERT_TRUE(opened.ok()) << opened.status().text();
    camera_ = std::move(*opened);
    features_.emplace(camera_->device());
  }
  Value read(const std::string& name) {
    const auto value = features_->read(name);
    EXPECT_TRUE(value.ok()) << value.status().text();
    return value ? *value : Value();
  }

  FakeCamera fake_{"FEAT"};
  std::unique_ptr<Camera> camera_;
  std::optional<Features> features_;
};

TEST_F(FeaturesTest, TheWholeTreeIsListedWithKindAccessAndRange) {
  const std::vector<Feature> all = features_->list(true);
  const auto find = [&](const std::string& name) {
    for (const Feature& feature : all) {
      if (feature.name == name) return feature;
    }
    ADD_FAILURE() << name << " is not listed";
    return Feature();
  };
  const Feature width = find("Width");
  EXPECT_EQ(width.kind, Kind::integer);
  EXPECT_EQ(width.access, Access::read_write);
  EXPECT_EQ(width.category, "ImageFormatControl");
  EXPECT_EQ(width.minimum, 1);
  EXPECT_EQ(width.maximum, 2048);
  EXPECT_EQ(width.value, Value(std::int64_t{512}));
  EXPECT_EQ(find("ExposureTimeAbs").kind, Kind::floating);
  EXPECT_THAT(find("PixelFormat").entries, IsSupersetOf({"Mono8", "RGB8", "BayerRG8"}));
  EXPECT_EQ(find("TriggerSoftware").kind, Kind::command);
  EXPECT_EQ(find("TriggerSoftware").access, Access::write);
  EXPECT_EQ(find("DeviceVendorName").value, Value(std::string("Aravis")));
}

TEST_F(FeaturesTest, WhatIsWrittenIsReadBack) {
  EXPECT_EQ(features_->write("Width", Value(std::int64_t{300})), Status());
  EXPECT_EQ(read("Width"), Value(std::int64_t{300}));
  EXPECT_EQ(features_->write("ExposureTime", Value(2500.0)), Status());
  EXPECT_EQ(read("ExposureTime"), Value(2500.0));
  EXPECT_EQ(features_->write("PixelFormat", Value(std::string("rgb8"))), Status());
  EXPECT_EQ(read("PixelFormat"), Value(std::string("RGB8")));
  EXPECT_EQ(features_->write("Height", Value(std::string("200"))), Status());
  EXPECT_EQ(read("Height"), Value(std::int64_t{200}));
  EXPECT_EQ(features_->write("TriggerSoftware", Value(true)), Status());
}

TEST_F(FeaturesTest, OldAndNewNamesFindEachOther) {
  EXPECT_EQ(read("ExposureTime"), read("ExposureTimeAbs"));
  EXPECT_TRUE(features_->has("Gain"));
  EXPECT_EQ(read("DeviceSerialNumber"), Value(std::string("FEAT")));
}

TEST_F(FeaturesTest, BeyondTheCamerasLimitsNothingIsWrittenAndTheyAreTold) {
  const Status wide = features_->write("Width", Value(std::int64_t{99999}));
  EXPECT_EQ(wide.code(), Code::out_of_range);
  EXPECT_THAT(wide.text(), HasSubstr("99999 is above 2048"));
  EXPECT_EQ(read("Width"), Value(std::int64_t{512}));
  const Status dark = features_->write("ExposureTime", Value(1.0));
  EXPECT_EQ(dark.code(), Code::out_of_range);
  EXPECT_THAT(dark.text(), HasSubstr("1 is below 10"));
  const Status entry = features_->write("PixelFormat", Value(std::string("Mono9")));
  EXPECT_EQ(entry.code(), Code::invalid);
  EXPECT_THAT(entry.text(), HasSubstr("Mono8"));
  EXPECT_EQ(features_->write("Width", Value(10.5)).code(), Code::invalid);
  EXPECT_EQ(features_->write("Width", Value(std::string("wide"))).code(), Code::invalid);
}

TEST_F(FeaturesTest, WhatIsReadOnlyIsRefused) {
  EXPECT_EQ(features_->write("DeviceVendorName", Value(std::string("x"))).code(), Code::refused);
  EXPECT_EQ(read("DeviceVendorName"), Value(std::string("Aravis")));
}

TEST_F(FeaturesTest, AnUnknownNameIsToldWithTheNearest) {
  const Status unknown = features_->read("Widht").status();
  EXPECT_EQ(unknown.code(), Code::not_found);
  EXPECT_THAT(unknown.text(), HasSubstr("nearest: Width"));
  EXPECT_EQ(features_->write("Nonsense", Value(true)).code(), Code::not_found);
}

TEST_F(FeaturesTest, ASelectorIsSetBeforeTheFeature) {
  const Selection frame{{"TriggerSelector", "AcquisitionStart"}};
  EXPECT_EQ(features_->write("TriggerMode", Value(std::string("On")), frame), Status());
  EXPECT_EQ(read("TriggerSelector"), Value(std::string("AcquisitionStart")));
  EXPECT_EQ(
      features_->write("TriggerMode", Value(std::string("On")), {{"TriggerSelector", "Never"}})
          .code(),
      Code::invalid);
}

TEST_F(FeaturesTest, SizesNeedAStopAndExposureDoesNot) {
  for (const char* name : {"Width", "Height", "OffsetX", "PixelFormat", "BinningHorizontal"}) {
    EXPECT_TRUE(features_->needs_stop(name)) << name;
  }
  EXPECT_FALSE(features_->needs_stop("ExposureTime"));
  EXPECT_FALSE(features_->needs_stop("TriggerSoftware"));
}

TEST_F(FeaturesTest, TheDeviceModelIsTakenByTheMapper) {
  test_support::TempFolder folder;
  const std::string file = folder / "camera.yaml";
  std::ofstream(file) << to_device_model(camera_->info(), features_->list(false));
  const auto targets = mapper::load_targets({file}, "GigEVision");
  ASSERT_TRUE(targets.ok()) << targets.status().text();
  ASSERT_EQ(targets->size(), 1u);
  std::vector<std::string> names;
  for (const mapper::Point& point : targets->front().points) names.push_back(point.name);
  EXPECT_THAT(names, IsSupersetOf({"Width", "ExposureTimeAbs", "TriggerSoftware", "Image"}));
}

TEST_F(FeaturesTest, ACameraThatIsGoneIsATimeoutAndNoGarbage) {
  fake_.kill();
  const auto value = features_->read("Width");
  ASSERT_FALSE(value.ok());
  EXPECT_TRUE(value.status().retriable()) << value.status().text();
  // Not "not writable now", which nobody would try again.
  const Status written = features_->write("ExposureTime", Value(2500.0));
  EXPECT_TRUE(written.retriable()) << written.text();
}

}  // namespace
}  // namespace gige

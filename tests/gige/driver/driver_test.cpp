// The driver alone, against a real fake camera: what its properties read, and what writing does.
#include "src/driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "generator/camera.hpp"
#include "gige/fake_camera.hpp"
#include "mapper/testing.hpp"

namespace gige {
namespace {

using base::Code;
using base::Status;
using dmi::Value;
using gige_test::FakeCamera;
using test_support::wait_until;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// A property of the device: its name is its FeatureName in lower case.
struct Wanted {
  std::string feature;
  std::string type;
  bool writable = false;
};

std::string yaml(const std::string& protocol, const std::vector<Wanted>& properties) {
  std::string model = R"(
apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: m}
spec:
  protocol: GigEVision
  properties:
)";
  std::string device = base::cat(R"(---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: cam)",
                                 getpid(), R"(}
spec:
  deviceModelRef: {name: m}
  protocol: {protocolName: GigEVision, configData: {)",
                                 protocol, R"(}}
  properties:
)");
  for (const Wanted& wanted : properties) {
    model += base::cat("  - {name: ", wanted.feature, ", type: ", wanted.type,
                       ", accessMode: ", wanted.writable ? "ReadWrite" : "ReadOnly", "}\n");
    device += base::cat("  - {name: ", wanted.feature,
                        ", visitors: {protocolName: GigEVision, configData: {FeatureName: ",
                        wanted.feature, "}}}\n");
  }
  return model + device;
}

class DriverTest : public ::testing::Test {
 protected:
  void open(const std::vector<Wanted>& properties, const std::string& protocol = "ip: 127.0.0.1") {
    base::Result<mapper::Target> target =
        mapper::testing::target_from_yaml(yaml(protocol, properties));
    ASSERT_TRUE(target.ok()) << target.status().text();
    target_.emplace(std::move(*target));
    auto driver = CameraDriver::open(*target_, mapper::Sink(), stations_);
    ASSERT_TRUE(driver.ok()) << driver.status().text();
    driver_ = std::move(*driver);
  }
  dmi::Sample read(const std::string& name) {
    std::vector<mapper::Reading> batch{{point(name), std::nullopt}};
    const Status reached = driver_->read(batch);
    EXPECT_EQ(reached, Status());
    return batch.front().sample.value_or(dmi::Sample(reached, {}));
  }
  std::vector<Status> write(const std::vector<std::pair<std::string, Value>>& values) {
    std::vector<mapper::Command> batch;
    for (const auto& [name, value] : values) batch.push_back({point(name), value, std::nullopt});
    EXPECT_EQ(driver_->write(batch), Status());
    std::vector<Status> outcomes;
    for (const mapper::Command& command : batch) {
      outcomes.push_back(command.status.value_or(Status(Code::internal, "left out")));
    }
    return outcomes;
  }
  const mapper::Point& point(const std::string& name) const {
    for (const mapper::Point& point : target_->points) {
      if (point.name == name) return point;
    }
    ADD_FAILURE() << name;
    return *target_->points.begin();
  }
  bool reads(const std::string& name, const Value& value) {
    return wait_until([&] { return read(name).value == value; });
  }

  FakeCamera camera_{"DRV1"};
  Stations stations_{[] { return Outlets::Options{"127.0.0.1:0", ""}; }};
  std::optional<mapper::Target> target_;
  std::unique_ptr<mapper::Driver> driver_;
};

TEST_F(DriverTest, FeaturesAreReadInThePropertysType) {
  open({{"Width", "INT"},
        {"ExposureTime", "DOUBLE"},
        {"PixelFormat", "STRING"},
        {"Height", "STRING"}});
  EXPECT_EQ(read("Width").value, Value(std::int64_t{512}));
  EXPECT_TRUE(std::holds_alternative<double>(*read("ExposureTime").value));
  EXPECT_EQ(read("PixelFormat").value, Value(std::string("Mono8")));
  EXPECT_EQ(read("Height").value, Value(std::string("512")));
}

TEST_F(DriverTest, AFeatureThatIsNotThereSaysSoAndTheOthersAreRead) {
  open({{"Widht", "INT"}, {"Height", "INT"}});
  EXPECT_EQ(read("Widht").status.code(), Code::not_found);
  EXPECT_THAT(read("Widht").status.text(), HasSubstr("Width"));
  EXPECT_EQ(read("Height").value, Value(std::int64_t{512}));
}

TEST_F(DriverTest, FramesComeOnceTheDeviceIsSettledAndNotBefore) {
  open({{"FramesComplete", "INT"}, {"FrameRate", "FLOAT"}, {"Image", "STRING"}});
  EXPECT_EQ(read("FramesComplete").value, Value(std::int64_t{0}));
  EXPECT_EQ(read("Image").status.code(), Code::stale);
  driver_->settled();
  EXPECT_TRUE(
      wait_until([&] { return std::get<std::int64_t>(*read("FramesComplete").value) > 5; }));
  EXPECT_GT(std::get<double>(*read("FrameRate").value), 0);
}

TEST_F(DriverTest, TheTwinCarriesLinkSizeHashAndTimeOfOneImage) {
  open({{"Image", "STRING"},
        {"ImageId", "INT"},
        {"ImageSize", "INT"},
        {"ImageHash", "STRING"},
        {"ImageTime", "STRING"}});
  driver_->settled();
  ASSERT_TRUE(wait_until([&] { return read("Image").value.has_value(); }));
  const std::string image = std::get<std::string>(*read("Image").value);
  EXPECT_THAT(image,
              MatchesRegex("http://127\\.0\\.0\\.1:[0-9]+/cameras/default/cam[0-9]+/frames/"
                           "[0-9]+\\.jpg#id:[0-9]+,size:[0-9]+,sha256:[0-9a-f]+,time:[-0-9T:.Z]+"));
  EXPECT_THAT(image,
              HasSubstr(base::cat("size:", std::get<std::int64_t>(*read("ImageSize").value))));
  EXPECT_THAT(image, HasSubstr(std::get<std::string>(*read("ImageHash").value)));
  EXPECT_THAT(image, HasSubstr(std::get<std::string>(*read("ImageTime").value)));
}

TEST_F(DriverTest, WidthIsWrittenWhileItStreamsAndTheFramesHaveIt) {
  open({{"Width", "INT", true}, {"Height", "INT", true}, {"FramesComplete", "INT"}});
  driver_->settled();
  EXPECT_THAT(write({{"Width", Value(std::int64_t{320})}, {"Height", Value(std::int64_t{200})}}),
              ::testing::ElementsAre(Status(), Status()));
  EXPECT_EQ(read("Width").value, Value(std::int64_t{320}));
  const auto station = stations_.get(target_->id, {}, target_->protocol.json().dump());
  EXPECT_TRUE(wait_until([&] {
    const FrameInfo info = (*station)->newest();
    return info.width == 320 && info.height == 200 && info.size == 320 * 200;
  }));
}

// Aravis' fake camera takes any write at any time; this one is as strict as a real one.
base::Result<std::unique_ptr<generator::Camera>> strict_camera() {
  generator::Options options;
  options.address = "127.0.0.2";
  return generator::Camera::start(options);
}

TEST_F(DriverTest, ACameraThatLocksItsSizesWhileItStreamsIsStoppedForThem) {
  const auto strict = strict_camera();
  ASSERT_TRUE(strict.ok()) << strict.status().text();
  open({{"Width", "INT", true}, {"ExposureTime", "DOUBLE", true}, {"FramesComplete", "INT"}},
       "ip: 127.0.0.2");
  driver_->settled();
  EXPECT_EQ(write({{"Width", Value(std::int64_t{320})}}).front(), Status());
  EXPECT_EQ(write({{"ExposureTime", Value(2000.0)}}).front(), Status());
  EXPECT_EQ(read("Width").value, Value(std::int64_t{320}));
  const auto station = stations_.get(target_->id, {}, target_->protocol.json().dump());
  EXPECT_TRUE(wait_until([&] { return (*station)->newest().width == 320; }));
}

TEST_F(DriverTest, WithAHardwareTriggerAFrameComesForEachEdge) {
  const auto strict = strict_camera();
  ASSERT_TRUE(strict.ok()) << strict.status().text();
  open({{"TriggerMode", "STRING", true},
        {"TriggerSource", "STRING", true},
        {"FramesComplete", "INT"}},
       "ip: 127.0.0.2");
  EXPECT_THAT(write({{"TriggerSource", Value(std::string("Line1"))},
                     {"TriggerMode", Value(std::string("On"))}}),
              ::testing::Each(Status()));
  driver_->settled();
  EXPECT_EQ(read("FramesComplete").value, Value(std::int64_t{0}));
  for (std::int64_t edge = 1; edge <= 3; ++edge) {
    (*strict)->line1();
    EXPECT_TRUE(reads("FramesComplete", Value(edge)));
  }
}

TEST_F(DriverTest, AValueBeyondTheCamerasLimitIsRefusedWithTheLimit) {
  open({{"Width", "INT", true}});
  driver_->settled();
  const Status outcome = write({{"Width", Value(std::int64_t{99999})}}).front();
  EXPECT_EQ(outcome.code(), Code::out_of_range);
  EXPECT_THAT(outcome.text(), HasSubstr("2048"));
  EXPECT_EQ(read("Width").value, Value(std::int64_t{512}));
}

TEST_F(DriverTest, WithASoftwareTriggerAFrameComesWhenItIsAskedFor) {
  open({{"TriggerMode", "STRING", true},
        {"TriggerSource", "STRING", true},
        {"ImageTrigger", "STRING", true},
        {"FramesComplete", "INT"}});
  write({{"TriggerSource", Value(std::string("Software"))},
         {"TriggerMode", Value(std::string("On"))}});
  driver_->settled();
  const auto frames = [&] { return std::get<std::int64_t>(*read("FramesComplete").value); };
  EXPECT_EQ(frames(), 0);
  EXPECT_EQ(write({{"ImageTrigger", Value(std::string("1"))}}).front(), Status());
  EXPECT_EQ(frames(), 1);
  EXPECT_THAT(std::get<std::string>(*read("ImageTrigger").value), StartsWith("http://"));
  EXPECT_EQ(frames(), 2);
}

TEST_F(DriverTest, SaveFrameSavesWhenTheDeviceStartsAndWheneverItIsWritten) {
  const test_support::TempFolder folder;
  open({{"saveFrame", "STREAM", true}},
       base::cat("ip: 127.0.0.1, spool: {folder: ", folder.path().string(), "}"));
  const auto files = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (entry.path().extension() == ".jpg") ++count;
    }
    return count;
  };
  driver_->settled();
  EXPECT_TRUE(wait_until([&] { return files() == 1; }));
  EXPECT_EQ(write({{"saveFrame", Value(std::string("1"))}}).front(), Status());
  EXPECT_TRUE(wait_until([&] { return files() == 2; }));
  EXPECT_TRUE(reads("saveFrame", Value(std::string("2"))));
}

TEST_F(DriverTest, WhatIsMeasuredCannotBeWritten) {
  open({{"FrameRate", "FLOAT", true}});
  EXPECT_EQ(write({{"FrameRate", Value(5.0)}}).front().code(), Code::unsupported);
}

TEST_F(DriverTest, APayloadAboveTheLimitStopsTheStreamAndNotTheFeatures) {
  open({{"Width", "INT", true}, {"Image", "STRING"}, {"FramesComplete", "INT"}},
       "ip: 127.0.0.1, maxFrameBytes: 200000");
  driver_->settled();  // 512 x 512
  EXPECT_EQ(read("Image").status.code(), Code::out_of_range);
  EXPECT_THAT(read("Image").status.text(), HasSubstr("262144"));
  EXPECT_EQ(write({{"Width", Value(std::int64_t{320})}}).front(), Status());
  EXPECT_TRUE(
      wait_until([&] { return std::get<std::int64_t>(*read("FramesComplete").value) > 0; }));
}

TEST_F(DriverTest, TheControllerIsUsAndASecondMapperIsTold) {
  open({{"Controller", "STRING"}, {"CameraAddress", "STRING"}});
  EXPECT_EQ(read("Controller").value, Value(std::string("us")));
  EXPECT_EQ(read("CameraAddress").value, Value(std::string("127.0.0.1")));
  auto second = CameraDriver::open(*target_, mapper::Sink(), stations_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::conflict);
}

}  // namespace
}  // namespace gige

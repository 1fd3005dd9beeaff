// The YAML of a camera's features: what stands in it, and that a camera's own words stay words.
#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "base/text.hpp"
#include "gige/features/kinds.hpp"
#include "gige/settings.hpp"
#include "mapper/objects.hpp"
#include "support/process.hpp"

namespace gige {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

CameraInfo camera() {
  CameraInfo info;
  info.manufacturer = "Tests";
  info.model = "Kinds 3";
  info.serial = "0042";
  return info;
}

std::string line_of(const std::string& yaml, const std::string& start) {
  const std::size_t at = yaml.find(start);
  return at == yaml.npos ? "" : yaml.substr(at, yaml.find('\n', at) - at);
}

// The one device of the YAML, as the mapper reads it.
base::Result<mapper::Target> taken(const std::string& yaml,
                                   std::vector<dmi::Device>* devices = nullptr) {
  test_support::TempFolder folder;
  const std::string file = folder / "camera.yaml";
  std::ofstream(file) << yaml;
  auto targets = mapper::load_targets({file}, "GigEVision", devices);
  if (!targets) return targets.status();
  EXPECT_EQ(targets->size(), 1u);
  return targets->front();
}

using DeviceModelTest = gige::testing::KindsTest;

TEST_F(DeviceModelTest, EveryFeatureThatCanBeReadIsAPropertyOfItsTypeAndLimits) {
  const std::string yaml = to_device_model(camera(), features_->list(false));
  const auto target = taken(yaml);
  ASSERT_TRUE(target.ok()) << target.status().text();
  EXPECT_THAT(check(*target), IsEmpty());
  std::map<std::string, mapper::Point> points;
  for (const mapper::Point& point : target->points) points[point.name] = point;
  EXPECT_EQ(points.at("Width").type, dmi::Type::integer);
  EXPECT_TRUE(points.at("Width").writable);
  EXPECT_EQ(points.at("ExposureTime").type, dmi::Type::float64);
  EXPECT_EQ(points.at("ExposureTime").minimum, 10);
  EXPECT_EQ(points.at("ExposureTime").maximum, 1e6);
  EXPECT_EQ(points.at("ExposureTime").unit, "us");
  EXPECT_EQ(points.at("ReverseX").type, dmi::Type::boolean);
  EXPECT_EQ(points.at("PixelFormat").type, dmi::Type::string);
  EXPECT_FALSE(points.at("DeviceTemperature").writable);
  EXPECT_EQ(points.count("Table"), 0u);   // a register's bytes
  EXPECT_EQ(points.count("Absent"), 0u);  // not there now
  EXPECT_EQ(target->protocol.json().at("deviceSN"), "0042");
}

TEST_F(DeviceModelTest, ACommandIsWrittenOnceAndIsAMethod) {
  std::vector<dmi::Device> devices;
  const auto target = taken(to_device_model(camera(), features_->list(false)), &devices);
  ASSERT_TRUE(target.ok()) << target.status().text();
  for (const mapper::Point& point : target->points) {
    EXPECT_EQ(point.write_once, point.name == "DeviceReset") << point.name;
  }
  ASSERT_EQ(devices.size(), 1u);
  ASSERT_EQ(devices[0].methods.size(), 1u);
  EXPECT_EQ(devices[0].methods[0].name, "DeviceReset");
}

// A model is made once and used always: what streams while it is made must not decide.
TEST_F(DeviceModelTest, AFeatureThatIsLockedNowIsWritableInTheModel) {
  set_reg(lock, 1);
  const auto target = taken(to_device_model(camera(), features_->list(false)));
  ASSERT_TRUE(target.ok()) << target.status().text();
  for (const mapper::Point& point : target->points) {
    if (point.name == "ExposureAuto") {
      EXPECT_TRUE(point.writable);
    } else if (point.name == "DeviceVendorName") {
      EXPECT_FALSE(point.writable);
    }
  }
}

TEST_F(DeviceModelTest, ACameraWithoutASerialNumberIsFoundByItsMac) {
  CameraInfo info = camera();
  info.serial = "";
  info.mac = "00:30:53:1a:2b:3c";
  const auto target = taken(to_device_model(info, features_->list(false)));
  ASSERT_TRUE(target.ok()) << target.status().text();
  EXPECT_THAT(check(*target), IsEmpty());
  EXPECT_EQ(parse_settings(*target)->camera.mac, info.mac);
}

// They come from the network, and the file goes to kubectl apply.
TEST_F(DeviceModelTest, ACamerasWordsAddNoObjects) {
  CameraInfo info = camera();
  info.manufacturer = "x\n---\nkind: Secret";
  info.model = "m\r---\rkind: Secret";
  info.serial = "7\n---\nkind: Secret #\"'\\ \x85";
  std::vector<Feature> features = features_->list(false);
  features[0].description = "a\n---\nkind: Secret\": }, {";
  features[1].unit = "}]\n";
  const std::string yaml = to_device_model(info, features);
  EXPECT_THAT(yaml, Not(HasSubstr("\nkind: Secret")));
  EXPECT_EQ(yaml.find('\r'), yaml.npos);
  const auto target = taken(yaml);
  ASSERT_TRUE(target.ok()) << target.status().text();
}

TEST_F(DeviceModelTest, NamesOfObjectsAreNamesForKubernetes) {
  CameraInfo info = camera();
  for (const std::string& model : {std::string(49 - std::string("tests-").size(), 'm') + " x",
                                   std::string("Ä Ö"), std::string("-a--B-"), std::string()}) {
    info.model = model;
    const std::string yaml = to_device_model(info, features_->list(false));
    for (const char* start : {"deviceModelRef: {name: ", "  name: "}) {
      const std::string line = line_of(yaml, start);
      std::string name = line.substr(std::string(start).size());
      if (name.ends_with('}')) name.pop_back();
      EXPECT_THAT(name, MatchesRegex("[a-z0-9]([-a-z0-9]*[a-z0-9])?")) << model;
    }
  }
}

}  // namespace
}  // namespace gige

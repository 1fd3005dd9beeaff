// The verbs as a user runs them, on real fake cameras.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "dmi/json.hpp"
#include "gige/fake_camera.hpp"
#include "support/plane.hpp"

namespace gige_test {
namespace {

using test_support::Outcome;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ToolsTest : public ::testing::Test {
 protected:
  Outcome gige(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), test_support::built("mappers/gige/gige-mapper"));
    return test_support::run(arguments);
  }
  std::string path(const std::string& name) const { return folder_ / name; }
  // What PIL makes of an image file: "PNG 320x512 L".
  std::string seen(const std::string& file) {
    return test_support::run({"/usr/bin/python3", "-c",
                              "import sys; from PIL import Image; i = Image.open(sys.argv[1]); "
                              "i.load(); print(i.format, '%dx%d' % i.size, i.mode)",
                              path(file)})
        .output;
  }

  test_support::TempFolder folder_;
  FakeCamera camera_{"TOOL1", 1};
};

TEST_F(ToolsTest, ListNamesEveryCamera) {
  const FakeCamera second("TOOL2", 2);
  const Outcome table = gige({"list"});
  EXPECT_EQ(table.exit, 0);
  EXPECT_THAT(table.output, AllOf(HasSubstr("TOOL1"), HasSubstr("TOOL2"), HasSubstr("127.0.0.2"),
                                  HasSubstr("nobody")));
  const dmi::Json json = dmi::Json::parse(gige({"list", "--json"}).output, nullptr, false);
  ASSERT_TRUE(json.is_array());
  ASSERT_EQ(json.size(), 2u);
  EXPECT_EQ(json[0]["manufacturer"], "Aravis");
}

TEST_F(ToolsTest, FeaturesAsTableJsonAndYaml) {
  EXPECT_THAT(gige({"features", "TOOL1", "--values", "width"}).output,
              AllOf(HasSubstr("1..2048"), HasSubstr("512"), Not(HasSubstr("ExposureTimeAbs"))));
  const dmi::Json json =
      dmi::Json::parse(gige({"features", "first", "--json"}).output, nullptr, false);
  ASSERT_TRUE(json.is_array());
  EXPECT_GT(json.size(), 20u);
  const Outcome yaml = gige({"features", "127.0.0.1", "--yaml"});
  std::ofstream(path("camera.yaml")) << yaml.output;
  EXPECT_EQ(gige({"lint", path("camera.yaml")}).exit, 0);
}

TEST_F(ToolsTest, GetAndSetWithinTheCamerasLimits) {
  const Outcome set =
      gige({"set", "TOOL1", "Width=320", "Height=99999", "ExposureTime=5000", "TriggerSoftware=1"});
  EXPECT_EQ(set.exit, 1);
  EXPECT_THAT(set.output, AllOf(HasSubstr("Width=320 (was 512)"), HasSubstr("99999 is above 2048"),
                                HasSubstr("TriggerSoftware executed")));
  const Outcome get = gige({"get", "TOOL1", "Width", "Height", "ExposureTimeAbs"});
  EXPECT_EQ(get.exit, 0);
  EXPECT_EQ(get.output, "Width=320\nHeight=512\nExposureTimeAbs=5000\n");
  const Outcome slip = gige({"get", "TOOL1", "Widht"});
  EXPECT_EQ(slip.exit, 1);
  EXPECT_THAT(slip.output, HasSubstr("nearest: Width"));
}

TEST_F(ToolsTest, GrabWritesFilesThatOthersOpen) {
  EXPECT_EQ(gige({"grab", "TOOL1", "-o", path("one.png"), "--set", "Width=320"}).exit, 0);
  EXPECT_EQ(seen("one.png"), "PNG 320x512 L\n");
  EXPECT_EQ(gige({"grab", "TOOL1", "-o", path("n.jpg"), "--count", "2"}).exit, 0);
  EXPECT_EQ(seen("n-2.jpg"), "JPEG 320x512 L\n");
  EXPECT_EQ(gige({"grab", "TOOL1", "-o", path("t.tif"), "--trigger"}).exit, 0);
  EXPECT_EQ(seen("t.tif"), "TIFF 320x512 L\n");
  const Outcome format = gige({"grab", "TOOL1", "-o", path("x.webp")});
  EXPECT_EQ(format.exit, 2);
  EXPECT_THAT(format.output, HasSubstr("png"));
}

TEST_F(ToolsTest, ACameraThatIsNotThereIsToldWithThoseThatAre) {
  const Outcome none = gige({"get", "NOBODY", "Width"});
  EXPECT_EQ(none.exit, 1);
  EXPECT_THAT(none.output, AllOf(HasSubstr("NOBODY"), HasSubstr("TOOL1 at 127.0.0.1")));
}

TEST_F(ToolsTest, TheDoctorNamesACameraThatLosesPackets) {
  const FakeCamera lossy("TOOL3", 2, {"-r", "20"});
  const Outcome well = gige({"doctor", "TOOL1", "--seconds", "1"});
  EXPECT_THAT(well.output, AllOf(HasSubstr("camera TOOL1"), HasSubstr("0 with gaps")));
  const Outcome ill = gige({"doctor", "TOOL3", "--seconds", "1"});
  EXPECT_EQ(ill.exit, 1);
  EXPECT_THAT(ill.output,
              AllOf(HasSubstr("camera TOOL3"), HasSubstr("packets were lost and none came again"),
                    HasSubstr("cure:")));
}

TEST_F(ToolsTest, WrongWordsAreUsage) {
  EXPECT_EQ(gige({"get"}).exit, 2);
  EXPECT_EQ(gige({"set", "TOOL1", "Width"}).exit, 2);
  EXPECT_EQ(gige({"features", "TOOL1", "--visibility", "x"}).exit, 2);
  EXPECT_EQ(gige({"grab", "--help"}).exit, 0);
}

}  // namespace
}  // namespace gige_test

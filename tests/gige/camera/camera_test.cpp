#include "gige/camera.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cameras.hpp"

namespace gige {
namespace {

using namespace gige::testing;
using ::testing::HasSubstr;

generator::Options at(const std::string& ip, const std::string& serial) {
  generator::Options options;
  options.address = ip;
  options.serial = serial;
  return options;
}

TEST(Camera, FramesOfTheFakeCameraArriveWhole) {
  const auto process = fake_camera("127.0.0.2", "GV02");
  auto camera = open_at("127.0.0.2");
  ASSERT_TRUE(camera.ok()) << camera.status().to_string();
  Taken taken;
  const auto started = (*camera)->start(ring_name("whole"), 41, taken.callback());
  ASSERT_TRUE(started.ok()) << started.to_string();
  ASSERT_TRUE(taken.wait_for(10));
  EXPECT_TRUE((*camera)->stop().ok());
  EXPECT_EQ(taken.infos().front().sequence, 42U);
  const FramePtr frame = taken.newest();
  EXPECT_EQ(frame->info.width * frame->info.height, frame->pixels.size());
  EXPECT_GE((*camera)->counters().complete, 10U);
}

TEST(Camera, FramesOfOurCameraArriveWhole) {
  const auto source = own_camera(at("127.0.0.3", "GEN3"));
  ASSERT_TRUE(source);
  auto camera = open_at("127.0.0.3");
  ASSERT_TRUE(camera.ok()) << camera.status().to_string();
  Taken taken;
  const auto started = (*camera)->start(ring_name("own"), 0, taken.callback());
  ASSERT_TRUE(started.ok()) << started.to_string();
  ASSERT_TRUE(taken.wait_for(10));
  EXPECT_TRUE((*camera)->stop().ok());
  EXPECT_EQ((*camera)->counters().missing_packets, 0U);
}

}  // namespace
}  // namespace gige

// gige-mapper as a program: cameras that die and come back, several at once, and an orderly end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gige/fake_camera.hpp"
#include "gige/frame_reader.hpp"
#include "support/plane.hpp"

namespace gige_test {
namespace {

using base::cat;
using test_support::Process;
using test_support::wait_until;
using ::testing::Each;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::string_view model = R"(apiVersion: devices.kubeedge.io/v1beta1
kind: DeviceModel
metadata: {name: camera}
spec:
  protocol: GigEVision
  properties:
  - {name: width, type: INT, accessMode: ReadWrite}
  - {name: exposure, type: DOUBLE, accessMode: ReadWrite}
  - {name: frames, type: INT, accessMode: ReadOnly}
)";

class MapperTest : public ::testing::Test {
 protected:
  // A mapper that a failed test killed leaves its ring behind.
  ~MapperTest() override {
    mapper_.reset();
    for (int number = 1; number <= 8; ++number) {
      std::filesystem::remove("/dev/shm/" + ring(number));
    }
  }
  std::string ring(int number) const { return cat("mf-test-", getpid(), "-", number); }

  void add(const FakeCamera& camera, int number, int width) {
    yaml_ +=
        cat(R"(---
apiVersion: devices.kubeedge.io/v1beta1
kind: Device
metadata: {name: cam)",
            number, R"(}
spec:
  deviceModelRef: {name: camera}
  protocol: {protocolName: GigEVision, configData: {deviceSN: )",
            camera.serial(), ", ring: ", ring(number), R"(}}
  properties:
  - {name: width, desired: {value: ")",
            width, R"("}, visitors: {protocolName: GigEVision, configData: {FeatureName: Width}}}
  - {name: exposure, desired: {value: "7000"}, visitors: {protocolName: GigEVision, configData: {FeatureName: ExposureTime}}}
  - {name: frames, visitors: {protocolName: GigEVision, configData: {FeatureName: FramesComplete}}}
)");
  }
  void start() {
    const std::string file = folder_ / "cameras.yaml";
    std::ofstream(file) << model << yaml_;
    mapper_.emplace(std::vector<std::string>{test_support::built("mappers/gige/gige-mapper"),
                                             "--local", file, "--http", "127.0.0.1:0",
                                             "--http-token", folder_ / "http.token"});
  }
  // The widths of the next complete frames; fewer when they do not come.
  std::vector<std::uint32_t> widths(gige_frames::Reader& reader, std::size_t count) {
    std::vector<std::uint32_t> seen;
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (seen.size() < count && std::chrono::steady_clock::now() < end) {
      const auto frame = reader.wait(100ms);
      if (frame && frame->info.status == gige_frames::Status::complete) {
        seen.push_back(frame->info.width);
      }
    }
    EXPECT_EQ(seen.size(), count) << reader.problem() << "\n" << mapper_->output();
    return seen;
  }

  test_support::TempFolder folder_;
  std::string yaml_;
  std::optional<Process> mapper_;
};

TEST_F(MapperTest, ACameraThatWasPowerCycledStreamsAgainAndNeverWithOtherSettings) {
  FakeCamera camera("CYCLE");
  add(camera, 1, 320);
  gige_frames::Reader reader(ring(1), gige_frames::Order::next);
  start();
  EXPECT_THAT(widths(reader, 5), Each(320u));
  for (int round = 0; round < 2; ++round) {
    camera.kill();
    ASSERT_TRUE(wait_until([&] { return !reader.wait(10ms) && !reader.live(); }));
    camera.start();
    EXPECT_THAT(widths(reader, 5), Each(320u));
  }
  EXPECT_THAT(mapper_->output(), HasSubstr("default/cam1"));
  EXPECT_EQ(mapper_->stop(), 0) << mapper_->output();
}

TEST_F(MapperTest, SeveralCamerasStreamBesideEachOtherAndOneThatDiesDisturbsNone) {
  FakeCamera first("ONE", 1);
  FakeCamera second("TWO", 2);
  FakeCamera third("THREE", 3);
  add(first, 1, 320);
  add(second, 2, 400);
  add(third, 3, 480);
  gige_frames::Reader readers[] = {gige_frames::Reader(ring(1)), gige_frames::Reader(ring(2)),
                                   gige_frames::Reader(ring(3))};
  start();
  EXPECT_THAT(widths(readers[0], 3), Each(320u));
  EXPECT_THAT(widths(readers[1], 3), Each(400u));
  EXPECT_THAT(widths(readers[2], 3), Each(480u));
  second.kill();
  ASSERT_TRUE(wait_until([&] { return !readers[1].wait(10ms) && !readers[1].live(); }));
  EXPECT_THAT(widths(readers[0], 3), Each(320u));
  EXPECT_THAT(widths(readers[2], 3), Each(480u));
  EXPECT_EQ(mapper_->stop(), 0) << mapper_->output();
}

TEST_F(MapperTest, ACameraThatComesLaterIsFound) {
  FakeCamera camera("LATE");
  camera.kill();
  add(camera, 1, 320);
  start();
  ASSERT_TRUE(mapper_->wait_for_output("next try in")) << mapper_->output();
  camera.start();
  gige_frames::Reader reader(ring(1));
  EXPECT_THAT(widths(reader, 2), Each(320u));
  EXPECT_EQ(mapper_->stop(), 0) << mapper_->output();
}

TEST_F(MapperTest, AnEndTakesTheRingAndTheCameraIsFree) {
  FakeCamera camera("FREE");
  add(camera, 1, 320);
  gige_frames::Reader reader(ring(1));
  start();
  EXPECT_THAT(widths(reader, 1), Each(320u));
  EXPECT_EQ(mapper_->stop(), 0) << mapper_->output();
  EXPECT_FALSE(std::filesystem::exists("/dev/shm/" + ring(1)));
  start();
  EXPECT_THAT(widths(reader, 1), Each(320u));
}

}  // namespace
}  // namespace gige_test

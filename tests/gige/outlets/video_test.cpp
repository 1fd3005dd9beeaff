#include "outlets/recorder.hpp"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/file.hpp"
#include "support.hpp"

namespace gige {
namespace {

namespace fs = std::filesystem;
using namespace test;

Image picture(std::uint64_t sequence, std::size_t size, std::uint32_t width = 64) {
  Image image;
  image.info = info_of(sequence, width);
  image.bytes.assign(size, static_cast<std::uint8_t>(sequence));
  image.bytes[0] = image.bytes[size - 2] = 0xff;
  image.bytes[1] = 0xd8;
  image.bytes[size - 1] = 0xd9;
  return image;
}

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, 4);  // little-endian, as the hosts this runs on
  return value;
}

// dwTotalFrames of the file's header (Microsoft, "AVI RIFF File Reference").
std::uint32_t pictures_in(const fs::path& path) {
  const std::string file = base::read_file(path).value();
  EXPECT_EQ(file.substr(0, 4), "RIFF");
  EXPECT_EQ(word(file, 4), file.size() - 8);
  return word(file, file.find("avih") + 8 + 16);
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& each : fs::directory_iterator(folder)) paths.push_back(each.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

class RecorderTest : public testing::Test {
 protected:
  TempFolder folder_;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

TEST_F(RecorderTest, AVideoGetsItsNameWhenItIsWhole) {
  Recorder recorder(device, {.folder = folder_.path()}, counts_);
  recorder.record(picture(1, 10), false);
  EXPECT_TRUE(files_in(folder_.path()).at(0).filename().string().starts_with('.'));
  recorder.record(picture(2, 10), true);
  ASSERT_EQ(files_in(folder_.path()).size(), 1u);
  const fs::path file = files_in(folder_.path())[0];
  EXPECT_EQ(file.filename(), "default_cam-20251123T032000.163Z-1.avi");
  EXPECT_EQ(pictures_in(file), 2u);
  EXPECT_EQ(counts_->saved, 1u);
}

TEST_F(RecorderTest, AVideoGoesOnInAnotherFileWhereOneIsTooSmall) {
  Recorder recorder(device, {.folder = folder_.path(), .max_bytes = 5000}, counts_);
  for (std::uint64_t i = 1; i <= 6; ++i) recorder.record(picture(i, 1000), i == 6);
  const auto files = files_in(folder_.path());
  std::uint64_t bytes = 0;
  for (const fs::path& file : files) bytes += fs::file_size(file);
  EXPECT_LE(bytes, 5000u);
  EXPECT_EQ(counts_->saved, 2u);
  EXPECT_EQ(counts_->failed, 0u);
}

TEST_F(RecorderTest, PicturesOfAnotherSizeBeginAnotherFile) {
  Recorder recorder(device, {.folder = folder_.path()}, counts_);
  recorder.record(picture(1, 10, 64), false);
  recorder.record(picture(2, 10, 32), true);
  EXPECT_EQ(files_in(folder_.path()).size(), 2u);
}

TEST_F(RecorderTest, AVideoThatEndsEarlyIsKept) {
  {
    Recorder recorder(device, {.folder = folder_.path()}, counts_);
    recorder.record(picture(1, 10), false);
  }
  ASSERT_EQ(files_in(folder_.path()).size(), 1u);
  EXPECT_EQ(pictures_in(files_in(folder_.path())[0]), 1u);
}

TEST_F(RecorderTest, APictureThatFitsNoVideoIsCountedAndLeavesNothing) {
  Recorder recorder(device, {.folder = folder_.path(), .max_bytes = 500}, counts_);
  recorder.record(picture(1, 1000), false);
  EXPECT_EQ(counts_->failed, 1u);
  EXPECT_TRUE(files_in(folder_.path()).empty());
}

TEST(FeedVideo, RecordsTheNextFramesAsOneFile) {
  TempFolder folder;
  auto outlets = start_outlets("off");
  OutletSettings settings;
  settings.spool.folder = folder.path();
  const auto feed = outlets->feed(device, settings);
  Camera camera;
  ASSERT_TRUE(feed->save_video(5, 1000).ok());
  EXPECT_EQ(feed->save_video(5, 1000).code(), base::Code::conflict);
  ASSERT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().saved == 1;
  }));
  ASSERT_EQ(files_in(folder.path()).size(), 1u);
  EXPECT_EQ(pictures_in(files_in(folder.path())[0]), 5u);
  EXPECT_TRUE(feed->save_video(1, 1000).ok()) << "the one before is done";
}

TEST(FeedVideo, HoweverFewPicturesASecondTheFirstIsTakenAtOnce) {
  TempFolder folder;
  auto outlets = start_outlets("off");
  OutletSettings settings;
  settings.spool.folder = folder.path();
  const auto feed = outlets->feed(device, settings);
  Camera camera;
  ASSERT_TRUE(feed->save_video(1, 1e-300).ok());
  EXPECT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().saved == 1;
  }));
}

}  // namespace
}  // namespace gige

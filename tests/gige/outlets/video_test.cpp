#include "outlets/video.hpp"

#include <gmock/gmock.h>

#include <set>

#include "base/file.hpp"
#include "outlets/recorder.hpp"
#include "support.hpp"

namespace gige {
namespace {

namespace fs = std::filesystem;
using namespace test;

const dmi::ObjectId device{"default", "cam"};

Image picture(std::uint64_t sequence, std::size_t size, std::uint32_t width = 64) {
  Image image;
  image.info = info_of(sequence, width);
  image.bytes.assign(size, static_cast<std::uint8_t>(sequence));
  return image;
}

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, 4);  // little-endian, as the hosts this runs on
  return value;
}

// The pictures as the index says; every chunk must stand where the index and the lists say.
std::vector<std::string> pictures_of(const std::string& file) {
  std::vector<std::string> pictures;
  EXPECT_EQ(file.substr(0, 4), "RIFF");
  EXPECT_EQ(word(file, 4), file.size() - 8);
  EXPECT_EQ(file.substr(8, 8), "AVI LIST");
  const std::size_t movie = 20 + word(file, 16);
  EXPECT_EQ(file.substr(movie, 4), "LIST");
  EXPECT_EQ(file.substr(movie + 8, 4), "movi");
  const std::size_t index = movie + 8 + word(file, movie + 4);
  EXPECT_EQ(file.substr(index, 4), "idx1");
  const std::size_t count = word(file, index + 4) / 16;
  EXPECT_EQ(word(file, file.find("avih") + 8 + 16), count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = index + 8 + i * 16;
    const std::size_t at = movie + 8 + word(file, entry + 8);
    const std::uint32_t size = word(file, entry + 12);
    EXPECT_EQ(file.substr(at, 4), "00dc");
    EXPECT_EQ(word(file, at + 4), size);
    pictures.push_back(file.substr(at + 8, size));
  }
  return pictures;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& each : fs::directory_iterator(folder)) paths.push_back(each.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(Video, HoldsEveryPictureOfAnyLength) {
  TempFolder folder;
  auto video = Video::begin(folder / "v.avi", info_of(1), 12.5);
  ASSERT_TRUE(video.ok()) << video.status().to_string();
  for (std::uint64_t i = 1; i <= 9; ++i) ASSERT_TRUE((*video)->add(picture(i, i * 7)).ok());
  ASSERT_TRUE((*video)->end().ok());
  const std::string file = base::read_file(folder / "v.avi").value();
  const auto pictures = pictures_of(file);
  ASSERT_EQ(pictures.size(), 9u);
  for (std::uint64_t i = 1; i <= 9; ++i) EXPECT_EQ(pictures[i - 1], text_of(picture(i, i * 7)));
  EXPECT_EQ(word(file, file.find("strh") + 8 + 20), 1000u);
  EXPECT_EQ(word(file, file.find("strh") + 8 + 24), 12'500u);
}

class RecorderTest : public testing::Test {
 protected:
  TempFolder folder_;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

TEST_F(RecorderTest, AVideoGetsItsNameWhenItIsWhole) {
  Recorder recorder(device, {.folder = folder_.path()}, counts_);
  recorder.record(picture(1, 10), 25, false);
  EXPECT_TRUE(files_in(folder_.path()).at(0).filename().string().starts_with('.'));
  recorder.record(picture(2, 10), 25, true);
  ASSERT_EQ(files_in(folder_.path()).size(), 1u);
  const fs::path file = files_in(folder_.path())[0];
  EXPECT_EQ(file.filename(), "default_cam-20251123T032000.163Z-1.avi");
  EXPECT_EQ(pictures_of(base::read_file(file).value()).size(), 2u);
  EXPECT_EQ(counts_->saved, 1u);
}

TEST_F(RecorderTest, AVideoGoesOnInAnotherFileWhereOneIsTooSmall) {
  Recorder recorder(device, {.folder = folder_.path(), .max_bytes = 5000}, counts_);
  for (std::uint64_t i = 1; i <= 6; ++i) recorder.record(picture(i, 1000), 25, i == 6);
  const auto files = files_in(folder_.path());
  std::uint64_t bytes = 0;
  for (const fs::path& file : files) bytes += fs::file_size(file);
  EXPECT_LE(bytes, 5000u);
  EXPECT_EQ(counts_->saved, 2u);
  EXPECT_EQ(counts_->failed, 0u);
}

TEST_F(RecorderTest, PicturesOfAnotherSizeBeginAnotherFile) {
  Recorder recorder(device, {.folder = folder_.path()}, counts_);
  recorder.record(picture(1, 10, 64), 25, false);
  recorder.record(picture(2, 10, 32), 25, true);
  EXPECT_EQ(files_in(folder_.path()).size(), 2u);
}

TEST_F(RecorderTest, AVideoThatEndsEarlyIsKept) {
  {
    Recorder recorder(device, {.folder = folder_.path()}, counts_);
    recorder.record(picture(1, 10), 25, false);
  }
  ASSERT_EQ(files_in(folder_.path()).size(), 1u);
  EXPECT_EQ(pictures_of(base::read_file(files_in(folder_.path())[0]).value()).size(), 1u);
}

TEST_F(RecorderTest, APictureThatFitsNoVideoIsCountedAndLeavesNothing) {
  Recorder recorder(device, {.folder = folder_.path(), .max_bytes = 500}, counts_);
  recorder.record(picture(1, 1000), 25, false);
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
  const auto pictures = pictures_of(base::read_file(files_in(folder.path())[0]).value());
  ASSERT_EQ(pictures.size(), 5u);
  EXPECT_EQ(std::set<std::string>(pictures.begin(), pictures.end()).size(), 5u);
  for (const std::string& each : pictures) {
    EXPECT_EQ(each.substr(0, 2), "\xff\xd8");
    EXPECT_EQ(each.substr(each.size() - 2), "\xff\xd9");
  }
  EXPECT_TRUE(feed->save_video(1, 1000).ok()) << "the one before is done";
}

}  // namespace
}  // namespace gige

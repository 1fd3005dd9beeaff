#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "outlets/image.hpp"
#include "support.hpp"

namespace gige {
namespace {

namespace fs = std::filesystem;
using namespace test;
using base::Code;

class FeedTest : public testing::Test {
 protected:
  std::shared_ptr<Feed> feed(OutletSettings settings = {}) {
    return outlets_->feed(device, settings);
  }
  std::uint64_t encoded() {
    return described(*outlets_, "default/cam")["counters"]["encoded"].get<std::uint64_t>();
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    if (!fs::exists(folder_.path())) return names;
    for (const auto& each : fs::directory_iterator(folder_.path())) {
      const std::string name = each.path().filename();
      if (!name.starts_with('.')) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  OutletSettings with_spool() {
    OutletSettings settings;
    settings.spool.folder = folder_.path();
    return settings;
  }

  TempFolder folder_;
  std::unique_ptr<Outlets> outlets_ = start_outlets();
};

TEST_F(FeedTest, ImageIsTheNewestCompleteFrameWithItsHash) {
  Camera camera;
  const auto feed = this->feed();
  camera.take(*feed);
  const FrameInfo newest = camera.take(*feed);
  FrameInfo torn = newest;
  torn.sequence = 3;
  torn.status = FrameStatus::missing_packets;
  feed->put(nullptr, torn);
  const auto image = feed->image(0, milliseconds(0));
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  EXPECT_EQ((*image)->info.sequence, 2u);
  EXPECT_EQ((*image)->info.id, newest.id);
  EXPECT_EQ((*image)->sha256, sha256((*image)->bytes));
  EXPECT_EQ((*image)->link, outlets_->url() + "/cameras/default/cam/frames/2.jpg");
}

TEST(Image, HashIsSha256) {
  const std::string_view text = "abc";  // FIPS 180-2, appendix B.1
  EXPECT_EQ(sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(FeedTest, WithoutAFrameTheImageIsStaleAndSaysWhy) {
  const auto feed = this->feed();
  feed->set_online(false, "cable pulled");
  const auto image = feed->image(0, milliseconds(10));
  EXPECT_EQ(image.status().code(), Code::stale);
  EXPECT_THAT(image.status().text(), testing::HasSubstr("cable pulled"));
}

TEST_F(FeedTest, ImageNewerThanWaitsForTheFrame) {
  Camera camera;
  const auto feed = this->feed();
  camera.take(*feed);
  EXPECT_EQ(feed->image(1, milliseconds(10)).status().code(), Code::stale);
  std::atomic<bool> asked{false};
  std::thread taker([&] {
    wait_until([&] { return asked.load(); });
    camera.take(*feed);
  });
  asked = true;
  const auto image = feed->image(1, patience);
  taker.join();
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  EXPECT_EQ((*image)->info.sequence, 2u);
}

TEST_F(FeedTest, ManyWhoAskForOneFrameGetOneEncoding) {
  Camera camera;
  const auto feed = this->feed();
  camera.take(*feed);
  std::vector<std::thread> askers;
  std::atomic<int> good{0};
  for (int i = 0; i < 10; ++i) {
    askers.emplace_back([&] {
      const auto image = feed->image(0, patience);
      if (image && (*image)->info.sequence == 1) ++good;
    });
  }
  for (std::thread& each : askers) each.join();
  EXPECT_EQ(good, 10);
  EXPECT_EQ(encoded(), 1u);
}

TEST_F(FeedTest, TheLastImageStaysWhenTheStreamEnds) {
  Camera camera;
  const auto feed = this->feed();
  camera.take(*feed);
  const auto before = feed->image(0, patience);
  ASSERT_TRUE(before.ok());
  camera.end_stream();
  const auto after = feed->image(0, patience);
  ASSERT_TRUE(after.ok()) << after.status().to_string();
  EXPECT_EQ(*after, *before);
}

TEST_F(FeedTest, DoesNotHoldTheRingOfAStreamThatEnded) {
  const auto feed = this->feed();
  auto ring = *FrameRing::create(cat("gige-outlets-held-", ::getpid()), 4, 64);
  const std::weak_ptr<FrameRing> weak = ring;
  feed->put(ring, info_of(1, 8, 8));
  ring.reset();
  EXPECT_TRUE(wait_until([&] { return weak.expired(); }));
}

TEST_F(FeedTest, SavesTheNextFramesAsFilesOfTheSpool) {
  Camera camera;
  const auto feed = this->feed(with_spool());
  camera.take(*feed);
  ASSERT_TRUE(feed->save_frames(3, milliseconds(0)).ok());
  ASSERT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().saved == 3;
  }));
  for (int i = 0; i < 20; ++i) camera.take(*feed);
  outlets_.reset();  // what is queued is written first
  EXPECT_EQ(files().size(), 3u);
  EXPECT_EQ(feed->counters().failed, 0u);
}

// The second frame is the ring's newest already when the feed is told of the first.
TEST_F(FeedTest, SavesNoFrameTwice) {
  Camera camera;
  const auto feed = this->feed(with_spool());
  ASSERT_TRUE(feed->save_frames(2, milliseconds(0)).ok());
  const FrameInfo first = camera.take();
  const FrameInfo second = camera.take();
  feed->put(camera.ring(), first);
  ASSERT_TRUE(wait_until([&] { return feed->counters().saved == 1; }));
  feed->put(camera.ring(), second);
  ASSERT_TRUE(feed->image(0, patience).ok());
  camera.take(*feed);
  ASSERT_TRUE(wait_until([&] { return feed->counters().saved == 2; }));
  ASSERT_EQ(files().size(), 2u);
  EXPECT_THAT(files()[0], testing::EndsWith("-2.jpg"));
  EXPECT_THAT(files()[1], testing::EndsWith("-3.jpg"));
}

TEST_F(FeedTest, WithoutASpoolNothingCanBeSaved) {
  const auto feed = this->feed();
  EXPECT_EQ(feed->save_frames(1, milliseconds(0)).code(), Code::unsupported);
  EXPECT_EQ(feed->save_video(1, 25).code(), Code::unsupported);
}

TEST_F(FeedTest, ADiskThatRefusesIsCountedAndTheNextFrameTriesAgain) {
  fs::remove(folder_.path());
  std::ofstream(folder_.path()) << "a file in the place of the folder";
  Camera camera;
  OutletSettings settings = with_spool();
  settings.spool.every = milliseconds(1);
  const auto feed = this->feed(settings);
  ASSERT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().failed >= 3;
  }));
  EXPECT_EQ(feed->counters().saved, 0u);
  fs::remove(folder_.path());
  EXPECT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().saved >= 1;
  }));
}

TEST_F(FeedTest, FormatIsWhatWasSetLast) {
  Camera camera;
  const auto feed = this->feed();
  camera.take(*feed);
  feed->set_format(ImageFormat::png);
  const auto image = feed->image(0, patience);
  ASSERT_TRUE(image.ok());
  EXPECT_EQ((*image)->format, ImageFormat::png);
  EXPECT_THAT((*image)->link, testing::EndsWith("/frames/1.png"));
}

TEST_F(FeedTest, OutlivesItsOutlets) {
  Camera camera;
  const auto feed = this->feed(with_spool());
  outlets_.reset();
  camera.take(*feed);
  EXPECT_EQ(feed->image(0, milliseconds(10)).status().code(), Code::unavailable);
  feed->set_post_url("http://127.0.0.1:1/");
  EXPECT_TRUE(feed->save_frames(1, milliseconds(0)).ok());
  camera.take(*feed);
}

}  // namespace
}  // namespace gige

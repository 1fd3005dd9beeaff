#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base_http/client.hpp"
#include "support.hpp"

namespace gige {
namespace {

using namespace test;
using base::http::test::Client;
using testing::HasSubstr;

struct Picture {
  std::uint64_t sequence = 0;  // 0: the stream has ended
  std::string bytes;
};

// A browser that looks at a stream. The server sends each part as one chunk.
class Viewer {
 public:
  explicit Viewer(const Outlets& outlets, std::string_view query = "")
      : client_(port_of(outlets.url())) {
    client_.send(cat("GET /cameras/default/cam/stream.mjpg", query,
                     " HTTP/1.0\r\nHost: localhost\r\n\r\n"));  // 1.0: no chunks
    head_ = client_.until("\r\n\r\n");
    EXPECT_EQ(client_.until("--frame\r\n"), "--frame\r\n");
  }
  const std::string& head() const { return head_; }

  Picture next() {
    Picture picture;
    const std::string head = client_.until("\r\n\r\n");
    picture.sequence = number(head, "X-Frame-Sequence: ");
    picture.bytes = client_.until("\r\n--frame\r\n");
    const std::size_t length = number(head, "Content-Length: ");
    if (picture.bytes.size() >= length) picture.bytes.resize(length);
    return picture;
  }
  void leave() { client_.leave(); }

 private:
  static std::uint64_t number(const std::string& head, const std::string& name) {
    const std::size_t at = head.find(name);
    return at == head.npos ? 0 : std::stoull(head.substr(at + name.size()));
  }
  Client client_;
  std::string head_;
};

class MjpegTest : public testing::Test {
 protected:
  std::size_t viewers() {
    return described(*outlets_, "default/cam")["viewers"].get<std::size_t>();
  }
  std::uint64_t encoded() {
    return described(*outlets_, "default/cam")["counters"]["encoded"].get<std::uint64_t>();
  }
  std::unique_ptr<Outlets> outlets_ = start_outlets();
  std::shared_ptr<Feed> feed_ = outlets_->feed(device, {});
};

TEST_F(MjpegTest, ShowsThePictureThatIsThereAndThenEachNewOne) {
  Camera camera;
  camera.take(*feed_);
  Viewer viewer(*outlets_);
  EXPECT_THAT(viewer.head(), HasSubstr("multipart/x-mixed-replace; boundary=frame"));
  EXPECT_EQ(viewer.next().sequence, 1u);
  for (std::uint64_t sequence = 2; sequence < 20; ++sequence) {
    camera.take(*feed_);
    const Picture picture = viewer.next();
    EXPECT_EQ(picture.sequence, sequence);
    EXPECT_EQ(picture.bytes, text_of(**feed_->image(0, patience)));
  }
}

TEST_F(MjpegTest, TenViewersCostOneEncodingPerFrame) {
  Camera camera;
  std::vector<std::unique_ptr<Viewer>> viewers;
  for (int i = 0; i < 10; ++i) viewers.push_back(std::make_unique<Viewer>(*outlets_));
  ASSERT_EQ(this->viewers(), 10u);
  constexpr std::uint64_t frames = 20;
  for (std::uint64_t sequence = 1; sequence <= frames; ++sequence) {
    camera.take(*feed_);
    for (const auto& viewer : viewers) ASSERT_EQ(viewer->next().sequence, sequence);
  }
  EXPECT_EQ(encoded(), frames);
}

TEST_F(MjpegTest, WithoutViewersNothingIsEncoded) {
  Camera camera;
  {
    Viewer viewer(*outlets_);
    camera.take(*feed_);
    EXPECT_EQ(viewer.next().sequence, 1u);
  }
  ASSERT_TRUE(wait_until([&] { return viewers() == 0; }));
  const std::uint64_t before = encoded();
  for (int i = 0; i < 10; ++i) camera.take(*feed_);
  EXPECT_EQ(encoded(), before);
}

TEST_F(MjpegTest, ASlowViewerSkipsPicturesAndSlowsNobody) {
  // 1.2 MB raw: a viewer who takes nothing has his socket's buffers full after a few.
  Camera camera(1280, 960);
  Viewer slow(*outlets_);
  Viewer fast(*outlets_);
  constexpr std::uint64_t frames = 60;
  for (std::uint64_t sequence = 1; sequence <= frames; ++sequence) {
    camera.take(*feed_);
    ASSERT_EQ(fast.next().sequence, sequence);
  }
  std::vector<std::uint64_t> seen;
  while (seen.empty() || seen.back() < frames) {
    const Picture picture = slow.next();
    ASSERT_NE(picture.sequence, 0u) << "closed after " << seen.size();
    ASSERT_GT(picture.sequence, seen.empty() ? 0 : seen.back());
    seen.push_back(picture.sequence);
  }
  EXPECT_EQ(seen.back(), frames) << "the newest, as soon as he takes it";
  EXPECT_LT(seen.size(), frames);
}

TEST_F(MjpegTest, FpsLimitsAViewerAndNotTheOthers) {
  Camera camera;
  camera.take(*feed_);
  Viewer rare(*outlets_, "?fps=0.01");
  Viewer fast(*outlets_);
  EXPECT_EQ(rare.next().sequence, 1u);
  EXPECT_EQ(fast.next().sequence, 1u);
  for (std::uint64_t sequence = 2; sequence < 10; ++sequence) {
    camera.take(*feed_);
    ASSERT_EQ(fast.next().sequence, sequence);
  }
  outlets_.reset();
  EXPECT_EQ(rare.next().sequence, 0u) << "one picture in a hundred seconds";
}

TEST_F(MjpegTest, AFpsLimitSavesEncodings) {
  Camera camera;
  Viewer rare(*outlets_, "?fps=0.01");
  camera.take(*feed_);
  EXPECT_EQ(rare.next().sequence, 1u);
  for (int i = 0; i < 10; ++i) camera.take(*feed_);
  EXPECT_EQ(encoded(), 1u);
}

TEST_F(MjpegTest, EndsWhenTheCameraIsRemoved) {
  Camera camera;
  camera.take(*feed_);
  Viewer viewer(*outlets_);
  EXPECT_EQ(viewer.next().sequence, 1u);
  feed_.reset();
  EXPECT_EQ(viewer.next().sequence, 0u);
}

TEST_F(MjpegTest, AfterNewSettingsTheStreamIsOfTheNewFeed) {
  Camera camera;
  for (int i = 0; i < 5; ++i) camera.take(*feed_);
  Viewer before(*outlets_);
  EXPECT_EQ(before.next().sequence, 5u);
  feed_ = outlets_->feed(device, {});
  Camera again;
  again.take(*feed_);
  Viewer after(*outlets_);
  EXPECT_EQ(after.next().sequence, 1u);
  EXPECT_EQ(before.next().sequence, 0u);
}

TEST_F(MjpegTest, ViewersThatComeAndGoLeaveNothingBehind) {
  Camera camera;
  std::atomic<bool> done{false};
  std::thread taker([&] {
    while (!done) camera.take(*feed_);
  });
  for (int i = 0; i < 50; ++i) {
    Viewer viewer(*outlets_);
    EXPECT_NE(viewer.next().sequence, 0u);
  }
  done = true;
  taker.join();
  EXPECT_TRUE(wait_until([&] { return viewers() == 0; }));
}

}  // namespace
}  // namespace gige

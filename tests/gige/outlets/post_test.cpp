#include "outlets/post.hpp"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <future>

#include "base/file.hpp"
#include "base/http.hpp"
#include "outlets/image.hpp"
#include "support.hpp"
#include "support/certificates.hpp"

namespace gige {
namespace {

using namespace test;
using base::http::Request;
using base::http::Response;

constexpr PostWaits quick{milliseconds(1), milliseconds(2), milliseconds(20'000)};

// Whoever images are posted to: answers what the test says, or hangs.
class Receiver {
 public:
  using Handler = std::function<void(const Request&, const std::shared_ptr<Response>&)>;

  explicit Receiver(Handler handler, std::uint16_t port = 0) : handler_(std::move(handler)) {
    base::http::Options options;
    options.port = port;
    auto server = base::http::Server::listen(
        loop_, options, [this](Request request, std::shared_ptr<Response> response) {
          {
            const std::lock_guard guard(mutex_);
            requests_.push_back(request);
          }
          handler_(request, response);
        });
    if (!server) throw std::runtime_error(server.status().to_string());
    server_ = std::move(*server);
    port_ = server_->port();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Receiver() {
    loop_.post([this] {
      hung_.clear();
      server_.reset();
      loop_.stop();
    });
    thread_.join();
  }
  std::string url() const { return cat("http://127.0.0.1:", port_, "/in"); }
  std::vector<Request> requests() {
    const std::lock_guard guard(mutex_);
    return requests_;
  }
  std::size_t count() { return requests().size(); }
  void hang(const std::shared_ptr<Response>& response) { hung_.push_back(response); }  // loop
  void answer_hung(int status) {
    loop_.post([this, status] {
      for (const auto& each : hung_) each->send(status, "text/plain", "late\n");
      hung_.clear();
    });
  }

 private:
  Handler handler_;
  std::mutex mutex_;
  std::vector<Request> requests_;                // guarded by mutex_
  std::vector<std::shared_ptr<Response>> hung_;  // loop
  base::IoLoop loop_;
  std::unique_ptr<base::http::Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Receiver::Handler always(int status) {
  return [status](const Request&, const auto& response) {
    response->send(status, "text/plain", "so it is\n");
  };
}

ImagePtr image_of(std::uint64_t sequence) {
  auto image = std::make_shared<Image>();
  image->info = info_of(sequence);
  image->bytes = {0xff, 0xd8, 0, static_cast<std::uint8_t>(sequence), '&', '\n'};
  image->sha256 = sha256(image->bytes);
  return image;
}

PostSettings retries(int count) {
  PostSettings settings;
  settings.retries = count;
  return settings;
}

class PosterTest : public testing::Test {
 protected:
  bool settled(std::uint64_t posted, std::uint64_t failed) {
    return wait_until([&] { return counts_->posted >= posted && counts_->failed >= failed; }) &&
           counts_->posted == posted && counts_->failed == failed;
  }
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

TEST_F(PosterTest, TheBodyIsTheFileAndTheHeadersSayWhatItIs) {
  Receiver receiver(always(204));
  Poster poster(device, retries(0), counts_, quick);
  poster.push(receiver.url(), image_of(7));
  ASSERT_TRUE(settled(1, 0));
  const Request request = receiver.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.body, text_of(*image_of(7)));
  EXPECT_EQ(request.header("content-type"), "image/jpeg");
  EXPECT_EQ(request.header("x-frame-sequence"), "7");
  EXPECT_EQ(request.header("x-frame-device"), "default/cam");
  EXPECT_EQ(request.header("x-frame-sha256"), image_of(7)->sha256);
}

// An application may write ImageURL: it names another server, not one that gets our password.
TEST_F(PosterTest, ThePasswordIsShownToTheServerOfTheSettingAlone) {
  Receiver known(always(200)), other(always(200));
  const TempFolder folder;
  ASSERT_TRUE(base::write_file(folder / "password", "pass word\nnot this\n", 0600).ok());
  PostSettings settings = retries(0);
  settings.url = known.url();
  settings.access.user = "cam";
  settings.access.password_file = (folder / "password").string();
  Poster poster(device, settings, counts_, quick);
  poster.push(known.url() + "?line=1", image_of(1));
  poster.push(other.url(), image_of(2));
  ASSERT_TRUE(settled(2, 0));
  EXPECT_EQ(known.requests().at(0).header("authorization"), "Basic Y2FtOnBhc3Mgd29yZA==");
  EXPECT_EQ(other.requests().at(0).header("authorization"), "");
}

TEST_F(PosterTest, AServerThatWantsToSeeACertificateIsShownOurs) {
  const TempFolder folder;
  const test_support::Certificates certificates(folder.path());
  certificates.make_ca("ca");
  certificates.make("server", "ca", "IP:127.0.0.1");
  certificates.make("camera-7", "ca", "DNS:camera");
  const std::string port = cat(test_support::free_port());
  test_support::Process server(
      {test_support::find_program("openssl"), "s_server", "-accept", "127.0.0.1:" + port, "-cert",
       certificates.file("server.crt"), "-key", certificates.file("server.key"), "-CAfile",
       certificates.file("ca.crt"), "-Verify", "1", "-verify_return_error", "-www"});
  ASSERT_TRUE(server.wait_for_output("ACCEPT")) << server.output();
  PostSettings settings = retries(0);
  settings.url = cat("https://127.0.0.1:", port, "/in");
  settings.access.ca = certificates.file("ca.crt");
  settings.access.certificate = certificates.file("camera-7.crt");
  settings.access.key = certificates.file("camera-7.key");
  Poster poster(device, settings, counts_, quick);
  poster.push(settings.url, image_of(1));
  EXPECT_TRUE(server.wait_for_output("CN = camera-7")) << server.output();
}

TEST_F(PosterTest, AProxyIsAskedWhereOneIsSet) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  const timeval soon{20, 0};
  ::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  PostSettings settings = retries(0);
  settings.access.proxy = cat("http://127.0.0.1:", ntohs(address.sin_port));
  Poster poster(device, settings, counts_, quick);
  poster.push("http://inspect.example/in", image_of(1));
  const int taken = ::accept(listener, nullptr, nullptr);
  char request[64] = "";
  EXPECT_GT(::recv(taken, request, sizeof request - 1, MSG_WAITALL), 0);
  EXPECT_TRUE(std::string(request).starts_with("POST http://inspect.example/in HTTP/1.1"))
      << request;
  ::close(taken);
  ::close(listener);
  EXPECT_TRUE(settled(0, 1));
}

TEST_F(PosterTest, AServerThatFailsIsTriedAgainUntilItTakesTheImage) {
  for (const int status : {500, 503, 408, 429}) {
    std::atomic<int> left{2};
    Receiver receiver([&](const Request&, const auto& response) {
      response->send(left-- > 0 ? status : 200, "text/plain", "");
    });
    counts_ = std::make_shared<Counts>();
    Poster poster(device, retries(5), counts_, quick);
    poster.push(receiver.url(), image_of(1));
    EXPECT_TRUE(settled(1, 0)) << status;
    EXPECT_EQ(receiver.count(), 3u) << status;
  }
}

TEST_F(PosterTest, AfterTheRetriesItIsGivenUpAndCounted) {
  Receiver receiver(always(500));
  Poster poster(device, retries(2), counts_, quick);
  poster.push(receiver.url(), image_of(1));
  EXPECT_TRUE(settled(0, 1));
  EXPECT_EQ(receiver.count(), 3u);
}

TEST_F(PosterTest, ARefusalIsNotRepeated) {
  for (const int status : {400, 401, 404, 413}) {
    Receiver receiver(always(status));
    counts_ = std::make_shared<Counts>();
    Poster poster(device, retries(5), counts_, quick);
    poster.push(receiver.url(), image_of(1));
    EXPECT_TRUE(settled(0, 1)) << status;
    EXPECT_EQ(receiver.count(), 1u) << status;
  }
}

TEST_F(PosterTest, ARedirectIsNotFollowed) {
  Receiver target(always(200));
  for (const std::string& to : {std::string("file:///etc/passwd"), target.url()}) {
    Receiver receiver([&](const Request&, const auto& response) {
      response->send(302, "text/plain", "", {{"Location", to}});
    });
    counts_ = std::make_shared<Counts>();
    Poster poster(device, retries(5), counts_, quick);
    poster.push(receiver.url(), image_of(1));
    EXPECT_TRUE(settled(0, 1)) << to;
  }
  EXPECT_EQ(target.count(), 0u);
}

TEST_F(PosterTest, OnlyHttpIsSpoken) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(::listen(listener, 4), 0);
  Poster poster(device, retries(0), counts_, {milliseconds(1), milliseconds(2), milliseconds(500)});
  std::uint64_t pushed = 0;
  for (const char* scheme : {"ftp", "gopher", "dict", "telnet"}) {
    poster.push(cat(scheme, "://127.0.0.1:", ntohs(address.sin_port), "/x"), image_of(1));
    ASSERT_TRUE(settled(0, ++pushed)) << scheme;
    EXPECT_EQ(::accept(listener, nullptr, nullptr), -1) << scheme;
  }
  ::close(listener);
}

TEST_F(PosterTest, AServerThatHangsIsTriedAgain) {
  std::atomic<Receiver*> self{nullptr};
  std::atomic<int> left{1};
  Receiver receiver([&](const Request&, const auto& response) {
    if (left-- > 0) return self.load()->hang(response);
    response->send(200, "text/plain", "");
  });
  self = &receiver;
  Poster poster(device, retries(3), counts_, {milliseconds(1), milliseconds(2), milliseconds(300)});
  poster.push(receiver.url(), image_of(1));
  EXPECT_TRUE(settled(1, 0));
  EXPECT_EQ(receiver.count(), 2u);
}

TEST_F(PosterTest, ALateAnswerCounts) {
  std::atomic<Receiver*> self{nullptr};
  Receiver receiver([&](const Request&, const auto& response) { self.load()->hang(response); });
  self = &receiver;
  Poster poster(device, retries(3), counts_, quick);
  poster.push(receiver.url(), image_of(1));
  ASSERT_TRUE(wait_until([&] { return receiver.count() == 1; }));
  receiver.answer_hung(200);
  EXPECT_TRUE(settled(1, 0));
}

TEST_F(PosterTest, WhileTheServerHangsTheNewestImagesWaitAndTheOldestGo) {
  std::atomic<Receiver*> self{nullptr};
  std::atomic<bool> hanging{true};
  Receiver receiver([&](const Request&, const auto& response) {
    if (hanging) return self.load()->hang(response);
    response->send(200, "text/plain", "");
  });
  self = &receiver;
  Poster poster(device, retries(0), counts_, quick);
  poster.push(receiver.url(), image_of(1));
  ASSERT_TRUE(wait_until([&] { return receiver.count() == 1; }));
  for (std::uint64_t i = 2; i <= 10; ++i) poster.push(receiver.url(), image_of(i));
  EXPECT_EQ(counts_->left_out, 9 - Poster::max_waiting);
  hanging = false;
  receiver.answer_hung(200);
  ASSERT_TRUE(settled(1 + Poster::max_waiting, 0));
  std::vector<std::string> sequences;
  for (const Request& each : receiver.requests()) {
    sequences.emplace_back(each.header("x-frame-sequence"));
  }
  EXPECT_THAT(sequences, testing::ElementsAre("1", "7", "8", "9", "10"));
}

TEST_F(PosterTest, OneThatHangsDelaysNeitherAnotherCameraNorTheEnd) {
  std::atomic<Receiver*> self{nullptr};
  Receiver hanging([&](const Request&, const auto& response) { self.load()->hang(response); });
  self = &hanging;
  Receiver good(always(200));
  const auto other = std::make_shared<Counts>();
  {
    Poster stuck(device, retries(5), counts_,
                 {milliseconds(1), milliseconds(2), milliseconds(600'000)});
    Poster free({"default", "cam2"}, retries(5), other, quick);
    stuck.push(hanging.url(), image_of(1));
    ASSERT_TRUE(wait_until([&] { return hanging.count() == 1; }));
    free.push(good.url(), image_of(1));
    EXPECT_TRUE(wait_until([&] { return other->posted == 1; }));
  }
  EXPECT_EQ(counts_->failed, 1u);
}

TEST(FeedPost, AnImageUrlThatIsSetGetsOneImageAtOnce) {
  Receiver receiver(always(200));
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, {});
  Camera camera;
  camera.take(*feed);
  feed->set_post_url(receiver.url());
  EXPECT_EQ(feed->post_url(), receiver.url());
  ASSERT_TRUE(wait_until([&] { return feed->counters().posted == 1; }));
  camera.take(*feed);
  ASSERT_TRUE(feed->image(1, patience).ok());
  EXPECT_EQ(receiver.count(), 1u) << "and no other without `every`";
}

TEST(FeedPost, BeforeTheFirstFrameAnImageUrlWaitsForIt) {
  Receiver receiver(always(200));
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, {});
  feed->set_post_url(receiver.url());
  Camera camera;
  camera.take(*feed);
  EXPECT_TRUE(wait_until([&] { return feed->counters().posted == 1; }));
}

TEST(FeedPost, AfterTheStreamHasEndedAnImageUrlGetsTheLastImage) {
  Receiver receiver(always(200));
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, {});
  Camera camera;
  camera.take(*feed);
  ASSERT_TRUE(feed->image(0, patience).ok());
  camera.end_stream();
  feed->set_post_url(receiver.url());
  ASSERT_TRUE(wait_until([&] { return feed->counters().posted == 1; }));
  EXPECT_EQ(receiver.requests().at(0).header("x-frame-sequence"), "1");
}

TEST(FeedPost, WithEveryImagesArePostedOnTheirOwn) {
  Receiver receiver(always(200));
  const auto outlets = start_outlets("off");
  OutletSettings settings;
  settings.post.url = receiver.url();
  settings.post.every = milliseconds(1);
  const auto feed = outlets->feed(device, settings);
  Camera camera;
  EXPECT_TRUE(wait_until([&] {
    camera.take(*feed);
    return feed->counters().posted >= 3;
  }));
}

TEST(FeedPost, TheEndSendsWhatIsQueued) {
  Receiver receiver(always(200));
  auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, {});
  Camera camera;
  camera.take(*feed);
  feed->set_post_url(receiver.url());
  outlets.reset();
  EXPECT_EQ(receiver.count(), 1u);
}

}  // namespace
}  // namespace gige

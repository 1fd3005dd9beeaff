// Uploads to a real HTTP server that fails, hangs and comes back.
#include "devicetwin/upload.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "base/file.hpp"
#include "base/http.hpp"
#include "base/text.hpp"
#include "dmi/json.hpp"
#include "support/on_loop.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using base::Code;
using test_support::wait_until;

class UploadTest : public ::testing::Test {
 protected:
  UploadTest() : port_(test_support::free_port()) {
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~UploadTest() override {
    on_loop([this] {
      upload_.reset();
      outbox_.reset();
      server_.reset();
    });
    loop_.stop();
    thread_.join();
  }
  void on_loop(const std::function<void()>& task) { test_support::run_on(loop_, task); }
  // Answers with what status_of says for the n-th request; 0: never.
  void listen(std::function<int(std::size_t)> status_of = [](std::size_t) { return 204; }) {
    on_loop([&] {
      auto server = base::http::Server::listen(loop_, {.port = port_},
                                               [this, status_of](auto request, auto response) {
                                                 const int status = status_of(requests_.size());
                                                 requests_.push_back(request);
                                                 if (status == 0) {
                                                   unanswered_.push_back(response);
                                                 } else {
                                                   if (status < 300) taken_.push_back(request);
                                                   response->send(status, "text/plain", "");
                                                 }
                                               });
      ASSERT_TRUE(server.ok()) << server.status().text();
      server_ = std::move(*server);
    });
  }
  void open_outbox(std::uint64_t quota = 16u << 20) {
    on_loop([&] {
      auto outbox = Outbox::open(loop_, {.folder = folder_.path(), .quotas = {{"upload", quota}}});
      ASSERT_TRUE(outbox.ok()) << outbox.status().text();
      outbox_ = std::move(*outbox);
    });
  }
  void start(std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    on_loop([&] {
      auto upload = Upload::start(loop_, *outbox_,
                                  {.url = cat("http://127.0.0.1:", port_, "/in"),
                                   .node = "edge-node",
                                   .timeout = timeout,
                                   .records_per_s = 100'000,
                                   .first_retry = std::chrono::milliseconds(10),
                                   .most_retry = std::chrono::milliseconds(50)});
      ASSERT_TRUE(upload.ok()) << upload.status().text();
      upload_ = std::move(*upload);
    });
  }
  void take(const std::string& topic, const std::string& payload) {
    on_loop([&] { upload_->take(topic, payload); });
  }
  std::vector<base::http::Request> taken(std::size_t at_least) {
    std::vector<base::http::Request> now;
    EXPECT_TRUE(wait_until([&] {
      on_loop([&] { now = taken_; });
      return now.size() >= at_least;
    })) << now.size();
    return now;
  }
  Outbox::Counters waiting() {
    Outbox::Counters counters;
    on_loop([&] { counters = outbox_->counters("upload"); });
    return counters;
  }

  test_support::TempFolder folder_;
  std::uint16_t port_;
  base::IoLoop loop_;
  std::thread thread_;
  std::vector<base::http::Request> requests_;  // the loop's, as taken_
  std::vector<base::http::Request> taken_;
  std::vector<std::shared_ptr<base::http::Response>> unanswered_;
  std::unique_ptr<base::http::Server> server_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<Upload> upload_;
};

TEST_F(UploadTest, PayloadIsTheBodyAndTopicNumberTimeAndNodeAreHeaders) {
  listen();
  open_outbox();
  start();
  const std::string bytes("\0\xff{}", 4);
  take("$hw/events/upload/line 1\r\n", bytes);
  const auto request = taken(1).at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/in");
  EXPECT_EQ(request.body, bytes);
  EXPECT_EQ(request.header("x-topic"), "$hw/events/upload/line%201%0D%0A");
  EXPECT_EQ(request.header("x-sequence"), "1");
  EXPECT_EQ(request.header("nodename"), "edge-node");
  EXPECT_EQ(request.header("content-type"), "application/octet-stream");
  EXPECT_FALSE(request.header("x-time").empty());
  EXPECT_TRUE(wait_until([&] { return waiting().waiting == 0; }));
}

TEST_F(UploadTest, EveryMessageArrivesInOrderThoughTheServerFailsNowAndThen) {
  listen([](std::size_t n) { return n % 3 == 0 ? 503 : n % 7 == 0 ? 404 : 200; });
  open_outbox();
  start();
  for (int i = 1; i <= 100; ++i) take("t/user/x", std::to_string(i));
  const auto requests = taken(100);
  ASSERT_EQ(requests.size(), 100u);
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(requests[static_cast<std::size_t>(i - 1)].body, std::to_string(i));
    EXPECT_EQ(requests[static_cast<std::size_t>(i - 1)].header("x-sequence"), std::to_string(i));
  }
  on_loop([&] { EXPECT_GE(upload_->counters().failed, 30u); });
}

TEST_F(UploadTest, MessageThatIsNeverTakenGoesAsideAndTheOthersArrive) {
  // Records 3 and 5; the gap of the first one does not go through at once.
  listen([](std::size_t n) { return n == 2 || n == 6 ? 413 : n == 3 ? 503 : 200; });
  open_outbox();
  start();
  for (int i = 1; i <= 8; ++i) take("t/user/x", std::to_string(i));
  const auto requests = taken(8);
  ASSERT_EQ(requests.size(), 8u);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(requests[i].header("x-sequence"), std::to_string(i + 1));
    const bool aside = i == 2 || i == 4;
    EXPECT_EQ(requests[i].header("x-gap"), aside ? "1" : "") << i;
    if (aside) {
      EXPECT_NE(requests[i].body.find("\"cause\":\"refused\""), std::string::npos)
          << requests[i].body;
    }
  }
  EXPECT_TRUE(wait_until([&] { return waiting().waiting == 0; }));
  on_loop([&] { EXPECT_EQ(upload_->counters().refused, 2u); });
}

TEST_F(UploadTest, ServerThatRefusesEverythingLosesNothingButTheFirst) {
  std::atomic<bool> refusing = true;
  listen([&](std::size_t) { return refusing ? 400 : 200; });
  open_outbox();
  start();
  for (int i = 1; i <= 5; ++i) take("t/user/x", std::to_string(i));
  const auto asked = [&] {
    std::size_t count = 0;
    on_loop([&] { count = requests_.size(); });
    return count;
  };
  ASSERT_TRUE(wait_until([&] { return asked() >= 6; }));
  refusing = false;
  const auto requests = taken(5);
  EXPECT_EQ(requests[0].header("x-gap"), "1");
  for (std::size_t i = 1; i < 5; ++i) EXPECT_EQ(requests[i].body, std::to_string(i + 1));
}

TEST_F(UploadTest, ServerThatIsAwayGetsAllWhenItComesAlsoAfterARestartOfOurs) {
  open_outbox();
  start();
  for (int i = 1; i <= 20; ++i) take("t/user/x", std::to_string(i));
  on_loop([&] {
    upload_.reset();
    outbox_.reset();
  });
  open_outbox();
  start();
  take("t/user/x", "21");
  listen();
  const auto requests = taken(21);
  for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(requests[i].body, std::to_string(i + 1));
}

TEST_F(UploadTest, ServerThatHangsIsGivenUpAfterTheTimeoutAndAskedAgain) {
  listen([](std::size_t n) { return n == 0 ? 0 : 200; });
  open_outbox();
  start(std::chrono::milliseconds(200));
  take("t/user/x", "1");
  EXPECT_EQ(taken(1).at(0).header("x-sequence"), "1");
}

TEST_F(UploadTest, EndDoesNotWaitForAServerThatHangs) {
  listen([](std::size_t) { return 0; });
  open_outbox();
  start(std::chrono::seconds(600));
  take("t/user/x", "1");
  EXPECT_TRUE(wait_until([&] {
    bool asked = false;
    on_loop([&] { asked = !requests_.empty(); });
    return asked;
  }));
  on_loop([&] { upload_.reset(); });
  EXPECT_EQ(waiting().waiting, 1u);
}

TEST_F(UploadTest, GapIsARequestOfItsOwnBeforeTheRest) {
  open_outbox(2000);
  start();
  for (int i = 1; i <= 50; ++i) take("t/user/x", std::string(100, 'x'));
  EXPECT_TRUE(wait_until([&] { return waiting().dropped_quota > 0; }));
  listen();
  const auto requests = taken(2);
  EXPECT_EQ(requests[0].header("x-gap"), "1");
  EXPECT_EQ(requests[0].header("content-type"), "application/json");
  const auto gap = dmi::parse_json(requests[0].body);
  ASSERT_TRUE(gap.ok());
  EXPECT_EQ(gap->at("cause"), "quota");
  EXPECT_EQ(cat(gap->at("to").get<int>() + 1), requests[1].header("x-sequence"));
}

TEST_F(UploadTest, ServerWithACertificateNobodySignedIsNotTrustedUnlessItsCaIsGiven) {
  const auto key = (folder_ / "key.pem").string();
  const auto certificate = (folder_ / "cert.pem").string();
  const auto made =
      test_support::run({test_support::find_program("openssl"), "req", "-x509", "-newkey",
                         "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                         "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate});
  ASSERT_EQ(made.exit, 0) << made.output;
  on_loop([&] {
    auto server = base::http::Server::listen(
        loop_,
        {.port = port_,
         .certificate_pem = base::read_file(certificate).value(),
         .key_pem = base::read_file(key).value()},
        [](auto, auto response) { response->send(200, "text/plain", ""); });
    ASSERT_TRUE(server.ok());
    server_ = std::move(*server);
  });
  const std::string url = cat("https://127.0.0.1:", port_, "/");
  const auto never = [] { return false; };
  base::Post distrusting({}, std::chrono::seconds(20), never);
  const base::Status status = distrusting.send(url, {}, "x");
  EXPECT_EQ(status.code(), Code::unavailable);
  EXPECT_NE(status.text().find("certificate"), std::string::npos) << status.text();
  base::Post trusting({.ca = certificate}, std::chrono::seconds(20), never);
  EXPECT_TRUE(trusting.send(url, {}, "x").ok());
}

TEST_F(UploadTest, UrlThatIsNoneIsRefusedWithItsText) {
  open_outbox();
  on_loop([&] {
    const auto upload = Upload::start(loop_, *outbox_, {.url = "file:///etc/passwd"});
    EXPECT_EQ(upload.status().code(), Code::invalid);
    EXPECT_NE(upload.status().text().find("file:///etc/passwd"), std::string::npos);
  });
}

}  // namespace
}  // namespace devicetwin

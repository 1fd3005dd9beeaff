#include <gmock/gmock.h>

#include <random>
#include <thread>

#include "base_http/client.hpp"
#include "outlets/image.hpp"
#include "support.hpp"

namespace gige {
namespace {

using namespace test;
using base::Code;
using base::Status;
using base::http::test::Client;
using testing::HasSubstr;
using testing::StartsWith;

class HttpTest : public testing::Test {
 protected:
  std::string url(std::string_view leaf) {
    return cat(outlets_->url(), "/cameras/default/cam/", leaf);
  }
  Answer command(const std::string& name, std::vector<std::string> headers = {}) {
    headers.push_back(authorization());
    return request("POST", url("commands/" + name), std::move(headers));
  }
  std::unique_ptr<Outlets> outlets_ = start_outlets();
  Camera camera_;
  std::shared_ptr<Feed> feed_ = outlets_->feed(device, {});
};

TEST_F(HttpTest, LatestIsTheNewestFrameWithWhatIsKnownOfIt) {
  camera_.take(*feed_);
  const FrameInfo info = camera_.take(*feed_);
  const Answer answer = get(url("latest.jpg"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("content-type"), "image/jpeg");
  EXPECT_EQ(answer.header("x-frame-sequence"), "2");
  EXPECT_EQ(answer.header("x-frame-id"), cat(info.id));
  EXPECT_EQ(answer.header("x-frame-camera-time"), cat(info.camera_ns));
  EXPECT_EQ(answer.header("x-frame-status"), "complete");
  EXPECT_EQ(answer.body, text_of(**feed_->image(0, patience)));
}

TEST_F(HttpTest, LatestComesInEveryFormat) {
  camera_.take(*feed_);
  for (const auto& [leaf, type] : {std::pair("latest.jpg", "image/jpeg"),
                                   {"latest.png", "image/png"},
                                   {"latest.tiff", "image/tiff"},
                                   {"latest.raw", "application/octet-stream"},
                                   {"latest.pnm", "image/x-portable-anymap"}}) {
    const Answer answer = get(url(leaf));
    EXPECT_EQ(answer.status, 200) << leaf << answer.body;
    EXPECT_EQ(answer.header("content-type"), type);
    EXPECT_FALSE(answer.body.empty());
  }
}

TEST_F(HttpTest, TheSamePictureIsNotSentTwiceToWhoHasItsETag) {
  camera_.take(*feed_);
  const std::string etag = get(url("latest.jpg")).header("etag");
  const Answer same = get(url("latest.jpg"), {"If-None-Match: " + etag});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  camera_.take(*feed_);
  EXPECT_EQ(get(url("latest.jpg"), {"If-None-Match: " + etag}).status, 200);
}

TEST_F(HttpTest, HeadSaysTheSameWithoutTheBody) {
  camera_.take(*feed_);
  const Answer whole = get(url("latest.png"));
  const Answer head = request("HEAD", url("latest.png"));
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.header("etag"), whole.header("etag"));
  EXPECT_EQ(head.header("content-length"), cat(whole.body.size()));
  EXPECT_EQ(request("HEAD", url("stream.mjpg")).status, 200);
  EXPECT_EQ(request("HEAD", outlets_->url() + "/").status, 200);
}

TEST_F(HttpTest, BeforeTheFirstFrameThereIsATextThatSaysWhy) {
  feed_->set_online(false, "cable pulled");
  const Answer answer = get(url("latest.jpg"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("cable pulled"));
}

TEST_F(HttpTest, WhatIsNotThereIsATextToo) {
  EXPECT_EQ(get(outlets_->url() + "/cameras/default/other/latest.jpg").status, 404);
  EXPECT_EQ(get(outlets_->url() + "/nothing").status, 404);
  EXPECT_EQ(get(url("stream.mjpg?fps=0")).status, 400);
  EXPECT_EQ(get(url("stream.mjpg?fps=x")).status, 400);
  const Answer put = request("PUT", url("latest.jpg"));
  EXPECT_EQ(put.status, 405);
  EXPECT_EQ(put.header("allow"), "GET, HEAD");
}

TEST_F(HttpTest, ALinkServesExactlyItsBytesUntilSixteenMoreWereAskedFor) {
  camera_.take(*feed_);
  const ImagePtr first = *feed_->image(0, patience);
  for (int i = 0; i < 15; ++i) {
    camera_.take(*feed_);
    ASSERT_TRUE(feed_->image(0, patience).ok());
  }
  const Answer kept = get(first->link);
  EXPECT_EQ(kept.status, 200);
  EXPECT_EQ(kept.body, text_of(*first));
  EXPECT_EQ(kept.header("etag"), cat('"', first->sha256, '"'));
  EXPECT_EQ(get(first->link, {"If-None-Match: " + kept.header("etag")}).status, 304);
  camera_.take(*feed_);
  ASSERT_TRUE(feed_->image(0, patience).ok());
  const Answer gone = get(first->link);
  EXPECT_EQ(gone.status, 410);
  EXPECT_THAT(gone.body, HasSubstr("frame 1 is gone"));
  EXPECT_EQ(get(url("frames/99.jpg")).status, 404);
}

TEST_F(HttpTest, AnImageNobodyAskedForByLinkIsNotKept) {
  camera_.take(*feed_);
  EXPECT_EQ(get(url("latest.jpg")).status, 200);
  EXPECT_EQ(get(url("frames/1.jpg")).status, 410);
}

TEST_F(HttpTest, CamerasAreListedWithStateAndNumbers) {
  camera_.take(*feed_);
  feed_->set_online(true, "streaming");
  const auto camera = described(*outlets_, "default/cam");
  EXPECT_EQ(camera["state"], "online");
  EXPECT_EQ(camera["why"], "streaming");
  EXPECT_EQ(camera["newest"]["sequence"], 1);
  EXPECT_EQ(camera["newest"]["width"], 64);
  EXPECT_EQ(camera["counters"]["saved"], 0);
  feed_.reset();
  EXPECT_EQ(described(*outlets_, "default/cam"), nullptr);
}

TEST_F(HttpTest, ThePageShowsEveryCameraAndNoMarkupOfItsTexts) {
  camera_.take(*feed_);
  feed_->set_online(false, "<script>alert(1)</script>");
  const Answer page = get(outlets_->url() + "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.header("content-type"), StartsWith("text/html"));
  EXPECT_THAT(page.body, HasSubstr("<img src=\"/cameras/default/cam/stream.mjpg"));
  EXPECT_THAT(page.body, testing::Not(HasSubstr("<script")));
}

// Browsers keep six connections to one server, and each stream takes one.
TEST_F(HttpTest, WithManyCamerasThePageShowsStillsAndLoadsItselfAgain) {
  std::vector<std::shared_ptr<Feed>> others;
  for (int i = 0; i < 4; ++i) others.push_back(outlets_->feed({"default", cat("more-", i)}, {}));
  camera_.take(*feed_);
  const Answer page = get(outlets_->url() + "/");
  EXPECT_THAT(page.body, HasSubstr("<img src=\"/cameras/default/cam/latest.jpg"));
  EXPECT_THAT(page.body, HasSubstr("http-equiv=\"refresh\""));
  EXPECT_THAT(page.body, HasSubstr("no frame yet"));
}

TEST_F(HttpTest, ACommandAnswersWhatTheDeviceSaid) {
  feed_->on_command([](const std::string& name) {
    if (name == "TriggerSoftware") return Status();
    if (name == "Busy") return Status(Code::unavailable, "the camera is not connected");
    return Status(Code::not_found, "no command " + name);
  });
  EXPECT_EQ(command("TriggerSoftware").status, 200);
  const Answer busy = command("Busy");
  EXPECT_EQ(busy.status, 409);
  EXPECT_THAT(busy.body, HasSubstr("not connected"));
  EXPECT_EQ(command("Nope").status, 404);
  EXPECT_EQ(get(url("commands/TriggerSoftware")).status, 405);
  feed_->on_command(nullptr);
  EXPECT_EQ(command("TriggerSoftware").status, 404);
}

TEST_F(HttpTest, ACommandFromAnotherSitesPageIsRefused) {
  bool ran = false;
  feed_->on_command([&](const std::string&) {
    ran = true;
    return Status();
  });
  EXPECT_EQ(command("X", {"Origin: http://evil.example"}).status, 403);
  EXPECT_FALSE(ran);
  EXPECT_EQ(command("X", {"Origin: " + outlets_->url()}).status, 200);
}

// Any page whose name resolves to 127.0.0.1 by now: to the browser beside us it is of one origin
// with us.
TEST_F(HttpTest, APageOfAnotherNameReadsAndCommandsNothing) {
  camera_.take(*feed_);
  bool ran = false;
  feed_->on_command([&](const std::string&) {
    ran = true;
    return Status();
  });
  const std::string host = cat("Host: evil.example:", port_of(outlets_->url()));
  for (const std::string& leaf : {std::string("latest.jpg"), std::string("stream.mjpg")}) {
    const Answer answer = get(url(leaf), {host});
    EXPECT_EQ(answer.status, 421) << leaf;
    EXPECT_THAT(answer.body, HasSubstr("--http-names evil.example"));
  }
  EXPECT_EQ(get(outlets_->url() + "/cameras", {host}).status, 421);
  const std::string origin = cat("Origin: http://evil.example:", port_of(outlets_->url()));
  EXPECT_EQ(command("X", {host, origin}).status, 421);
  EXPECT_FALSE(ran);
}

TEST_F(HttpTest, ACommandNeedsTheTokenOfTheFile) {
  bool ran = false;
  feed_->on_command([&](const std::string&) {
    ran = true;
    return Status();
  });
  for (const auto& headers : {std::vector<std::string>(), {"Authorization: Bearer guessed"}}) {
    const Answer answer = request("POST", url("commands/X"), headers);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.header("www-authenticate"), "Bearer");
    EXPECT_THAT(answer.body, HasSubstr("the token in " + token_file()));
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(command("X").status, 200);
  EXPECT_EQ(std::filesystem::status(token_file()).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(HttpTest, WithoutAFileForTheTokenThereArePicturesAndNoCommands) {
  outlets_ = std::move(*Outlets::start({.http = "127.0.0.1:0", .public_url = ""}));
  feed_ = outlets_->feed(device, {});
  camera_.take(*feed_);
  EXPECT_EQ(get(url("latest.png")).status, 200);
  const Answer answer = command("X");
  EXPECT_EQ(answer.status, 403);
  EXPECT_THAT(answer.body, HasSubstr("--http-token FILE"));
}

TEST_F(HttpTest, NamesThatWereListedAndThatOfThePublicUrlAreOurs) {
  // Whose port, beside the first one's address, is free.
  const std::string place = cat("127.0.0.2:", port_of(outlets_->url()));
  auto named = Outlets::start(
      {.http = place, .public_url = "https://gate:8/cams", .http_names = "box,hmi.plant"});
  ASSERT_TRUE(named.ok()) << named.status().text();
  const std::string page = cat("http://", place, "/");
  for (const char* name : {"gate:8", "box", "hmi.plant:80"}) {
    EXPECT_EQ(get(page, {cat("Host: ", name)}).status, 200) << name;
  }
  EXPECT_EQ(get(page, {"Host: plant"}).status, 421);
}

TEST_F(HttpTest, ACommandThatHangsHoldsUpNoPicture) {
  camera_.take(*feed_);
  std::atomic<bool> running{false}, go_on{false};
  feed_->on_command([&](const std::string&) {
    running = true;
    wait_until([&] { return go_on.load(); });
    return Status();
  });
  std::thread caller([&] { EXPECT_EQ(command("Slow").status, 200); });
  EXPECT_TRUE(wait_until([&] { return running.load(); }));
  EXPECT_EQ(get(url("latest.png")).status, 200);
  go_on = true;
  caller.join();
}

TEST_F(HttpTest, WhoLeavesBeforeTheAnswerHarmsNobody) {
  camera_.take(*feed_);
  for (int i = 0; i < 50; ++i) {
    Client client(port_of(outlets_->url()));
    client.send("GET /cameras/default/cam/latest.png HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  EXPECT_EQ(get(url("latest.jpg")).status, 200);
}

TEST_F(HttpTest, OddPathsAreAnsweredAndReachNoFile) {
  camera_.take(*feed_);
  for (const char* path :
       {"/../../../../etc/passwd", "/cameras/../../etc/passwd",
        "/cameras/default/cam/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
        "/cameras/default/cam/frames/..%2f..%2fetc%2fpasswd",
        "/cameras/default/cam/frames/%2fetc%2fpasswd", "//etc/passwd", "/etc/passwd"}) {
    const Answer answer = get(outlets_->url() + path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("root:")));
  }
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(cat("seed ", seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string path = "/cameras/default/cam/latest.jpg";
    for (auto left = 1 + random() % 4; left > 0; --left) {
      path[1 + random() % (path.size() - 1)] = static_cast<char>(0x21 + random() % 0x5e);
    }
    Client client(port_of(outlets_->url()));
    EXPECT_THAT(client.get(path), StartsWith("HTTP/1.1 ")) << path;
  }
}

TEST(Outlets, APortThatIsTakenIsAConflictThatNamesTheFlag) {
  const auto first = start_outlets();
  const auto second =
      Outlets::start({.http = cat("127.0.0.1:", port_of(first->url())), .public_url = ""});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::conflict);
  EXPECT_THAT(second.status().text(), HasSubstr("--http"));
  EXPECT_EQ(Outlets::start({.http = "nonsense", .public_url = ""}).status().code(), Code::invalid);
}

TEST(Outlets, WithoutHttpThereAreImagesButNoLinks) {
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, {});
  Camera camera;
  camera.take(*feed);
  const auto image = feed->image(0, patience);
  ASSERT_TRUE(image.ok());
  EXPECT_EQ((*image)->link, "");
  EXPECT_EQ(outlets->url(), "");
}

TEST(Outlets, LinksCarryThePublicUrl) {
  auto outlets = Outlets::start({.http = "127.0.0.1:0", .public_url = "https://gate/cams/"});
  ASSERT_TRUE(outlets.ok());
  const auto feed = (*outlets)->feed(device, {});
  Camera camera;
  camera.take(*feed);
  EXPECT_EQ((*feed->image(0, patience))->link,
            "https://gate/cams/cameras/default/cam/frames/1.jpg");
}

}  // namespace
}  // namespace gige

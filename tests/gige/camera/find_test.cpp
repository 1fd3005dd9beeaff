#include "gige/find.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "cameras.hpp"

namespace gige {
namespace {

using namespace gige::testing;
using base::Code;
using ::testing::HasSubstr;

// Three of Aravis' fake cameras, and one of ours with a user name.
class Find : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= 3; ++i) {
      fakes_.push_back(fake_camera("127.0.0." + std::to_string(i), "GV0" + std::to_string(i)));
    }
    generator::Options options;
    options.address = "127.0.0.4";
    options.serial = "GEN4";
    options.user_name = "left";
    own_ = own_camera(options);
    ASSERT_TRUE(own_);
  }
  static CameraInfo found(const CameraQuery& query) {
    const auto camera = find(query, std::chrono::seconds(10));
    EXPECT_TRUE(camera.ok()) << camera.status().to_string();
    return camera ? *camera : CameraInfo();
  }
  std::vector<std::unique_ptr<test_support::Process>> fakes_;
  std::unique_ptr<generator::Camera> own_;
};

TEST_F(Find, AllCamerasOfAnInterfaceAnswerOnceEach) {
  const auto cameras = discover("lo", milliseconds(500));
  ASSERT_TRUE(cameras.ok()) << cameras.status().to_string();
  std::vector<std::string> serials;
  for (const CameraInfo& camera : *cameras) serials.push_back(camera.serial);
  EXPECT_THAT(serials, ::testing::UnorderedElementsAre("GV01", "GV02", "GV03", "GEN4"));
  EXPECT_TRUE(std::is_sorted(cameras->begin(), cameras->end(),
                             [](const auto& a, const auto& b) { return a.mac < b.mac; }));
}

TEST_F(Find, ByEachOfItsNames) {
  CameraQuery serial;
  serial.serial = "GV02";
  EXPECT_EQ(found(serial).ip, "127.0.0.2");

  CameraQuery ip;
  ip.ip = "127.0.0.3";
  const CameraInfo third = found(ip);
  EXPECT_EQ(third.serial, "GV03");
  EXPECT_EQ(third.interface_name, "lo");
  EXPECT_TRUE(third.reachable);

  CameraQuery mac;
  mac.mac = found([] {
              CameraQuery query;
              query.user_name = "left";
              return query;
            }())
                .mac;
  for (char& c : mac.mac) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(found(mac).ip, "127.0.0.4");
}

TEST_F(Find, AnyIsTheFirstByMac) {
  const auto cameras = discover("", milliseconds(500));
  ASSERT_TRUE(cameras.ok());
  EXPECT_EQ(found({}).mac, cameras->front().mac);
}

TEST_F(Find, OnAnInterfaceByNameOrAddress) {
  CameraQuery query;
  query.serial = "GV01";
  query.interface = "lo";
  EXPECT_EQ(found(query).interface_ip, "127.0.0.1");
  query.interface = "127.0.0.5";
  EXPECT_EQ(found(query).interface_ip, "127.0.0.5");
  query.interface = "eth77";
  const auto none = find(query, milliseconds(100));
  EXPECT_EQ(none.status().code(), Code::unavailable);
  EXPECT_THAT(none.status().text(), HasSubstr("eth77"));
}

TEST_F(Find, OneThatIsNotThereIsReportedWithThoseThatAre) {
  CameraQuery query;
  query.serial = "4711";
  const auto none = find(query, milliseconds(200));
  EXPECT_EQ(none.status().code(), Code::unavailable);
  EXPECT_THAT(none.status().text(), HasSubstr("serial 4711"));
  EXPECT_THAT(none.status().text(), HasSubstr("GV01 at 127.0.0.1"));
}

TEST_F(Find, TwoThatMatchAreAConflict) {
  generator::Options options;
  options.address = "127.0.0.5";
  options.serial = "GEN5";
  options.user_name = "left";
  const auto twin = own_camera(options);
  ASSERT_TRUE(twin);
  CameraQuery query;
  query.user_name = "left";
  const auto both = find(query, std::chrono::seconds(10));
  EXPECT_EQ(both.status().code(), Code::conflict);
  EXPECT_THAT(both.status().text(), HasSubstr("mac"));
}

TEST_F(Find, ACameraAnswersUntilItIsUnplugged) {
  CameraQuery query;
  query.serial = "GEN4";
  const CameraInfo camera = found(query);
  EXPECT_TRUE(answers(camera, milliseconds(2000)));
  own_->unplug();
  EXPECT_FALSE(answers(camera, milliseconds(200)));
  CameraInfo another = camera;
  another.mac = "00:00:00:00:00:01";
  own_->plug();
  EXPECT_FALSE(answers(another, milliseconds(2000)));
}

// Says the same to whoever asks at its address, for ever: answers without end.
class Babbler {
 public:
  explicit Babbler(const char* ip) {
    own_.sin_family = AF_INET;
    own_.sin_port = htons(3956);
    ::inet_pton(AF_INET, ip, &own_.sin_addr);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&own_), sizeof own_) != 0) return;
    for (std::thread& thread : threads_) thread = std::thread([this] { babble(); });
  }
  ~Babbler() {
    stop_ = true;
    ::shutdown(socket_, SHUT_RDWR);  // ends the wait for who asks
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    ::close(socket_);
  }
  bool stopped() const { return stop_; }

 private:
  void babble() {
    // GigE Vision 2.0, section 16.1.2: an answer to a discovery, with nothing in it.
    std::array<std::uint8_t, 8 + 248> answer{0, 0, 0, 3, 0, 248, 0, 1};
    std::array<std::uint8_t, 64> question{};
    sockaddr_in asker{};
    socklen_t bytes = sizeof asker;
    if (::recvfrom(socket_, question.data(), question.size(), 0,
                   reinterpret_cast<sockaddr*>(&asker), &bytes) <= 0) {
      return;
    }
    // Not for ever after all: a search that does not end fails, and does not hang.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!stop_ && std::chrono::steady_clock::now() < end) {
      ::sendto(socket_, answer.data(), answer.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&asker), bytes);
    }
    stop_ = true;
  }

  const int socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in own_{};
  std::atomic<bool> stop_{false};
  std::array<std::thread, 8> threads_;  // more than the search can read
};

TEST(FindAlone, EndsAtItsTimeHoweverMuchIsAnswered) {
  Babbler babbler("127.0.0.6");
  const auto cameras = discover("lo", milliseconds(300));
  EXPECT_FALSE(babbler.stopped()) << "it ended because nothing came any more";
  ASSERT_TRUE(cameras.ok()) << cameras.status().to_string();
  EXPECT_EQ(cameras->size(), 1u);
}

TEST(FindAlone, ATextThatIsNoAddressIsInvalid) {
  CameraQuery query;
  query.ip = "camera7";
  EXPECT_EQ(find(query, milliseconds(100)).status().code(), Code::invalid);
}

TEST(CameraQuery, SaysWhatItAsksFor) {
  CameraQuery query;
  EXPECT_EQ(query.to_string(), "any camera");
  query.serial = "12345";
  query.interface = "eth1";
  EXPECT_EQ(query.to_string(), "serial 12345 on eth1");
}

}  // namespace
}  // namespace gige

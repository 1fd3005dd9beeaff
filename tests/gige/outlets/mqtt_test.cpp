#include "outlets/mqtt.hpp"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/file.hpp"
#include "outlets/image.hpp"
#include "support.hpp"

namespace gige {
namespace {

using namespace test;
using test_support::find_program;
using test_support::free_port;
using test_support::listens;
using test_support::Process;
using testing::HasSubstr;

class MqttTest : public testing::Test {
 protected:
  void start_broker() {
    const auto config = folder_ / "mosquitto.conf";
    ASSERT_TRUE(base::write_file(config, cat("listener ", port_,
                                             " 127.0.0.1\nallow_anonymous true\npersistence false\n"
                                             "max_packet_size 20000000\n"))
                    .ok());
    broker_ = std::make_unique<Process>(
        std::vector<std::string>{find_program("mosquitto"), "-v", "-c", config.string()});
    ASSERT_TRUE(wait_until([&] { return listens(port_); })) << broker_->output();
  }
  std::unique_ptr<Process> subscribe(const std::string& topic, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{find_program("stdbuf"),
                                       "-oL",
                                       find_program("mosquitto_sub"),
                                       "-d",
                                       "-p",
                                       cat(port_),
                                       "-t",
                                       topic};
    arguments.insert(arguments.end(), more.begin(), more.end());
    auto process = std::make_unique<Process>(arguments);
    EXPECT_TRUE(process->wait_for_output("SUBACK"));
    return process;
  }
  std::string url() const { return cat("tcp://127.0.0.1:", port_); }
  OutletSettings settings() const {
    OutletSettings settings;
    settings.mqtt.broker.url = url();
    settings.mqtt.every = milliseconds(0);
    return settings;
  }
  static int count(const std::string& text, const std::string& what) {
    int found = 0;
    for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++found;
    return found;
  }

  TempFolder folder_;
  std::uint16_t port_ = free_port();
  std::unique_ptr<Process> broker_;
};

TEST_F(MqttTest, MetadataSaysWhereTheImageIs) {
  start_broker();
  const auto heard = subscribe("cameras/default/cam/frame");
  const auto outlets = start_outlets();
  const auto feed = outlets->feed(device, settings());
  Camera camera;
  const FrameInfo info = camera.take(*feed);
  ASSERT_TRUE(heard->wait_for_output("}"));
  const std::string output = heard->output();
  const std::size_t begin = output.find('{');
  const auto json = dmi::parse_json(output.substr(begin, output.find('}') + 1 - begin));
  ASSERT_TRUE(json.ok()) << output;
  EXPECT_EQ((*json)["device"], "default/cam");
  EXPECT_EQ((*json)["sequence"], 1);
  EXPECT_EQ((*json)["id"], info.id);
  EXPECT_EQ((*json)["width"], 64);
  EXPECT_EQ((*json)["height"], 32);
  EXPECT_EQ((*json)["format"], "jpeg");
  EXPECT_DOUBLE_EQ((*json)["time"].get<double>(), 1'763'868'000'163.0);
  const Answer image = get((*json)["link"]);
  EXPECT_EQ(image.status, 200);
  EXPECT_EQ(image.body.size(), (*json)["size"].get<std::size_t>());
  EXPECT_EQ(sha256({reinterpret_cast<const std::uint8_t*>(image.body.data()), image.body.size()}),
            (*json)["sha256"]);
  EXPECT_TRUE(wait_until([&] { return feed->counters().published == 1; }));
}

TEST_F(MqttTest, TheImageItselfIsPublishedWhereAsked) {
  start_broker();
  const auto heard = subscribe("pictures", {"-F", "%l bytes: %x"});
  const auto outlets = start_outlets("off");
  OutletSettings settings = this->settings();
  settings.mqtt.topic = "pictures";
  settings.mqtt.image = true;
  const auto feed = outlets->feed(device, settings);
  Camera camera;
  camera.take(*feed);
  const ImagePtr image = *feed->image(0, patience);
  std::string hex;
  for (const std::uint8_t byte : image->bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    hex += digits[byte >> 4];
    hex += digits[byte & 15];
  }
  EXPECT_TRUE(heard->wait_for_output(cat(image->bytes.size(), " bytes: ", hex)));
}

TEST_F(MqttTest, CamerasShareAConnection) {
  start_broker();
  const auto outlets = start_outlets("off");
  const auto first = outlets->feed(device, settings());
  const auto second = outlets->feed({"default", "cam2"}, settings());
  Camera one, two;
  one.take(*first);
  two.take(*second);
  ASSERT_TRUE(wait_until(
      [&] { return first->counters().published == 1 && second->counters().published == 1; }));
  EXPECT_EQ(count(broker_->output(), "as gige-mapper-"), 1) << broker_->output();
}

TEST_F(MqttTest, ABrokerThatIsAwayDelaysNothingAndHearsTheNewestWhenItIsBack) {
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, settings());
  Camera camera;
  constexpr std::uint64_t frames = Publisher::max_waiting + 20;
  for (std::uint64_t i = 1; i <= frames; ++i) {
    camera.take(*feed);
    ASSERT_TRUE(feed->image(i - 1, patience).ok());
  }
  EXPECT_EQ(feed->counters().published, 0u);
  EXPECT_GE(feed->counters().left_out, 1u);
  start_broker();
  const auto heard = subscribe("#");
  camera.take(*feed);
  EXPECT_TRUE(heard->wait_for_output(cat("\"sequence\":", frames + 1)));
}

TEST_F(MqttTest, AfterABrokersRestartItIsConnectedAgain) {
  start_broker();
  const auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, settings());
  Camera camera;
  camera.take(*feed);
  ASSERT_TRUE(wait_until([&] { return feed->counters().published == 1; }));
  broker_->stop();
  camera.take(*feed);
  start_broker();
  const auto heard = subscribe("#");
  EXPECT_TRUE(wait_until([&] {
    const FrameInfo info = camera.take(*feed);
    return heard->wait_for_output(cat("\"sequence\":", info.sequence, ","), milliseconds(300));
  }));
}

// Of three, because a busy machine may hold up one.
TEST_F(MqttTest, WhoDropsTheLastFeedOfABrokerDoesNotWaitForIt) {
  start_broker();
  const auto outlets = start_outlets("off");
  auto least = std::chrono::steady_clock::duration::max();
  for (int i = 0; i < 3; ++i) {
    auto feed = outlets->feed(device, settings());
    Camera camera;
    camera.take(*feed);
    ASSERT_TRUE(wait_until([&] { return feed->counters().published == 1; }));
    const auto begin = std::chrono::steady_clock::now();
    feed.reset();
    least = std::min(least, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_LT(least, milliseconds(80));
  EXPECT_TRUE(wait_until([&] { return count(broker_->output(), "Client gige-mapper-") >= 3; }));
}

TEST_F(MqttTest, TheEndPublishesWhatIsQueued) {
  start_broker();
  const auto heard = subscribe("#");
  auto outlets = start_outlets("off");
  const auto feed = outlets->feed(device, settings());
  Camera camera;
  camera.take(*feed);
  ASSERT_TRUE(feed->image(0, patience).ok());
  outlets.reset();
  EXPECT_EQ(feed->counters().published, 1u);
  EXPECT_TRUE(heard->wait_for_output("\"sequence\":1"));
}

TEST_F(MqttTest, SomethingThatIsNoBrokerHoldsUpTheEndForSecondsOnly) {
  // Accepts connections and says nothing.
  const int silent = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent, 4), 0);
  auto outlets = start_outlets("off");
  OutletSettings settings;
  settings.mqtt.broker.url = url();
  settings.mqtt.every = milliseconds(0);
  const auto feed = outlets->feed(device, settings);
  Camera camera;
  camera.take(*feed);
  ASSERT_TRUE(feed->image(0, patience).ok());
  outlets.reset();
  EXPECT_EQ(feed->counters().published, 0u);
  EXPECT_EQ(feed->counters().failed, 1u);
  ::close(silent);
}

}  // namespace
}  // namespace gige

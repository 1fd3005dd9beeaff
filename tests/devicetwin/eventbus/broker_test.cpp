// The event bus on a real Mosquitto, with Mosquitto's own clients at the other end.
#include "devicetwin/event_bus.hpp"

#include <future>
#include <thread>

#include "base/file.hpp"
#include "base/text.hpp"
#include "devicetwin/core/fixture.hpp"
#include "support/process.hpp"

namespace devicetwin {
namespace {

using base::cat;
using test_support::find_program;
using test_support::Process;

const std::string start = "$hw/events/device/default/boiler/";

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() : port_(test_support::free_port()) {
    const std::string config =
        cat("listener ", port_, " 127.0.0.1\nallow_anonymous true\npersistence false\n");
    EXPECT_TRUE(base::write_file(folder_ / "mosquitto.conf", config).ok());
    thread_ = std::thread([this] { loop_.run(); });
    on_loop([this] {
      core_.create(Kind::device_model, test::model_json(), Origin::kubernetes, [](auto) {});
      core_.create(Kind::device, test::device_json(), Origin::kubernetes, [](auto) {});
    });
  }
  ~BrokerTest() override {
    on_loop([this] { bus_.reset(); });
    loop_.stop();
    thread_.join();
  }

  void on_loop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  void start_broker() {
    broker_ = std::make_unique<Process>(std::vector<std::string>{
        find_program("mosquitto"), "-c", (folder_ / "mosquitto.conf").string()});
    ASSERT_TRUE(broker_->wait_for_output("running"));
  }
  void start_bus() {
    on_loop([this] {
      EventBus::Settings settings;
      settings.url = cat("tcp://127.0.0.1:", port_);
      auto bus = EventBus::start(core_, loop_, settings);
      ASSERT_TRUE(bus.ok()) << bus.status().text();
      bus_ = std::move(*bus);
    });
  }
  bool connected(bool wanted) {
    return test_support::wait_until([&] {
      bool is = !wanted;
      on_loop([&] { is = bus_->connected(); });
      return is == wanted;
    });
  }
  std::unique_ptr<Process> subscribe(const std::string& topic) {
    auto process = std::make_unique<Process>(
        std::vector<std::string>{find_program("stdbuf"), "-oL", find_program("mosquitto_sub"), "-d",
                                 "-p", cat(port_), "-t", topic, "-v"});
    EXPECT_TRUE(process->wait_for_output("SUBACK"));
    return process;
  }
  void publish(const std::string& topic, const std::string& payload) {
    const auto outcome = test_support::run(
        {find_program("mosquitto_pub"), "-p", cat(port_), "-q", "1", "-t", topic, "-m", payload});
    EXPECT_EQ(outcome.exit, 0) << outcome.output;
  }
  void report(const std::string& value) {
    on_loop([&] {
      TwinUpdate update;
      update.properties.push_back({.name = "temperature", .actual = value});
      core_.update_twin({"default", "boiler"}, update, Origin::mapper, [](auto) {});
    });
  }

  test_support::TempFolder folder_;
  std::uint16_t port_;
  base::IoLoop loop_;
  std::thread thread_;
  test::MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge-node"};
  std::unique_ptr<Process> broker_;
  std::unique_ptr<EventBus> bus_;
};

TEST_F(BrokerTest, UpdateIsAnsweredWithResultDocumentAndDelta) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(start + "twin/update/#");
  publish(start + "twin/update",
          R"({"event_id":"e-17","twin":{"setpoint":{"expected":{"value":"48.25"}}}})");
  EXPECT_TRUE(heard->wait_for_output("twin/update/result {\"event_id\":\"e-17\""));
  EXPECT_TRUE(heard->wait_for_output("twin/update/document {\"event_id\":\"e-17\""));
  EXPECT_TRUE(heard->wait_for_output("\"delta\":{\"setpoint\":\"48.25\"}")) << heard->output();
}

TEST_F(BrokerTest, BrokerThatIsAwayAtStartIsFoundWhenItComes) {
  start_bus();
  report("1");
  start_broker();
  const auto heard = subscribe(start + "twin/update/document");
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(heard->wait_for_output("\"value\":\"1\"")) << heard->output();
}

TEST_F(BrokerTest, BrokerThatDiesAndComesBackHearsTheNewestAndAnswersAgain) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  broker_->kill();
  ASSERT_TRUE(connected(false));
  report("1");
  report("2");
  start_broker();
  const auto heard = subscribe(start + "#");
  ASSERT_TRUE(connected(true));
  EXPECT_TRUE(heard->wait_for_output("\"value\":\"2\"")) << heard->output();
  publish(start + "twin/get", R"({"event_id":"g-1"})");
  EXPECT_TRUE(heard->wait_for_output("twin/get/result {\"event_id\":\"g-1\"")) << heard->output();
}

TEST_F(BrokerTest, BurstIsPublishedCompletelyAndInOrder) {
  start_broker();
  start_bus();
  ASSERT_TRUE(connected(true));
  const auto heard = subscribe(start + "twin/update/document");
  for (int i = 1; i <= 2000; ++i) report(std::to_string(i));
  ASSERT_TRUE(heard->wait_for_output("\"current\":{\"actual\":{\"value\":\"2000\""));
  const std::string output = heard->output();
  std::size_t at = 0;
  for (int i = 1; i <= 2000; ++i) {
    const std::string text = cat("\"current\":{\"actual\":{\"value\":\"", i, "\"");
    at = output.find(text, at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(EventBus, UrlThatIsNoneIsRefusedWithItsText) {
  base::ManualLoop loop;
  test::MemoryJournal journal(loop);
  Core core(loop, journal, "edge-node");
  EventBus::Settings settings;
  settings.url = "gopher://x";
  const auto bus = EventBus::start(core, loop, settings);
  ASSERT_FALSE(bus.ok());
  EXPECT_NE(bus.status().text().find("gopher://x"), std::string::npos);
}

}  // namespace
}  // namespace devicetwin

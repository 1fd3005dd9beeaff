// An event bus in this process on a real Mosquitto, with Mosquitto's own clients at the other end.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/file.hpp"
#include "base/text.hpp"
#include "devicetwin/core/fixture.hpp"
#include "devicetwin/event_bus.hpp"
#include "support/on_loop.hpp"
#include "support/process.hpp"

namespace devicetwin::test {

using base::cat;
using test_support::find_program;
using test_support::Process;
using test_support::wait_until;

class BusTest : public ::testing::Test {
 protected:
  BusTest() : port_(test_support::free_port()) {
    thread_ = std::thread([this] { loop_.run(); });
    on_loop([this] {
      core_.create(Kind::device_model, model_json(), Origin::kubernetes, [](auto) {});
      core_.create(Kind::device, device_json(), Origin::kubernetes, [](auto) {});
    });
  }
  ~BusTest() override {
    on_loop([this] { bus_.reset(); });
    loop_.stop();
    thread_.join();
  }

  void on_loop(const std::function<void()>& task) { test_support::run_on(loop_, task); }
  // options: more lines of mosquitto.conf, after the listener's.
  void start_broker(const std::string& options = "allow_anonymous true\n") {
    const std::string config =
        cat("listener ", port_, " 127.0.0.1\n", options, "persistence false\nuser root\n");
    EXPECT_TRUE(base::write_file(folder_ / "mosquitto.conf", config).ok());
    broker_ = std::make_unique<Process>(std::vector<std::string>{
        find_program("mosquitto"), "-v", "-c", (folder_ / "mosquitto.conf").string()});
    ASSERT_TRUE(broker_->wait_for_output("running")) << broker_->output();
  }
  EventBus::Settings settings() const {
    EventBus::Settings settings;
    settings.url = cat("tcp://127.0.0.1:", port_);
    return settings;
  }
  void start_bus() { start_bus(settings()); }
  void start_bus(const EventBus::Settings& settings) {
    on_loop([&] {
      auto bus = EventBus::start(core_, loop_, settings);
      ASSERT_TRUE(bus.ok()) << bus.status().text();
      bus_ = std::move(*bus);
    });
  }
  // Core has no way to forget an outlet: nothing may change in it from here to the test's end.
  void stop_bus() {
    on_loop([this] { bus_.reset(); });
  }
  bool connected(bool wanted) {
    return wait_until([&] {
      bool is = !wanted;
      on_loop([&] { is = bus_->connected(); });
      return is == wanted;
    });
  }
  EventBus::Counters counters() {
    EventBus::Counters now;
    on_loop([&] { now = bus_->counters(); });
    return now;
  }
  std::unique_ptr<Process> subscribe(const std::string& topic,
                                     std::vector<std::string> options = {"-v"}) {
    std::vector<std::string> arguments = {find_program("stdbuf"),
                                          "-oL",
                                          find_program("mosquitto_sub"),
                                          "-d",
                                          "-p",
                                          cat(port_),
                                          "-t",
                                          topic};
    arguments.insert(arguments.end(), options.begin(), options.end());
    auto process = std::make_unique<Process>(arguments);
    EXPECT_TRUE(process->wait_for_output("SUBACK"));
    return process;
  }
  void publish(const std::string& topic, const std::string& payload,
               const std::vector<std::string>& options = {}) {
    std::vector<std::string> arguments = {
        find_program("mosquitto_pub"), "-p", cat(port_), "-q", "1", "-t", topic, "-m", payload};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const auto outcome = test_support::run(arguments);
    EXPECT_EQ(outcome.exit, 0) << outcome.output;
  }
  void report(const std::string& value, const std::string& property = "temperature") {
    on_loop([&] {
      TwinUpdate update;
      update.properties.push_back({.name = property, .actual = value});
      core_.update_twin({"default", "boiler"}, update, Origin::mapper, [](auto) {});
    });
  }

  const std::string boiler_ = "$hw/events/device/default/boiler/";
  test_support::TempFolder folder_;
  std::uint16_t port_;
  base::IoLoop loop_;
  std::thread thread_;
  MemoryJournal journal_{loop_};
  Core core_{loop_, journal_, "edge-node"};
  std::unique_ptr<Process> broker_;
  std::unique_ptr<EventBus> bus_;
};

}  // namespace devicetwin::test

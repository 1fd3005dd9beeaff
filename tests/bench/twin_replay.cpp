// An outage of the broker: while it is stopped, 100,000 changes are reported over DMI; then it is
// back, and how fast they arrive at a subscriber on …/twin/update/replay is counted, whether all
// do, in order, and what a live change needs to …/twin/update/document meanwhile.
#include <mqtt/async_client.h>

#include <csignal>
#include <thread>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"
#include "no_delay.hpp"

namespace {

using base::cat;
using bench::Clock;
using bench::fail;

constexpr int devices = 100;
constexpr int properties = 100;  // the last device's live ones are not part of the outage
constexpr int changes = 100'000;
constexpr auto live_every = std::chrono::milliseconds(10);
constexpr auto deadline = std::chrono::seconds(120);

// The number behind `"key":` or `"key":"`; 0: none.
std::uint64_t number_after(const std::string& text, std::string_view key) {
  const std::size_t at = text.find(key);
  return at == text.npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

// What a subscriber sees. Callbacks come on Paho's thread.
class Subscriber final : public mqtt::callback {
 public:
  explicit Subscriber(std::uint16_t port)
      : url_(cat("tcp://127.0.0.1:", port)), client_(url_, "bench") {
    client_.set_callback(*this);
  }
  ~Subscriber() override { client_.disconnect()->wait(); }
  void connect() {
    client_.connect(mqtt::connect_options_builder().clean_session(true).finalize())->wait();
    devicetwin::bus::send_at_once(devicetwin::bus::port_of(url_));
    for (const char* topic :
         {"$hw/events/device/+/+/twin/update/replay", "$hw/events/node/+/twin/update/replay",
          "$hw/events/device/+/+/twin/update/document"}) {
      client_.subscribe(topic, 1)->wait();
    }
  }

  struct Replayed {
    std::uint64_t count = 0;
    std::uint64_t disordered = 0;  // a sequence number not above the one before
    std::uint64_t missing = 0;     // numbers left out
    std::uint64_t gaps = 0;        // said by the outbox
    Clock::time_point first;
    Clock::time_point last;
  };
  Replayed replayed() {
    const std::lock_guard lock(mutex_);
    return replayed_;
  }
  // Of a live change: when it was sent.
  void expect(std::uint64_t value, Clock::time_point sent) {
    const std::lock_guard lock(mutex_);
    expected_[value] = sent;
  }
  std::vector<double> take_live_us() {
    const std::lock_guard lock(mutex_);
    return std::exchange(live_us_, {});
  }
  std::size_t awaited() {
    const std::lock_guard lock(mutex_);
    return expected_.size();
  }

 private:
  void message_arrived(mqtt::const_message_ptr message) override {
    const auto now = Clock::now();
    const std::string text = message->get_payload_str();
    const std::lock_guard lock(mutex_);
    if (!message->get_topic().ends_with("/replay")) return live(text, now);
    if (text.find("\"gap\"") != text.npos) ++replayed_.gaps;
    const std::uint64_t sequence = number_after(text, "{\"seq\":");
    if (replayed_.count++ == 0) {
      replayed_.first = now;
    } else if (sequence <= last_sequence_) {
      ++replayed_.disordered;
    } else {
      replayed_.missing += sequence - last_sequence_ - 1;
    }
    last_sequence_ = sequence;
    replayed_.last = now;
  }
  // …"current":{"actual":{"value":"NUMBER.5"… of the live device.
  void live(const std::string& text, Clock::time_point now) {
    const std::size_t current = text.find("\"current\":");
    if (current == text.npos) return;
    const auto found = expected_.find(number_after(text.substr(current), "\"value\":\""));
    if (found == expected_.end()) return;
    live_us_.push_back(std::chrono::duration<double, std::micro>(now - found->second).count());
    expected_.erase(found);
  }

  const std::string url_;
  std::mutex mutex_;
  std::uint64_t last_sequence_ = 0;
  Replayed replayed_;
  std::map<std::uint64_t, Clock::time_point> expected_;
  std::vector<double> live_us_;
  mqtt::async_client client_;
};

// Live changes of a device of its own, one each live_every, until told. Values above a million.
class Live {
 public:
  Live(const bench::TwinDaemon& daemon, Subscriber& subscriber)
      : reporter_(daemon.socket(), 64), subscriber_(subscriber), thread_([this] { run(); }) {}
  ~Live() {
    stop_ = true;
    thread_.join();
  }

 private:
  void run() {
    for (std::uint64_t value = 1'000'000; !stop_; ++value) {
      subscriber_.expect(value, Clock::now());
      reporter_.send(
          bench::report_of(devices, static_cast<int>(value % properties), cat(value, ".5")));
      std::this_thread::sleep_for(live_every);
    }
  }
  bench::Reporter reporter_;
  Subscriber& subscriber_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  test_support::Plane plane;
  plane.start_broker();
  bench::TwinDaemon daemon(
      plane.folder(), {"--mqtt", cat("tcp://127.0.0.1:", plane.broker_port()), "--mqtt-replay-rate",
                       "1000000", "--mqtt-replay-quota", "256MB"});
  if (!daemon.process().wait_for_output("connected to the MQTT broker")) fail("no event bus");
  bench::create_devices(daemon, devices + 1, properties);

  plane.broker().kill();
  if (!daemon.process().wait_for_output("is gone")) fail("the broker is not missed");
  const auto away = Clock::now();
  for (int round = 1; round <= changes / (devices * properties); ++round) {
    bench::report_all(daemon, devices, properties, round);
  }
  report.add("twin.outage_changes_per_s", "changes taken while the broker is away",
             changes / bench::seconds_since(away), "/s");

  plane.start_broker();
  Subscriber subscriber(plane.broker_port());
  subscriber.connect();
  const auto back = Clock::now();
  Subscriber::Replayed seen;
  std::vector<double> live_us;
  {
    Live live(daemon, subscriber);
    if (!test_support::wait_until([&] { return subscriber.replayed().count >= changes; },
                                  deadline)) {
      fail(cat("only ", subscriber.replayed().count, " of ", changes, " were replayed"));
    }
    live_us = subscriber.take_live_us();
  }
  seen = subscriber.replayed();
  const std::chrono::duration<double> took = seen.last - seen.first;
  report.add("", "broker back to the first replayed",
             std::chrono::duration<double>(seen.first - back).count(), "s");
  report.add("twin.replay_per_s", "changes replayed, first to last",
             static_cast<double>(seen.count) / took.count(), "/s");
  report.add("twin.replay_missing", "  missing", static_cast<double>(seen.missing), "", "aim 0");
  report.add("twin.replay_disordered", "  out of order", static_cast<double>(seen.disordered), "",
             "aim 0");
  report.add("", "  gap markers", static_cast<double>(seen.gaps), "", "aim 0");
  report.add("twin.replay_live_p50_us", "live change to its document meanwhile, p50",
             bench::percentile(live_us, 0.5), "us");
  report.add("twin.replay_live_p99_us", "  p99", bench::percentile(live_us, 0.99), "us");
  report.add("", "  of so many live ones", static_cast<double>(live_us.size()), "");
  return 0;
}

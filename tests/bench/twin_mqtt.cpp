// twin/update to twin/update/result as an ordinary application does it — Paho, QoS 1, one
// connection — beside the same broker's echo of messages of the same size: the same client
// publishes to a topic that it subscribes to. Both in turns of one run, so that a busy machine
// slows both.
//
// With the private broker that a first start has, and with a Mosquitto that nobody configured. An
// echo is two hops; a round trip to devicetwin is four, and a document is published beside the
// result: a ratio of 2 is what the wire itself costs.
#include <mqtt/async_client.h>

#include "bench/report.hpp"
#include "bench/twin_rig.hpp"
#include "no_delay.hpp"

namespace {

using base::cat;
using bench::Clock;
using bench::fail;

constexpr int devices = 100;
constexpr int properties = 100;
constexpr int rounds = 6;
constexpr int calls_per_round = 300;
constexpr int window = 256;                            // in flight
constexpr const char* echo_topic = "bench/user/echo";  // open to applications by the access list
constexpr auto round_time = std::chrono::seconds(1);

struct Broker {
  std::string url;
  std::string user;  // "": anybody
  std::string password;
};

// As which an application comes to the private broker of a daemon in that folder.
Broker private_broker(const std::filesystem::path& folder, const std::string& log) {
  Broker broker;
  const std::string_view said = "private MQTT broker at ";
  const std::size_t at = log.find(said);
  if (at == log.npos) fail("no private broker:\n" + log);
  broker.url =
      log.substr(at + said.size(), log.find(": ", at + said.size() + 6) - at - said.size());
  std::ifstream credentials(folder / "mqtt/credentials");
  for (std::string line; std::getline(credentials, line);) {
    const auto words = base::split(line, ' ');
    if (words.size() != 3 || words[2] != "application") continue;
    broker.user = words[0];
    broker.password = words[1];
  }
  return broker;
}

// Publishes and waits for what comes back on other topics, by a number in the payload.
class Client final : public mqtt::callback {
 public:
  explicit Client(const Broker& broker) : client_(broker.url, "bench", window) {
    client_.set_callback(*this);
    auto options = mqtt::connect_options_builder().clean_session(true).max_inflight(1000);
    if (!broker.user.empty()) options.user_name(broker.user).password(broker.password);
    if (!client_.connect(options.finalize())->wait_for(std::chrono::seconds(10))) fail("no broker");
    // As the clients in Go, which mappers use; with Paho's delay every echo takes 43 ms.
    devicetwin::bus::send_at_once(devicetwin::bus::port_of(broker.url));
    for (const char* topic : {echo_topic, "$hw/events/device/+/+/twin/update/result"}) {
      client_.subscribe(topic, 1)->wait();
    }
  }
  ~Client() override { client_.disconnect()->wait(); }

  // Sends as soon as fewer than `most` wait for an answer.
  void send(const std::string& topic, const std::string& payload, int number, int most) {
    std::unique_lock lock(mutex_);
    wait_for(lock, most - 1);
    sent_at_[std::size_t(number) % sent_at_.size()] = Clock::now();
    ++waiting_;
    lock.unlock();
    client_.publish(topic, payload, 1, false);
  }
  void drain() {
    std::unique_lock lock(mutex_);
    wait_for(lock, 0);
  }
  std::vector<double> take_latencies_us() {
    const std::lock_guard lock(mutex_);
    return std::exchange(latencies_us_, {});
  }
  std::size_t answer_bytes() const { return answer_bytes_; }

 private:
  void wait_for(std::unique_lock<std::mutex>& lock, int most) {
    if (came_.wait_for(lock, std::chrono::seconds(10), [&] { return waiting_ <= most; })) return;
    fail(cat(waiting_, " answers did not come within 10 s; last: ", last_));
  }
  // {"event_id":"NUMBER",… in an update's result, as in what is echoed.
  void message_arrived(mqtt::const_message_ptr message) override {
    const auto now = Clock::now();
    const std::string text = message->get_payload_str();
    constexpr std::string_view key = "\"event_id\":\"";
    const std::size_t at = text.find(key);
    if (at == text.npos || text.find("\"code\"") != text.npos) fail("refused: " + text);
    const auto number = std::size_t(std::atoi(text.c_str() + at + key.size()));
    const std::lock_guard lock(mutex_);
    const auto sent = sent_at_[number % sent_at_.size()];
    latencies_us_.push_back(std::chrono::duration<double, std::micro>(now - sent).count());
    answer_bytes_ = text.size();
    last_ = text;
    --waiting_;
    came_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable came_;
  int waiting_ = 0;
  std::vector<Clock::time_point> sent_at_ = std::vector<Clock::time_point>(4096);
  std::vector<double> latencies_us_;
  std::size_t answer_bytes_ = 0;
  std::string last_;
  mqtt::async_client client_;
};

// One kind of request and what was measured of it.
struct Kind {
  bool echo = false;
  std::size_t echo_bytes = 0;
  std::vector<double> alone_us = {};   // one at a time
  std::vector<double> loaded_us = {};  // window of them
  std::vector<double> rates = {};      // per second, one of each round
};

class Bench {
 public:
  explicit Bench(const Broker& broker) : client_(broker) {}

  void request(const Kind& kind, int most) {
    const int number = next_++;
    const std::string device = bench::device_name(number % devices);
    std::string payload =
        cat("{\"event_id\":\"", number, "\",\"twin\":{\"",
            bench::property_name(number / devices % properties), "\":{\"actual\":{\"value\":\"",
            number, ".25\"},\"metadata\":{\"type\":\"float\"}}}}");
    if (!kind.echo) {
      const std::string topic = cat("$hw/events/device/default/", device, "/twin/update");
      return client_.send(topic, payload, number, most);
    }
    if (payload.size() < kind.echo_bytes) payload.resize(kind.echo_bytes, ' ');
    client_.send(echo_topic, payload, number, most);
  }
  void alone(Kind& kind) {
    const auto begun = Clock::now();
    for (int i = 0; i < calls_per_round && Clock::now() - begun < round_time; ++i) request(kind, 1);
    client_.drain();
    append(kind.alone_us);
  }
  void loaded(Kind& kind) {
    const auto begun = Clock::now();
    int count = 0;
    for (; Clock::now() - begun < round_time; ++count) request(kind, window);
    client_.drain();
    kind.rates.push_back(count / bench::seconds_since(begun));
    append(kind.loaded_us);
  }
  std::size_t answer_bytes() const { return client_.answer_bytes(); }

 private:
  void append(std::vector<double>& to) {
    const auto taken = client_.take_latencies_us();
    to.insert(to.end(), taken.begin(), taken.end());
  }

  Client client_;
  int next_ = 0;
};

// suffix: of the metrics.
void run(bench::Report& report, const std::string& suffix, const Broker& broker,
         bench::TwinDaemon& daemon) {
  bench::create_devices(daemon, devices, properties);
  Bench bench(broker);
  Kind twin;
  bench.alone(twin);
  twin = Kind();
  // What a result measures; the request is smaller, so that the echo is rather too large.
  Kind echo{.echo = true, .echo_bytes = bench.answer_bytes()};
  std::chrono::microseconds used{0};
  for (int round = 0; round < rounds; ++round) {
    bench.alone(echo);
    bench.alone(twin);
    bench.loaded(echo);
    const auto before = daemon.process().cpu_time();
    bench.loaded(twin);
    used += daemon.process().cpu_time() - before;
  }
  const double p50 = bench::percentile(twin.alone_us, 0.5);
  const double echo_p50 = bench::percentile(echo.alone_us, 0.5);
  const auto add = [&](const char* metric, const std::string& what, double value, const char* unit,
                       const char* aim = "") {
    report.add(*metric == 0 ? "" : cat("twin.mqtt_", metric, suffix), what, value, unit, aim);
  };
  add("p50_us", "update to result, one at a time, p50", p50, "us", "EdgeCore 2,700");
  add("p99_us", "  p99", bench::percentile(twin.alone_us, 0.99), "us");
  add("echo_p50_us", "the broker's echo, one at a time, p50", echo_p50, "us");
  add("echo_p99_us", "  p99", bench::percentile(echo.alone_us, 0.99), "us");
  add("over_echo", "update to result over echo, p50", p50 / echo_p50, "", "aim <= 2");
  add("results_per_s", cat("results, ", window, " in flight, median of rounds"),
      bench::percentile(twin.rates, 0.5), "/s", "aim >= 10,000; EdgeCore 260");
  add("", "  p50", bench::percentile(twin.loaded_us, 0.5), "us");
  add("", "  p99", bench::percentile(twin.loaded_us, 0.99), "us");
  add("echo_per_s", cat("echoes, ", window, " in flight, median of rounds"),
      bench::percentile(echo.rates, 0.5), "/s");
  const auto results = static_cast<double>(twin.loaded_us.size());
  add("", "devicetwin, of its own time", static_cast<double>(used.count()) / results, "us/result",
      "EdgeCore 2,000");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  constexpr const char* connected = "connected to the MQTT broker";
  {
    std::puts("private broker:");
    test_support::TempFolder folder;
    bench::TwinDaemon daemon(folder.path(), {"--mqtt-port", "0"});
    if (!daemon.process().wait_for_output(connected)) fail("no event bus");
    run(report, "", private_broker(folder.path(), daemon.process().output()), daemon);
  }
  std::puts("a Mosquitto that nobody configured:");
  test_support::Plane plane;
  plane.start_broker();
  const std::string url = cat("tcp://127.0.0.1:", plane.broker_port());
  bench::TwinDaemon daemon(plane.folder(), {"--mqtt", url});
  if (!daemon.process().wait_for_output(connected)) fail("no event bus");
  run(report, "_plain_broker", {url, "", ""}, daemon);
  return 0;
}

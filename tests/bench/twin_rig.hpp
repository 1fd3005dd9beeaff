// A devicetwin of its own for a benchmark: the real program in a private folder, devices created
// over HTTPS, values reported over DMI as a mapper does. One thread but for gRPC's.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "bench/measure.hpp"
#include "dmi/wire/dmi.hpp"
#include "support/plane.hpp"

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// share: 0.5 is the median. 0 of nothing.
inline double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

inline std::string device_name(int number) { return base::cat("device-", number); }
inline std::string property_name(int number) { return base::cat("property-", number); }

// devicetwin in a folder that the caller keeps, so that a next one finds its database. Killed by
// the destructor.
class TwinDaemon {
 public:
  // flags: after --dir and --kube-port 0. Returns when it is ready.
  TwinDaemon(const std::filesystem::path& folder, std::vector<std::string> flags)
      : folder_(folder) {
    std::vector<std::string> arguments = {test_support::built("devicetwin/devicetwin"), "--dir",
                                          folder.string(), "--kube-port", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const auto begun = Clock::now();
    process_ = std::make_unique<test_support::Process>(std::move(arguments));
    const bool ready = process_->wait_for_output("ready:", std::chrono::seconds(60));
    start_ms_ = 1000 * seconds_since(begun);
    if (!ready) fail("devicetwin is not ready:\n" + process_->output());
  }

  // From exec to the line "ready:", as seen by looking every few milliseconds.
  double start_ms() const { return start_ms_; }
  test_support::Process& process() { return *process_; }
  std::string socket() const { return (folder_ / "dmi.sock").string(); }
  test_support::KubeClient kube() const { return test_support::KubeClient(folder_); }
  // Ends it as told: what waits is written.
  void stop() {
    if (process_->stop(std::chrono::seconds(60)) != 0) fail(process_->output());
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<test_support::Process> process_;
  double start_ms_ = 0;
};

// Devices device-0 … with properties property-0 …, FLOAT, of one model "bench" that is made for
// them. Their protocol has no mapper. Objects look as a plant's do: a visitor per property.
inline void create_devices(const TwinDaemon& daemon, int devices, int properties) {
  test_support::KubeClient kube = daemon.kube();
  const auto post = [&](const char* plural, const dmi::Json& object) {
    const auto answer = kube.post(base::cat(test_support::api, plural), object);
    if (answer.status != 201) fail(base::cat(plural, ": HTTP ", answer.status));
  };
  const auto object = [](const char* kind, const std::string& name, dmi::Json spec) {
    return dmi::Json{{"apiVersion", "devices.kubeedge.io/v1beta1"},
                     {"kind", kind},
                     {"metadata", {{"name", name}}},
                     {"spec", std::move(spec)}};
  };
  dmi::Json points = dmi::Json::array();
  dmi::Json types = dmi::Json::array();
  for (int i = 0; i < properties; ++i) {
    types.push_back({{"name", property_name(i)}, {"type", "FLOAT"}, {"accessMode", "ReadWrite"}});
    const dmi::Json config = {
        {"register", "HoldingRegister"}, {"offset", 2 * i}, {"limit", 2}, {"scale", 1}};
    points.push_back({{"name", property_name(i)},
                      {"collectCycle", 1000},
                      {"reportCycle", 1000},
                      {"reportToCloud", true},
                      {"visitors", {{"protocolName", "bench"}, {"configData", config}}}});
  }
  post("devicemodels",
       object("DeviceModel", "bench", {{"protocol", "bench"}, {"properties", std::move(types)}}));
  for (int i = 0; i < devices; ++i) {
    const dmi::Json address = {{"ip", "10.0.0.1"}, {"port", 502}, {"slaveID", i % 200 + 1}};
    post("devices", object("Device", device_name(i),
                           {{"deviceModelRef", {{"name", "bench"}}},
                            {"nodeName", "edge-node"},
                            {"protocol", {{"protocolName", "bench"}, {"configData", address}}},
                            {"properties", points}}));
  }
}

inline std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

inline dmi::TwinReport twin_of(int property, std::string value) {
  dmi::TwinReport twin;
  twin.property = property_name(property);
  twin.reported =
      dmi::TwinValue{std::move(value), {{"timestamp", base::cat(now_ms())}, {"type", "float"}}};
  return twin;
}

inline dmi::DeviceReport report_of(int device, int property, std::string value) {
  return {{"default", device_name(device)}, {twin_of(property, std::move(value))}};
}

// ReportDeviceStatus over one connection, a number of calls in flight: the next is sent when one is
// answered, by the thread that waits here, because completions come on gRPC's.
class Reporter {
 public:
  Reporter(const std::string& socket, int in_flight)
      : most_(in_flight), client_(dmi::wire::connect_manager(socket)) {}
  ~Reporter() { drain(); }

  void send(const dmi::DeviceReport& report) {
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return flying_ < most_; });
      ++flying_;
    }
    const auto begun = Clock::now();
    client_->report_status(report, [this, begun](const base::Status& status) {
      const double us = 1e6 * seconds_since(begun);
      const std::lock_guard lock(mutex_);
      --flying_;
      ++answered_;
      if (!status.ok() && failures_++ == 0) first_failure_ = status.to_string();
      if (latencies_us_.size() < most_latencies) latencies_us_.push_back(us);
      room_.notify_one();
    });
  }
  // Waits for all answers.
  void drain() {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return flying_ == 0; });
  }
  std::uint64_t answered() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }
  // Of all calls since the last time; fails when one was refused.
  std::vector<double> take_latencies_us() {
    const std::lock_guard lock(mutex_);
    if (failures_ > 0) fail(base::cat(failures_, " calls failed, first: ", first_failure_));
    return std::exchange(latencies_us_, {});
  }

 private:
  static constexpr std::size_t most_latencies = 4'000'000;

  std::mutex mutex_;
  std::condition_variable room_;
  int flying_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t failures_ = 0;
  std::string first_failure_;
  std::vector<double> latencies_us_;
  const int most_;
  std::unique_ptr<dmi::wire::ManagerClient> client_;  // last: its completions use the others
};

// Reports one new value of every property, a call per device; round distinguishes the values.
inline void report_all(const TwinDaemon& daemon, int devices, int properties, int round) {
  Reporter reporter(daemon.socket(), 8);
  for (int device = 0; device < devices; ++device) {
    dmi::DeviceReport report{{"default", device_name(device)}, {}};
    report.twins.reserve(static_cast<std::size_t>(properties));
    for (int i = 0; i < properties; ++i) {
      report.twins.push_back(twin_of(i, base::cat(round, '.', 100'000 + i)));
    }
    reporter.send(report);
  }
  reporter.drain();
  reporter.take_latencies_us();
}

}  // namespace bench

// A write under full polling load: from a new desired value in the specification of a device to the
// unit's acceptance (its answer to the write has been heard), 500 times. The plant is a process of
// its own that takes 5 ms for every answer; everything is behind one TCP connection, on which one
// device's 1,000 registers are asked for back to back. Sessions, driver and bus are those of
// modbus-mapper, in this process.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "base/text.hpp"
#include "bench/measure.hpp"
#include "bench/report.hpp"
#include "modbus/driver.hpp"
#include "open.hpp"
#include "session.hpp"
#include "support/plane.hpp"

namespace {

using base::cat;
using bench::fail;
using dmi::Json;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int changes = 500;
constexpr int polled_points = 500;  // floats: 1,000 registers
constexpr int answer_delay_ms = 5;

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

dmi::DeviceModel model_of(int points) {
  dmi::DeviceModel model;
  model.id = {"default", cat("floats", points)};
  for (int i = 0; i < points; ++i) {
    model.properties.push_back({cat("f", i), "", "FLOAT", "ReadWrite", "", "", "", {}});
  }
  return model;
}

// Unit of the plant with floats from register 0 on.
dmi::Device device_of(int unit, int port, int points, int cycle_ms) {
  dmi::Device device;
  device.id = {"default", cat("block", unit)};
  device.model = cat("floats", points);
  device.protocol = {"modbus", Json{{"ip", "127.0.0.1"}, {"port", port}, {"slaveID", unit}}};
  for (int i = 0; i < points; ++i) {
    dmi::DeviceProperty property;
    property.name = cat("f", i);
    property.collect_cycle_ms = cycle_ms;
    property.visitors = dmi::ProtocolConfig{
        "modbus", Json{{"register", "HoldingRegister"}, {"offset", 2 * i}, {"limit", 2}}};
    device.properties.push_back(property);
  }
  return device;
}

// A driver that says when its writes have been accepted.
class Watched final : public mapper::AsyncDriver {
 public:
  Watched(std::unique_ptr<mapper::AsyncDriver> driver, std::function<void()> accepted)
      : driver_(std::move(driver)), accepted_(std::move(accepted)) {}
  void read(std::span<mapper::Reading> batch, Done done) override { driver_->read(batch, done); }
  bool hurry() override { return driver_->hurry(); }
  void write(std::span<mapper::Command> batch, Done done) override {
    driver_->write(batch, [this, batch, done](const base::Status& status) {
      if (!status.ok()) fail(status.to_string());
      for (const mapper::Command& command : batch) {
        if (!command.status || !command.status->ok()) fail("a write was not accepted");
      }
      accepted_();
      done(status);
    });
  }

 private:
  const std::unique_ptr<mapper::AsyncDriver> driver_;
  const std::function<void()> accepted_;
};

// Writes one device while others are polled; milliseconds of each change.
class Run {
 public:
  explicit Run(int port) : port_(port) {}

  std::vector<double> measure(bool poll_other, bool poll_itself) {
    mapper::Opener open = mapper::opener_of(
        loop_,
        [this](const mapper::Target& target,
               mapper::Sink sink) -> base::Result<std::unique_ptr<mapper::AsyncDriver>> {
          auto driver = protocol_.open_async(target, std::move(sink), loop_);
          if (!driver) return driver;
          return std::unique_ptr<mapper::AsyncDriver>(
              std::make_unique<Watched>(std::move(*driver), [this] { accepted(); }));
        });
    mapper::SessionContext context{loop_,
                                   open,
                                   "modbus",
                                   repeats_,
                                   [](mapper::Session& session) { (void)session.take_report(); },
                                   false};
    const auto small = std::make_shared<const dmi::DeviceModel>(model_of(1));
    const auto large = std::make_shared<const dmi::DeviceModel>(model_of(polled_points));
    mapper::Session other(context, {"default", "block5"});
    if (poll_other) other.update(device_of(5, port_, polled_points, 10), large);
    written_ = poll_itself ? device_of(4, port_, polled_points, 10) : device_of(4, port_, 1, 1000);
    model_ = poll_itself ? large : small;
    mapper::Session session(context, {"default", "block4"});
    session_ = &session;
    session.update(written_, model_);
    // Opening and the first plans are not counted: they happen once in the life of a device.
    loop_.after(std::chrono::milliseconds(500), [this] { change(); });
    loop_.after(std::chrono::minutes(2), [] { fail("a write never arrived"); });
    loop_.run();
    return took_;
  }

 private:
  void change() {
    // Each value is new.
    const double wanted = 100 + static_cast<double>(took_.size()) / 4;
    written_.properties[0].desired = dmi::TwinValue{cat(wanted), {}};
    asked_ = loop_.now();
    session_->update(written_, model_);
  }
  void accepted() {
    took_.push_back(Milliseconds(loop_.now() - asked_).count());
    if (took_.size() == changes) return loop_.stop();
    // Not in step with the polling, and not before the value has been read back.
    loop_.after(std::chrono::microseconds(60'000 + random_() % 50'000), [this] { change(); });
  }

  const int port_;
  base::IoLoop loop_;
  mapper::Protocol protocol_ = modbus::protocol();
  base::Repeats repeats_;
  dmi::Device written_;
  std::shared_ptr<const dmi::DeviceModel> model_;
  mapper::Session* session_ = nullptr;
  base::SteadyTime asked_{};
  std::minstd_rand random_{1};
  std::vector<double> took_;
};

}  // namespace

int main(int argc, char** argv) {
  bench::Report report(argc, argv);
  test_support::Process plant({test_support::built("mappers/modbus/modbus-plant"), "--listen",
                               "127.0.0.1:0", "--units", "5", "--answer-delay-ms",
                               cat(answer_delay_ms)});
  if (!plant.wait_for_output("listening on")) fail("the plant did not start:\n" + plant.output());
  const std::string said = plant.output();
  const int port = std::atoi(said.c_str() + said.rfind(':') + 1);

  const std::vector<double> idle = Run(port).measure(false, false);
  const std::vector<double> loaded = Run(port).measure(true, false);
  const std::vector<double> itself = Run(port).measure(false, true);
  std::printf("  %d writes each; the plant takes %d ms for every answer; one connection\n", changes,
              answer_delay_ms);
  report.add("write.round_trip_ms", "nothing else on the connection, p50", percentile(idle, 0.5),
             "ms", "the device's round trip");
  report.add("", "a neighbour's 1,000 registers back to back, p50", percentile(loaded, 0.5), "ms");
  report.add("write.p99_ms", "a neighbour's 1,000 registers back to back, p99",
             percentile(loaded, 0.99), "ms", "aim <= 10 + round trip");
  report.add("", "the written device's own 1,000 registers, p50", percentile(itself, 0.5), "ms");
  report.add("write.own_load_p99_ms", "the written device's own 1,000 registers, p99",
             percentile(itself, 0.99), "ms", "aim <= 10 + round trip");
  return 0;
}

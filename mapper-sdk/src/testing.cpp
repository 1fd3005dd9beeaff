#include "mapper/testing.hpp"

#include <algorithm>
#include <cassert>

#include "base/text.hpp"
#include "config.hpp"
#include "target.hpp"

namespace mapper::testing {

using base::cat;
using base::Code;
using base::Status;

base::Result<Target> target_from_yaml(const std::string& yaml) {
  base::Result<Objects> objects = parse_objects(yaml, "test.yaml");
  if (!objects) return objects.status();
  const dmi::Device& device = objects->devices.front();
  const auto model =
      std::find_if(objects->models.begin(), objects->models.end(), [&](const auto& candidate) {
        return candidate.id == dmi::ObjectId{device.id.space, device.model};
      });
  assert(model != objects->models.end());  // parse_objects has checked it
  return make_target(device, *model, device.protocol.protocol);
}

void FakeDevice::set(const std::string& point, dmi::Value raw) {
  const std::lock_guard lock(mutex_);
  values_[point] = std::move(raw);
}

dmi::Value FakeDevice::get(const std::string& point) const {
  const std::lock_guard lock(mutex_);
  return values_.at(point);
}

void FakeDevice::fail(const std::string& point, Status status) {
  const std::lock_guard lock(mutex_);
  failures_[point] = std::move(status);
}

void FakeDevice::reach(Status status) {
  const std::lock_guard lock(mutex_);
  reach_ = std::move(status);
}

void FakeDevice::on_write(std::function<dmi::Value(const std::string&, dmi::Value)> keep) {
  const std::lock_guard lock(mutex_);
  keep_ = std::move(keep);
}

std::vector<std::string> FakeDevice::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::size_t FakeDevice::count(std::string_view word) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      log_.begin(), log_.end(), [&](const std::string& line) { return line.starts_with(word); }));
}

Status FakeDevice::open() {
  const std::lock_guard lock(mutex_);
  log_.push_back("open");
  return reach_;
}

void FakeDevice::settled() {
  const std::lock_guard lock(mutex_);
  log_.push_back("settled");
}

void FakeDevice::close() {
  const std::lock_guard lock(mutex_);
  log_.push_back("close");
}

Status FakeDevice::read(std::span<Reading> batch, base::Time now) {
  const std::lock_guard lock(mutex_);
  std::string line = "read";
  for (Reading& reading : batch) {
    line += " " + reading.point.name;
    if (!reach_.ok()) continue;
    const auto failure = failures_.find(reading.point.name);
    const auto value = values_.find(reading.point.name);
    if (failure != failures_.end() && !failure->second.ok()) {
      reading.sample = dmi::Sample(failure->second, now);
    } else if (value != values_.end()) {
      reading.sample = dmi::Sample(value->second, now);
    }
  }
  log_.push_back(std::move(line));
  return reach_;
}

Status FakeDevice::write(std::span<Command> batch) {
  const std::lock_guard lock(mutex_);
  std::string line = "write";
  for (Command& command : batch) {
    line += cat(" ", command.point.name, "=", dmi::to_text(command.value, command.point.type));
    if (!reach_.ok()) continue;
    command.status = failures_[command.point.name];
    if (!command.status->ok()) continue;
    const std::string& name = command.point.name;
    values_[name] = keep_ ? keep_(name, command.value) : command.value;
  }
  log_.push_back(std::move(line));
  return reach_;
}

namespace {

class FakeDriver final : public Driver {
 public:
  explicit FakeDriver(FakeDevice& device) : device_(device) {}
  ~FakeDriver() override { device_.close(); }
  Status read(std::span<Reading> batch) override {
    return device_.read(batch, std::chrono::system_clock::now());
  }
  Status write(std::span<Command> batch) override { return device_.write(batch); }
  void settled() override { device_.settled(); }

 private:
  FakeDevice& device_;
};

class FakeAsyncDriver final : public AsyncDriver {
 public:
  FakeAsyncDriver(FakeDevice& device, base::Loop& loop, base::Duration delay)
      : device_(device), loop_(loop), delay_(delay), timer_(loop) {}
  ~FakeAsyncDriver() override { device_.close(); }
  void settled() override { device_.settled(); }
  void read(std::span<Reading> batch, Done done) override {
    timer_.start(
        delay_, [this, batch, done = std::move(done)] { done(device_.read(batch, loop_.wall())); });
  }
  void write(std::span<Command> batch, Done done) override {
    timer_.start(delay_, [this, batch, done = std::move(done)] { done(device_.write(batch)); });
  }

 private:
  FakeDevice& device_;
  base::Loop& loop_;
  base::Duration delay_;
  base::Timer timer_;
};

}  // namespace

base::Result<std::unique_ptr<Driver>> open_fake(FakeDevice& device) {
  if (const Status failed = device.open(); !failed.ok()) return failed;
  return std::unique_ptr<Driver>(std::make_unique<FakeDriver>(device));
}

base::Result<std::unique_ptr<AsyncDriver>> open_fake_async(FakeDevice& device, base::Loop& loop,
                                                           base::Duration delay) {
  (void)device.open();
  return std::unique_ptr<AsyncDriver>(std::make_unique<FakeAsyncDriver>(device, loop, delay));
}

}  // namespace mapper::testing

// A mapper of tests: in their process, or in one of its own (child/mapper.cpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "dmi/wire/dmi.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;
using dmi::ObjectId;

// A mapper that writes down its calls and answers as told.
class Mapper final : public dmi::wire::MapperHandler {
 public:
  explicit Mapper(const std::string& socket) : socket_(socket) { start(); }
  void start() { server_ = dmi::wire::serve_mapper(socket_, *this).value(); }
  void stop() { server_.reset(); }

  void register_device(std::int64_t, dmi::Device device, dmi::wire::Done done) override {
    note(cat("register ", device.id.name, desired(device)), std::move(done));
  }
  void update_device(std::int64_t, dmi::Device device, dmi::wire::Done done) override {
    note(cat("update ", device.id.name, desired(device)), std::move(done));
  }
  void remove_device(std::int64_t, ObjectId device, dmi::wire::Done done) override {
    note(cat("remove ", device.name), std::move(done));
  }
  void create_model(std::int64_t, dmi::DeviceModel model, dmi::wire::Done done) override {
    note(cat("create model ", model.id.name), std::move(done));
  }
  void update_model(std::int64_t, dmi::DeviceModel model, dmi::wire::Done done) override {
    note(cat("update model ", model.id.name), std::move(done));
  }
  void remove_model(std::int64_t, ObjectId model, dmi::wire::Done done) override {
    note(cat("remove model ", model.name), std::move(done));
  }
  void get_device(
      ObjectId,
      std::function<void(base::Result<std::pair<dmi::Device, dmi::DeviceReport>>)> done) override {
    done(Status(Code::unsupported, "not asked for"));
  }

  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t count(const std::string& call) const {
    const auto all = calls();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), call));
  }
  // All calls about the object of this name are answered so, from now on and for ever.
  void refuse(const std::string& name, const Status& status) {
    const std::lock_guard lock(mutex_);
    refusals_[name] = status;
  }
  std::size_t asked() const {  // calls, whatever the answer
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  std::atomic<int> failures = 0;   // so many calls fail from now on
  std::atomic<bool> hung = false;  // calls are kept without an answer
  std::size_t kept() const {
    const std::lock_guard lock(mutex_);
    return kept_.size();
  }
  // Answers what it kept.
  void release() {
    hung = false;
    const std::lock_guard lock(mutex_);
    for (auto& [call, done] : std::exchange(kept_, {})) {
      calls_.push_back(std::move(call));
      done(Status());
    }
  }

 private:
  static std::string desired(const dmi::Device& device) {
    const auto* property = device.find("setpoint");
    return property && property->desired ? cat("=", property->desired->value) : "";
  }
  void note(std::string call, dmi::wire::Done done) {
    const std::lock_guard lock(mutex_);
    ++asked_;
    const std::string name = call.substr(call.rfind(' ') + 1);
    if (const auto found = refusals_.find(name.substr(0, name.find('=')));
        found != refusals_.end()) {
      return done(found->second);
    }
    if (hung) return void(kept_.emplace_back(std::move(call), std::move(done)));
    if (failures > 0) {
      --failures;
      return done(Status(Code::internal, "told to fail"));
    }
    calls_.push_back(std::move(call));
    done(Status());
  }

  const std::string socket_;
  mutable std::mutex mutex_;        // calls come on gRPC's threads
  std::vector<std::string> calls_;  // that were not refused
  std::map<std::string, Status> refusals_;
  std::size_t asked_ = 0;
  std::vector<std::pair<std::string, dmi::wire::Done>> kept_;
  std::unique_ptr<dmi::wire::Server> server_;
};

}  // namespace devicetwin

// Aravis' fake camera as a process of its own, on an address of its own: real GVCP and GVSP, and it
// can be killed.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "gige/find.hpp"
#include "support/process.hpp"

namespace gige_test {

class FakeCamera {
 public:
  // number: 1..8, the last byte of 127.0.0.N. more: further arguments of arv-fake-gv-camera-0.8.
  explicit FakeCamera(std::string serial, int number = 1, std::vector<std::string> more = {})
      : serial_(std::move(serial)),
        address_(base::cat("127.0.0.", number)),
        more_(std::move(more)) {
    start();
  }
  void start() {
    std::vector<std::string> command{"arv-fake-gv-camera-0.8", "-i", address_, "-s", serial_};
    command.insert(command.end(), more_.begin(), more_.end());
    process_.emplace(command);
    gige::CameraQuery query;
    query.ip = address_;
    const auto found = gige::find(query, std::chrono::seconds(10));
    ASSERT_TRUE(found.ok()) << found.status().text() << process_->output();
  }
  void kill() { process_->kill(); }

  const std::string& serial() const { return serial_; }
  const std::string& address() const { return address_; }

 private:
  const std::string serial_;
  const std::string address_;
  const std::vector<std::string> more_;
  std::optional<test_support::Process> process_;
};

}  // namespace gige_test

// A driver and a server that may misbehave, on one loop, over loopback. The test's own thread runs
// the loop, step by step, until what it waits for has happened.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>

#include "modbus/driver.hpp"
#include "modbus/points.hpp"
#include "modbus/run_until.hpp"
#include "sim/memory.hpp"
#include "sim/server.hpp"

namespace modbus_test {

using base::Status;
using modbus::Adu;
using modbus_sim::Reply;

class Rig : public ::testing::Test {
 protected:
  using Misbehave = std::function<bool(const Adu&, Reply&)>;  // true: reply is made

  Rig() {
    for (int unit : {1, 2, 3}) units_[unit] = memory();
  }

  static modbus_sim::Memory memory() {
    modbus_sim::Memory made{std::vector<bool>(100), std::vector<bool>(100),
                            std::vector<std::uint16_t>(200), std::vector<std::uint16_t>(200)};
    for (std::size_t i = 0; i < 200; ++i) made.input[i] = static_cast<std::uint16_t>(i);
    return made;
  }

  void serve(std::uint16_t port = 0) {
    auto server = modbus_sim::Server::listen(
        loop_, "127.0.0.1", port, [this](const Adu& request, Reply& reply) {
          ++requests_;
          seen_.emplace_back(request.pdu.begin(), request.pdu.end());
          if (misbehave_ && misbehave_(request, reply)) return;
          answer(request, reply);
        });
    ASSERT_TRUE(server.ok()) << server.status().text();
    server_ = std::move(*server);
  }

  void answer(const Adu& request, Reply& reply) {
    const auto unit = units_.find(request.unit);
    reply.frame(request.transaction, request.unit,
                unit == units_.end()
                    ? modbus_sim::exception(request.pdu[0], modbus::gateway_no_answer)
                    : modbus_sim::answer(unit->second, request.pdu));
  }

  // The first request asked for an address in [first, end).
  static bool asks_for(const Adu& request, unsigned first, unsigned end) {
    const unsigned from = modbus::word_at(request.pdu.subspan(1), 0);
    const unsigned count = modbus::word_at(request.pdu.subspan(3), 0);
    return from < end && from + count > first;
  }

  bool run_until(const std::function<bool()>& condition,
                 std::chrono::milliseconds deadline = std::chrono::seconds(10)) {
    return modbus_test::run_until(loop_, condition, deadline);
  }

  Json protocol(int unit = 1, int timeout_ms = 1000) {
    return Json{{"ip", "127.0.0.1"},
                {"port", port_ != 0 ? port_ : server_->port()},
                {"slaveID", unit},
                {"timeout", timeout_ms}};
  }

  std::unique_ptr<mapper::AsyncDriver> open(const mapper::Target& target) {
    auto driver = protocol_.open_async(target, mapper::Sink(), loop_);
    EXPECT_TRUE(driver.ok()) << driver.status().text();
    return driver ? std::move(*driver) : nullptr;
  }

  Status read(mapper::AsyncDriver& driver, std::vector<mapper::Reading>& batch) {
    std::optional<Status> status;
    driver.read(batch, [&](const Status& done) { status = done; });
    EXPECT_FALSE(status.has_value()) << "done was called from within read()";
    EXPECT_TRUE(run_until([&] { return status.has_value(); }));
    return status.value_or(Status(base::Code::internal, "no answer"));
  }

  Status write(mapper::AsyncDriver& driver, std::vector<mapper::Command>& batch) {
    std::optional<Status> status;
    driver.write(batch, [&](const Status& done) { status = done; });
    EXPECT_FALSE(status.has_value()) << "done was called from within write()";
    EXPECT_TRUE(run_until([&] { return status.has_value(); }));
    return status.value_or(Status(base::Code::internal, "no answer"));
  }

  base::IoLoop loop_;
  std::map<int, modbus_sim::Memory> units_;
  Misbehave misbehave_;
  int requests_ = 0;
  std::vector<std::vector<std::uint8_t>> seen_;
  std::unique_ptr<modbus_sim::Server> server_;
  std::uint16_t port_ = 0;  // stated in protocol(); 0: the server's
  mapper::Protocol protocol_ = modbus::protocol();
};

}  // namespace modbus_test

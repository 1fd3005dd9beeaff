// A line for tools: one request after the other, each waited for. Turns the loop itself while it
// waits. One thread; SIGINT and SIGTERM end every wait.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/loop.hpp"
#include "modbus/line.hpp"

namespace modbus_tools {

// The loop of a tool. After the first signal every wait ends at once; a second one kills.
class ToolLoop {
 public:
  ToolLoop();
  base::IoLoop& loop() { return loop_; }
  bool interrupted() const { return interrupted_; }
  // Turns the loop until done says so; false: interrupted, or deadline has passed.
  bool turn_until(const std::function<bool()>& done, base::Duration deadline);

 private:
  base::IoLoop loop_;
  bool interrupted_ = false;
};

class Wire final : private modbus::Line::Client {
 public:
  Wire(ToolLoop& loop, const modbus::Endpoint& endpoint);

  // Connects, if it is not connected. unavailable: why not.
  base::Status connect();

  struct Answer {
    base::Status status;  // as in Line::Client::answered(); unavailable also: interrupted
    std::vector<std::uint8_t> pdu;
    std::chrono::microseconds time{0};  // from sending on
    // The unit said something: what was asked for, an exception of its own, or nonsense. A
    // gateway's exceptions 10 and 11 say that nobody is there.
    bool is_alive() const;
  };
  // Connects if need be. A lost connection is tried anew once.
  Answer ask(std::uint8_t unit, const modbus::Pdu& request, std::chrono::milliseconds timeout);
  // The registers of a range, in as many requests as the protocol needs.
  base::Result<std::vector<std::uint16_t>> read(std::uint8_t unit, const modbus::Range& range,
                                                std::chrono::milliseconds timeout);
  bool interrupted() const { return loop_.interrupted(); }
  std::string name() const { return endpoint_.to_string(); }

 private:
  void connected(const base::Status& status) override;
  void answered(const base::Status& status, modbus::Bytes answer) override;
  void lost(const base::Status& why) override;
  base::Status wait_for_dial();
  Answer ask_once(std::uint8_t unit, const modbus::Pdu& request, std::chrono::milliseconds timeout);

  ToolLoop& loop_;
  const modbus::Endpoint endpoint_;
  std::optional<base::Status> connected_;
  std::optional<Answer> answer_;
  std::unique_ptr<modbus::Line> line_;
};

}  // namespace modbus_tools

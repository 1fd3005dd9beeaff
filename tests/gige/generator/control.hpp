// The control channel: what is answered to a command, from whom, and what it sets going. Not
// thread-safe: camera.cpp guards it.
#pragma once

#include <optional>

#include "generator/memory.hpp"
#include "generator/registers.hpp"
#include "generator/stream.hpp"

namespace generator {

struct Peer {
  std::uint32_t ip = 0;
  std::uint16_t port = 0;
  friend bool operator==(const Peer&, const Peer&) = default;
};

class Control {
 public:
  Control(const Options& options, std::uint32_t ip, std::uint16_t stream_port, Stream& stream,
          Link& link, Ticks& ticks);

  // The answer as it goes out; empty: none.
  Bytes handle(const gvcp::Command& command, Peer from);
  // To be called often: forgets who controls when nothing was heard of them.
  void watch_heartbeat();

  void power_cycle(std::chrono::milliseconds off);
  void take_over(std::uint32_t by);
  void release();
  void line1();
  void absurd(bool width, bool payload) { memory_.absurd(width, payload); }

  Memory& memory() { return memory_; }
  const Memory& memory() const { return memory_; }
  bool controlled() const { return controller_.has_value(); }
  std::uint64_t refused() const { return refused_; }

 private:
  using Clock = std::chrono::steady_clock;

  Bytes read_registers(const gvcp::Command& command);
  Bytes write_registers(const gvcp::Command& command, Peer from);
  Bytes read_memory(const gvcp::Command& command);
  Bytes write_memory(const gvcp::Command& command, Peer from);
  Bytes refuse(const gvcp::Command& command, gvcp::Answer why);

  bool may_read(Peer from) const;
  gvcp::Answer write(std::uint32_t address, std::uint32_t value, Peer from);
  gvcp::Answer claim(std::uint32_t privilege, Peer from);
  void act(std::uint32_t address, std::uint32_t value);
  void forget_controller();
  void trigger(std::uint32_t source);

  const Options options_;
  const std::uint32_t ip_;
  const std::uint16_t stream_port_;
  Stream& stream_;
  Link& link_;
  Ticks& ticks_;
  Memory memory_;
  std::optional<Peer> controller_;
  bool usurped_ = false;  // by take_over()
  Clock::time_point heard_{};
  std::uint64_t refused_ = 0;
};

}  // namespace generator

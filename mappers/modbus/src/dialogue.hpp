// What is said on one connection in one framing: makes the frame of a request, finds its answer
// among what arrives, and tells late, foreign and malformed ones apart. No I/O, no clock of its
// own. Confined to one thread: the loop's, or a serial line's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/status.hpp"
#include "modbus/line.hpp"
#include "modbus/mbap.hpp"
#include "modbus/rtu.hpp"

namespace modbus {

using Clock = std::chrono::steady_clock;

struct Answer {
  base::Status status;
  Bytes pdu;
};

class Dialogue {
 public:
  explicit Dialogue(Line::Counters& counters) : counters_(counters) {}
  virtual ~Dialogue() = default;
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;

  // Writes the frame of request to out; its length. From now on its answer is awaited.
  std::size_t ask(const Line::Request& request, std::span<std::uint8_t, max_adu_bytes> out);
  // Bytes that arrived: where to put them, how many there are, and what they say: the answer, none
  // (more are needed), or malformed (this is no Modbus; the connection is of no use any more).
  virtual std::span<std::uint8_t> space() = 0;
  virtual void received(std::size_t count) = 0;
  virtual base::Result<std::optional<Answer>> next() = 0;
  // What was received was a whole datagram, or silence followed it: the rest of it is dropped.
  virtual void boundary() = 0;
  // The request is given up at now; the text of it: "did not answer within 500 ms, but …".
  std::string give_up(const Line::Request& request, Clock::time_point now);
  // When request may go out, without a late answer to one given up being taken for its own.
  virtual Clock::time_point clear_at(const Line::Request& request) const = 0;
  // Whether what arrives before a request must be looked at before it goes out.
  virtual bool drains() const = 0;
  virtual void reset() = 0;  // a new connection

 protected:
  virtual std::size_t frame(const Line::Request& request,
                            std::span<std::uint8_t, max_adu_bytes> out) = 0;
  virtual void missed(const Line::Request& request, Clock::time_point now) = 0;
  Answer checked(const Line::Request& request, Bytes pdu);

  Line::Counters& counters_;
  // A copy: the caller's lives as long as its request, which is longer than it is on the line.
  Line::Request request_;
  bool asking_ = false;

 private:
  std::uint64_t foreign_before_ = 0;
  std::uint64_t malformed_before_ = 0;
};

std::unique_ptr<Dialogue> make_dialogue(Framing framing, Line::Counters& counters);

}  // namespace modbus

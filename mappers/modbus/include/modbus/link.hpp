// What a driver sees of its bus: it sends transactions and gets answers. bus.hpp is what stands
// behind it. Everything is on one loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

// One request and where its answer goes. Its owner keeps and reuses it, one use at a time.
struct Transaction {
  class Client {
   public:
    // Called once per send(), on the loop, never from within it.
    // ok: answer is what the request asked for. refused: it is an exception. malformed: the unit
    // answered nonsense. timeout, unavailable: no answer, the text says why.
    // answer is valid during the call only.
    virtual void answered(const base::Status& status, Bytes answer) = 0;

   protected:
    ~Client() = default;
  };

  Client* client = nullptr;  // nullptr: forgotten; not sent if it still waits
  Pdu request;
  std::chrono::milliseconds timeout{1000};  // of each try: from sending, not from queueing
  std::uint8_t unit = 1;
  bool urgent = false;     // ahead of all that are not
  bool broadcast = false;  // nobody answers: `answered` with ok and nothing once it is out
  // Tries after the first without an answer. Reads only: a repeated write may act twice.
  std::uint8_t retries = 0;
};

class Link {
 public:
  struct Counters {
    std::uint64_t requests = 0;  // sent
    std::uint64_t answers = 0;   // exceptions are answers
    std::uint64_t timeouts = 0;
    std::uint64_t late = 0;        // answers to requests that had timed out: dropped
    std::uint64_t foreign = 0;     // answers to nothing we asked: dropped
    std::uint64_t malformed = 0;   // answers or frames that make no sense
    std::uint64_t queue_full = 0;  // requests refused because of max_queue
    std::uint64_t shunned = 0;     // requests refused because their unit is taken for dead
    std::uint64_t retries = 0;     // requests sent again
    std::uint64_t connects = 0;    // connections made
    std::uint64_t losses = 0;      // connections that ended with a request on the wire
  };

  virtual ~Link() = default;
  // Shared with the caller, who may be gone before the answer comes.
  virtual void send(std::shared_ptr<Transaction> transaction) = 0;
  virtual Counters counters() const = 0;

  // Requests waiting on one line. A gateway has at most 247 units behind it, each with one request
  // at a time; four devices per unit fit.
  static constexpr std::size_t max_queue = 1024;
};

}  // namespace modbus

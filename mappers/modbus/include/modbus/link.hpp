// A line to units: one transaction on the wire at a time, the rest queued, writes ahead of reads.
// What the line is made of (TCP here) is behind the interface. Everything is on one IoLoop.
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
  std::chrono::milliseconds timeout{1000};  // from sending, not from queueing
  std::uint8_t unit = 1;
  bool urgent = false;  // ahead of all that are not
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
    std::uint64_t connects = 0;    // connections made
    std::uint64_t losses = 0;      // connections that ended with a request on the wire
  };

  virtual ~Link() = default;
  // Shared with the caller, who may be gone before the answer comes.
  virtual void send(std::shared_ptr<Transaction> transaction) = 0;
  virtual const Counters& counters() const = 0;

  // Requests waiting on one line. A gateway has at most 247 units behind it, each with one request
  // at a time; four devices per unit fit.
  static constexpr std::size_t max_queue = 1024;
};

// A line over one TCP connection. It connects when there is something to send, and again after a
// loss; a request on the wire fails with the connection, waiting ones go out on the next.
// host: a name or an address; names are resolved at every connect.
std::shared_ptr<Link> tcp_link(base::IoLoop& loop, std::string host, std::uint16_t port);

// A lost SYN is repeated after 1 s, then after 2 more: one loss is forgiven.
inline constexpr std::chrono::milliseconds connect_timeout{3000};
// Requests in a row without an answer before the connection is taken for dead and made anew.
inline constexpr int max_timeouts_in_a_row = 3;

// One link per host and port, shared by every device behind it, alive while one of them is.
class Links {
 public:
  std::shared_ptr<Link> get(base::IoLoop& loop, const std::string& host, std::uint16_t port);

 private:
  std::map<std::pair<std::string, std::uint16_t>, std::weak_ptr<Link>> links_;
};

}  // namespace modbus

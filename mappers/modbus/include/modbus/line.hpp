// A line: one way to reach units, one request on it at a time. It knows transport and framing and
// matches answers to requests; queue, retries, pauses and dead units are its bus's (bus.hpp).
// Everything is called on the loop; a serial line has a thread of its own behind this interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/loop.hpp"
#include "base/status.hpp"
#include "modbus/endpoint.hpp"
#include "modbus/pdu.hpp"

namespace modbus {

class Line {
 public:
  struct Counters {
    std::uint64_t requests = 0;       // sent
    std::uint64_t answers = 0;        // exceptions are answers
    std::uint64_t timeouts = 0;       // no answer in time
    std::uint64_t late = 0;           // answers to requests that had timed out: dropped
    std::uint64_t foreign = 0;        // answers to nothing we asked: dropped
    std::uint64_t malformed = 0;      // answers or frames that make no sense; wrong CRC
    std::uint64_t connects = 0;       // connections made
    std::uint64_t losses = 0;         // connections that ended without our doing
    std::uint64_t dropped_bytes = 0;  // drained before a request, or skipped to find a frame
  };

  // The line's owner. Called on the loop, never from within a call of the line.
  class Client {
   public:
    virtual void connected(const base::Status& status) = 0;  // once per connect()
    // Once per send(). ok: answer is what the request asked for (empty for a broadcast). refused:
    // it is an exception. malformed: the unit answered nonsense. timeout: no answer in time.
    // unavailable: the connection was lost; is_up() is false. answer is valid during the call.
    virtual void answered(const base::Status& status, Bytes answer) = 0;
    virtual void lost(const base::Status& why) = 0;  // while nothing was on the line

   protected:
    ~Client() = default;
  };

  struct Request {
    std::uint8_t unit = 1;
    bool broadcast = false;                   // nobody answers: done once it has gone out
    std::chrono::milliseconds timeout{1000};  // from sending to the whole answer
    const Pdu* pdu = nullptr;                 // until answered()
  };

  virtual ~Line() = default;  // forgets what is on the line; the client hears nothing more
  // Connects, dials, opens the port, or (listen) waits for the device to dial in. Not while up or
  // connecting (asserts). A listening line that nobody has dialled says unavailable at once, and
  // is up from the moment somebody does: it calls connected() again then.
  virtual void connect() = 0;
  virtual bool is_up() const = 0;
  // Puts a request on the line. Only while up and with none on it (asserts).
  virtual void send(const Request& request) = 0;
  // Ends the connection; the client hears nothing of it.
  virtual void close() = 0;
  virtual const Counters& counters() const = 0;
};

// A lost SYN is repeated after 1 s, then after 2 more: one loss is forgiven.
inline constexpr std::chrono::milliseconds connect_timeout{3000};

// A line to endpoint. Nothing is opened yet. client must outlive the line.
std::unique_ptr<Line> make_line(base::IoLoop& loop, const Endpoint& endpoint, Line::Client& client);

}  // namespace modbus

// A bus: all units behind one line. One bounded queue in order of arrival, writes ahead of reads;
// a driver has one request out at a time, so turns are fair: nobody waits longer than one round.
// A unit that does not answer is left alone for a while (breaker.hpp). Connecting, its back-off,
// pauses, retries and the back-up line are here; lines only carry (line.hpp).
// Everything is on one loop; time is the loop's, so tests turn it by hand.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "base/loop.hpp"
#include "modbus/breaker.hpp"
#include "modbus/line.hpp"
#include "modbus/link.hpp"

namespace modbus {

// How a bus treats its line. Devices of one bus that disagree get the slowest of their wishes.
struct Pace {
  std::chrono::milliseconds post_connect_delay{0};   // between connecting and the first request
  std::chrono::milliseconds inter_request_delay{0};  // of silence after every answer or time-out
  friend bool operator==(const Pace&, const Pace&) = default;
};

class Bus final : public Link {
 public:
  // Requests in a row without any answer before the connection itself is taken for dead.
  static constexpr int max_timeouts_in_a_row = 3;
  // Waits after a failed connect; requests meanwhile fail at once with its reason. With the jitter
  // of base::Backoff they stay below half of a session's own waits (1 … 60 s).
  static constexpr std::chrono::milliseconds first_reconnect{500};
  static constexpr std::chrono::milliseconds longest_reconnect{25'000};
  // Connections in a row that ended without one answer before that counts as a failed connect.
  static constexpr int max_barren = 2;
  // Units need time to carry out a broadcast, which nobody acknowledges.
  // Modbus over Serial Line V1.02, section 2.4.1: 100..200 ms.
  static constexpr std::chrono::milliseconds broadcast_turnaround{100};

  using MakeLine = std::function<std::unique_ptr<Line>(Line::Client&)>;
  // One way to the units: for texts "tcp://10.0.0.5:502", and the line.
  struct Way {
    std::string name;
    MakeLine make;
  };
  // ways: the primary and, if there is one, the back-up: when connecting to one fails, the other
  // is tried at once. After a loss it starts with the primary again. Connects when there is
  // something to send. Outlived by loop; not destroyed from within answered().
  Bus(base::Loop& loop, const std::vector<Way>& ways);
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  // As Link. unavailable at once: too many wait; the unit is taken for dead; the line could not be
  // connected and the next try is not due yet. Retries go to the end of the queue and are ignored
  // for writes. A read on a connection that had answered before and is lost (a gateway's idle
  // time-out) goes out once more on the next connection; a write does not.
  void send(std::shared_ptr<Transaction> transaction) override;
  Counters counters() const override;

  // A user of the bus comes and goes, with its wish for the pace. When the last one has gone, the
  // bus rests, unless it is to stay up (a listening line would be closed to its device).
  void join(const Pace& pace);
  void leave(const Pace& pace, bool stay_up = false);
  std::size_t users() const { return wishes_.size(); }
  // Closes the connection and forgets what waits. Breakers, counters and back-off stay. Not from
  // within answered().
  void rest();

  Breaker::State unit_state(std::uint8_t unit) const { return breaker_.state(unit); }
  // "tcp://10.0.0.5:502: connected; 120 requests, 3 timeouts, 1 late, 0 foreign; open units: 7, 9"
  std::string describe() const;

 private:
  enum class State : std::uint8_t { down, connecting, up };
  struct Entry {
    std::shared_ptr<Transaction> transaction;
    std::uint8_t tries = 0;
    bool probe = false;     // the one request that a half-open unit gets
    bool repeated = false;  // its connection was lost, it went out again
  };
  // First in, first out; no memory while empty.
  class Lane {
   public:
    bool empty() const { return head_ == entries_.size(); }
    std::size_t size() const { return entries_.size() - head_; }
    void push(Entry entry);
    void push_front(Entry entry);
    Entry pop();
    const Entry& front() const { return entries_[head_]; }
    // Takes out those that wanted() names, in order.
    template <class Wanted>
    void extract(Wanted wanted, std::vector<Entry>& into);

   private:
    std::vector<Entry> entries_;
    std::size_t head_ = 0;
  };
  // Who speaks: a listening primary may be dialled while the back-up is in use.
  struct Leg final : Line::Client {
    Leg(Bus& of, const Way& way) : bus(of), name(way.name), line(way.make(*this)) {}
    void connected(const base::Status& status) override { bus.connected(*this, status); }
    void answered(const base::Status& status, Bytes answer) override {
      bus.answered(*this, status, answer);
    }
    void lost(const base::Status& why) override { bus.lost(*this, why); }
    Bus& bus;
    std::string name;
    std::unique_ptr<Line> line;
  };

  void connected(Leg& leg, const base::Status& status);
  void answered(Leg& leg, const base::Status& status, Bytes answer);
  void lost(Leg& leg, const base::Status& why);

  void pump();
  void drop_forgotten();
  void connect(std::size_t leg);
  void up(std::size_t leg);
  void start(Entry entry);
  void connection_ended(const base::Status& why);
  void no_connection(const std::string& why);

  void heard(Entry entry, const base::Status& status, Bytes answer);
  void missed(Entry entry, const base::Status& status);
  void cut(Entry entry, const base::Status& why);
  void unanswered(const Entry& entry);
  void fail_waiting(std::optional<std::uint8_t> unit, const base::Status& why);  // none: all
  void fail_later(std::shared_ptr<Transaction> transaction, std::string why);
  static void finish(const Entry& entry, const base::Status& status, Bytes answer = {});

  base::Loop& loop_;
  std::vector<std::unique_ptr<Leg>> legs_;
  std::size_t current_ = 0;
  State state_ = State::down;
  bool delivering_ = false;    // within a call of the line: what clients send only queues
  bool resting_ = false;       // rest() once that call is over
  bool fruitful_ = false;      // this connection has answered
  bool on_backup_ = false;     // said in the log
  std::uint8_t barren_ = 0;    // connections in a row without an answer
  std::uint8_t timeouts_ = 0;  // in a row
  base::Timer pause_;
  base::SteadyTime quiet_until_{};
  base::SteadyTime sent_{};
  base::SteadyTime next_connect_{};
  base::Backoff backoff_;
  std::string down_why_;  // of the last failed connect
  Lane urgent_;
  Lane normal_;
  Entry on_wire_;
  Breaker breaker_;
  Pace pace_;
  std::vector<Pace> wishes_;
  // Beyond what the lines count.
  std::uint64_t queue_full_ = 0;
  std::uint64_t shunned_ = 0;
  std::uint64_t retries_ = 0;
  std::uint64_t losses_ = 0;
};

}  // namespace modbus

// Records of one consumer, handed out again in order and on a budget, until they are delivered.
// Pure; belongs to the loop.
//
// - At least once: what is not acknowledged comes again after a failure, a pause or a restart, with
//   the number it had, from the first one not acknowledged on.
// - In order: a record is handed out after all with lower numbers; with in_flight 1 also delivered
//   after them.
// - Never faster than the budget, so that what is live goes beside it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/backoff.hpp"
#include "base/loop.hpp"
#include "devicetwin/outbox.hpp"

namespace devicetwin {

class Replay {
 public:
  struct Settings {
    std::size_t in_flight = 32;
    double records_per_s = 1000;
    double bytes_per_s = 4 << 20;
    std::size_t read_bytes = 256u << 10;  // memory: one read and what flies
    std::chrono::milliseconds first_retry{500};
    std::chrono::milliseconds most_retry{30'000};
  };
  struct Counters {
    std::uint64_t sent = 0;       // handed to send, again too
    std::uint64_t delivered = 0;  // of them
    std::uint64_t failed = 0;
  };
  using Done = std::function<void(bool delivered)>;
  // Hands a record over. done is called once, on the loop, also from inside send; late calls, after
  // a pause or the replay's end, are harmless.
  using Send = std::function<void(const Record& record, Done done)>;
  // Where records come from and acknowledgements go: the outbox, or a test.
  struct Source {
    std::function<void(std::uint64_t after, std::size_t max_bytes,
                       std::function<void(base::Result<std::vector<Record>>)> done)>
        read;
    std::function<void(std::uint64_t up_to)> acknowledge;
  };

  // Begins paused.
  Replay(base::Loop& loop, Source source, Settings settings, Send send);
  // Of an outbox's consumer; watches it. The outbox outlives the replay.
  Replay(base::Loop& loop, Outbox& outbox, const std::string& consumer, Settings settings,
         Send send);
  ~Replay();
  Replay(const Replay&) = delete;

  // The consumer is there, or is away. Both may be called again.
  void resume();
  void pause();
  // Records came.
  void wake();
  Counters counters() const { return counters_; }

 private:
  void pump();
  void fetch();
  void send_one();
  void outcome(std::uint64_t sequence, bool delivered);
  void start_again();
  void fill_budget();

  base::Loop& loop_;
  Source source_;
  Settings settings_;
  Send send_;
  std::function<void()> unwatch_;
  bool paused_ = true;
  bool fetching_ = false;
  bool pumping_ = false;            // send may answer at once
  bool more_ = true;                // there may be records that were not read
  bool failing_ = false;            // one was not delivered: nothing new until the others are back
  std::uint64_t cursor_ = 0;        // read up to here
  std::uint64_t acknowledged_ = 0;  // told the source, which may not have written it yet
  std::deque<Record> read_;
  std::map<std::uint64_t, bool> flying_;  // by number: delivered, but not all before it
  std::size_t undelivered_ = 0;           // of flying_
  // What may go now; below zero after a record larger than that.
  double records_;
  double bytes_;
  base::SteadyTime filled_;
  base::Timer timer_;
  base::Backoff backoff_;
  Counters counters_;
  // Replaced at every new beginning: answers to earlier ones are not for us.
  std::shared_ptr<const bool> round_ = std::make_shared<const bool>(true);
};

}  // namespace devicetwin

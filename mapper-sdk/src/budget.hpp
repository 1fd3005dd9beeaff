// How many calls a stock EdgeCore may be asked. It grants a node one call a second and saves up
// 100, shared by all mappers and all their calls; an empty bucket answers "too many request". So
// does this: a token a period, at most `burst` saved up, full to begin with:
//
//   calls within t          at most 20 + t / 1 s; five mappers at once empty the node's bucket
//   reports of values       leave 3 tokens to states and registrations: 17 + t / 1 s
//   refused                 no tokens, and twice the period: 1, 2, 4, 8 s. Refusals of calls that
//                           were on their way together double it once
//   accepted, 10 in a row   half the period, back to 1 s
//
// So up to 8 mappers that have more to tell than they may share a node fairly; after a refusal the
// first report of values waits 4 periods, the first state one.
//
// Threads: all on the loop.
#pragma once

#include <chrono>

#include "base/loop.hpp"

namespace mapper {

class Budget {
 public:
  static constexpr int burst = 20;
  static constexpr int reserve = 3;  // for what is urgent: states and registrations
  static constexpr base::Duration shortest = std::chrono::seconds(1);  // periods
  static constexpr base::Duration longest = std::chrono::seconds(8);
  static constexpr int successes = 10;  // that halve the period

  // loop: its clock; must outlive this.
  explicit Budget(const base::Loop& loop) : loop_(loop), since_(loop.now()) {}

  // Takes a token for one call. false: there is none for it; nothing was taken.
  bool take(bool urgent);
  // A call was answered with "too many request".
  void refused();
  // A call was answered otherwise.
  void accepted();
  // Until take() would take; zero: now.
  base::Duration wait(bool urgent) const;

 private:
  static int needed(bool urgent) { return urgent ? 1 : reserve + 1; }
  void refill();

  const base::Loop& loop_;
  base::Duration period_ = shortest;
  int tokens_ = burst;
  base::SteadyTime since_;  // the next token comes a period after
  int accepted_ = 0;        // in a row
  bool taken_ = false;      // since the period was doubled last
};

}  // namespace mapper

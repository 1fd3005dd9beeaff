// How many calls a stock EdgeCore may be asked. It grants a node one call a second and saves up
// 100, shared by all mappers and all their calls; an empty bucket answers "too many request". So
// does this: a token a period, at most `burst` saved up, full to begin with:
//
//   calls within t          at most 20 + t / 1 s; five mappers at once empty the node's bucket
//   reports of values       leave 3 tokens to states and registrations: 17 + t / 1 s
//   refused                 no tokens, and half the rate, down to one in 8 s. Refusals of calls
//                           that were on their way together halve it once
//   10 s without a refusal  one call in 8 s more: after 70 s it is one a second again
//
// Less by a factor and more by a term, as TCP does it: mappers of one node that have more to tell
// than they may come to equal shares. After a refusal the first report of values waits 4 periods at
// most, the first state one.
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
  static constexpr base::Duration longest = std::chrono::seconds(8);  // period
  static constexpr int most = 8;  // calls within the longest period, which is one a second
  static constexpr base::Duration growth = std::chrono::seconds(10);  // until there is one more

  // loop: its clock; must outlive this.
  explicit Budget(const base::Loop& loop) : loop_(loop), since_(loop.now()), grown_(loop.now()) {}

  // Takes a token for one call. false: there is none for it; nothing was taken.
  bool take(bool urgent);
  // A call was answered with "too many request".
  void refused();
  // Until take() takes, or longer; zero: now.
  base::Duration wait(bool urgent) const;

 private:
  static int needed(bool urgent) { return urgent ? 1 : reserve + 1; }
  base::Duration period() const { return longest / rate_; }
  void refill();

  const base::Loop& loop_;
  int rate_ = most;  // calls within the longest period
  int tokens_ = burst;
  base::SteadyTime since_;  // the next token comes a period after
  base::SteadyTime grown_;  // the rate changed last
  bool taken_ = false;      // since the rate was halved last
};

}  // namespace mapper

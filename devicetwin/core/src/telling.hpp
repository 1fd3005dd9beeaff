// Telling outlets of changes, one after the other: an outlet that answers a change with a verb
// hears of that after the others have heard of the first. Belongs to the loop.
#pragma once

#include <deque>
#include <vector>

#include "devicetwin/core.hpp"

namespace devicetwin {

class Telling {
 public:
  explicit Telling(Core::Counters& counters) : counters_(counters) {}

  void add(Outlet& outlet) { outlets_.push_back(&outlet); }  // must outlive the last push
  void push(Change change);

  // While one lives nothing is told; the last one's end tells what was pushed, in that order.
  class Hold {
   public:
    explicit Hold(Telling& telling) : telling_(telling) { ++telling_.holds_; }
    ~Hold() {
      if (--telling_.holds_ == 0) telling_.tell();
    }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Telling& telling_;
  };

 private:
  void tell();

  Core::Counters& counters_;
  std::vector<Outlet*> outlets_;
  std::deque<Change> untold_;
  int holds_ = 0;
  bool telling_ = false;
};

}  // namespace devicetwin

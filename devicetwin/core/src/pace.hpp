// Dead-band, minimum and maximum interval of reported values. Belongs to the loop.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/loop.hpp"
#include "devicetwin/core.hpp"
#include "dmi/pace_rule.hpp"
#include "row_table.hpp"

namespace devicetwin {

// One property that asks for it.
struct Pace {
  dmi::PaceRule rule;
  std::optional<base::SteadyTime> told;         // when a report of it was taken last
  std::optional<TwinUpdate::Property> waiting;  // for the end of the minimum interval
  bool timed = false;                           // a timer for that end runs
};
using Paces = std::map<std::string, Pace, std::less<>>;
using PaceRules = std::map<std::string, dmi::PaceRule, std::less<>>;

enum class Verdict : unsigned char {
  take,   // as ever
  again,  // take it, and tell it although it may say the same
  same,   // as if it repeated what is there
  wait,   // kept in Pace::waiting
};

// What to do with a report. Good news and bad are never held back: only a value that follows a
// value, both trustworthy, is paced.
Verdict judge(Pace& pace, const RowTable::Row* row, const TwinUpdate::Property& property,
              base::SteadyTime now);

}  // namespace devicetwin

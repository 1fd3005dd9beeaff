// The promises of issue 5 as rules over a History. Pure.
//
// Order. A write takes effect once, between its start and `latest`: its answer, or the first proof
// that it was there before that (a reader saw it, a device got it); never, where there is neither.
// Write a precedes b when a's latest is before b's start. Writes that overlap may come in any
// order.
#pragma once

#include <string>
#include <vector>

#include "system/history.hpp"

namespace system_test {

enum class Rule : unsigned char {
  versions_rise,  // resourceVersions: of an object as seen, and over all accepted writes; one
                  // version of an object has one content
  edge_rises,     // the local half of a setting's version on disk
  no_invention,   // every value seen, actuated or left over was written, and not refused
  nothing_lost,   // what is read, and what is desired at the end, no accepted write has replaced
  never_back,     // a value that readers saw replaced is not seen again
  actuated_once,  // again only when the device had meanwhile changed by itself and a process or a
                  // link was lost in between; a command never again (docs/decisions/0005, 0008)
  actuated_in_order,  // never a value that was replaced before a newer one was actuated
  device_follows,     // at the end the device holds what is desired, or what its panel made of it
};
std::string name(Rule rule);

struct Violation {
  Rule rule;
  std::string key;   // the setting; the object, for versions
  std::string text;  // with values and times
};

// At most max_violations; empty: every promise held.
std::vector<Violation> check(const History& history, std::size_t max_violations = 20);

}  // namespace system_test

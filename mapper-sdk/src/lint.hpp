// Every mistake of Device and DeviceModel files, each with its place: for `lint`.
// Called before any loop runs; touches files, and devices only where the protocol has no check.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "mapper/driver.hpp"

namespace mapper {

struct LintResult {
  // "plant.yaml:12:5: default/boiler: spec.properties[2].name: missing", in the order of the files
  // and of their lines.
  std::vector<std::string> mistakes;
  // The same of keys that are right and do nothing.
  std::vector<std::string> notes = {};
  std::size_t wrong_files = 0;
  std::size_t devices = 0;  // of this protocol
  std::size_t others = 0;   // devices of other protocols: their settings were not looked at
};

LintResult lint(const std::vector<std::string>& files, const Protocol& protocol);

}  // namespace mapper

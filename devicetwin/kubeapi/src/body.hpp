// The JSON body of a request, with the keys that stand twice. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/json.hpp"

namespace devicetwin::kube {

struct Body {
  dmi::Json json;
  std::vector<std::string> duplicates;  // paths: "spec.properties[0].name"; the last one counts
};

// invalid: not JSON, or deeper than 64 levels.
base::Result<Body> parse_body(std::string_view text);

}  // namespace devicetwin::kube

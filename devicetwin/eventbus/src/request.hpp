// What clients publish, read as Go's JSON decoder would: keys of structures in any case, unknown
// ones skipped, null for absent. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.hpp"
#include "devicetwin/core.hpp"

namespace devicetwin::bus {

// Past this a payload is refused unread: 4,096 properties with short values fit four times.
inline constexpr std::size_t max_payload_bytes = 1u << 20;

struct Request {
  std::string event_id;  // also of a refused request, where it could be read
  base::Status status;   // why the request is refused; its text is the reason in the answer
  TwinUpdate update;     // of a twin/update
  std::string state;     // of a state/update
  bool details = false;  // {"versions": true} of twin/get and twin/update
};

Request parse_update(std::string_view payload);
Request parse_state(std::string_view payload);
// twin/get and membership/get: what = "twin info", "get membership info" in the error's text.
Request parse_get(std::string_view payload, std::string_view what);

}  // namespace devicetwin::bus

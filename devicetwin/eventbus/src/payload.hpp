// What the event bus publishes: JSON in KubeEdge's order of keys. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devicetwin/core.hpp"

namespace devicetwin::bus {

// A row and which of its sides an answer shows.
struct Shown {
  std::string name;
  const TwinRow* row = nullptr;  // nullptr: deleted, shown as null
  bool expected = true;
  bool actual = true;
  bool type = true;
};

// A side with an empty value is left out, as by KubeEdge, unless it says why it is empty.
std::string twin_result(std::string_view event_id, std::int64_t now_ms,
                        const std::vector<Shown>& twins);
std::string error_result(std::string_view event_id, std::int64_t now_ms, int code,
                         std::string_view reason);
std::string document(std::string_view event_id, std::int64_t now_ms,
                     const std::vector<const Change::Row*>& rows);
// Whether expected and actual differ, so that the row stands in the delta.
bool differs(const TwinRow& row);
std::string delta(std::string_view event_id, std::int64_t now_ms, const Twins& rows);
std::string state_result(std::string_view event_id, std::int64_t now_ms, std::string_view name,
                         const DeviceState& state);

struct Member {
  dmi::ObjectId id;
  const DeviceState* state = nullptr;
};
std::string membership(std::string_view event_id, std::int64_t now_ms,
                       const std::vector<Member>& members);
std::string membership_updated(std::string_view event_id, std::int64_t now_ms, const Member& member,
                               bool added);

}  // namespace devicetwin::bus

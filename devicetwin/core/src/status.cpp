#include "status.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "dmi/crd.hpp"

namespace devicetwin {

using base::cat;
using dmi::Json;

namespace {

// A status has its own identity, and it must be the same after every restart: the device's, turned
// round.
std::string status_uid(const std::string& uid) {
  std::string turned = uid;
  if (turned.size() > 8) std::swap_ranges(turned.begin(), turned.begin() + 4, turned.begin() + 4);
  return turned;
}

Json side_json(const std::string& value, std::int64_t time_ms, const TwinRow& row,
               const base::Status& status) {
  Json metadata = {{"timestamp", cat(time_ms)}, {"type", row.type}};
  if (!status.ok()) {
    metadata["status"] = base::name(status.code());
    metadata["reason"] = status.text();
  }
  return {{"value", value}, {"metadata", std::move(metadata)}};
}

// null: nothing was seen of it yet.
Json twin_json(const TwinRow& row) {
  if (row.deleted || (!row.actual.present && row.observed_ms == 0)) return nullptr;
  Json twin = {{"propertyName", row.name}};
  if (row.actual.present) {
    twin["reported"] = side_json(row.actual.value, row.actual.time_ms, row, row.quality);
  }
  if (row.observed_ms != 0) {
    twin["observedDesired"] = side_json(row.observed, row.observed_ms, row, row.refusal);
  }
  return twin;
}

std::string_view word_of(Progress progress) {
  constexpr std::string_view words[] = {"", "pending", "applied", "failed", "overridden"};
  return words[static_cast<std::size_t>(progress)];
}

// null: nothing is desired of it.
Json outcome_json(const TwinRow& row) {
  const auto progress = row.progress();
  if (progress == Progress::none) return nullptr;
  Json outcome = {{"desired", row.expected.value}};
  outcome["state"] = word_of(progress);
  if (!row.expected.by.empty()) outcome["origin"] = row.expected.by;
  outcome["since"] = base::to_rfc3339(base::from_ms(row.expected.time_ms));
  if (!row.refusal.ok()) outcome["reason"] = row.refusal.to_string();
  return outcome;
}

Json metadata_json(const DeviceEntry& entry) {
  const Json owner = {
      {"apiVersion", dmi::api_version}, {"kind", "Device"},   {"name", entry.object.id.name},
      {"uid", entry.object.uid},        {"controller", true}, {"blockOwnerDeletion", true}};
  return {{"name", entry.object.id.name},
          {"namespace", entry.object.id.space},
          {"uid", status_uid(entry.object.uid)},
          {"creationTimestamp", entry.created},
          {"generation", 1},
          {"resourceVersion", cat(entry.status_version)},
          {"ownerReferences", Json::array({owner})}};
}

}  // namespace

Json status_json(const DeviceEntry& entry) {
  std::vector<const RowTable::Row*> in_order;
  for (const RowTable::Row& row : entry.rows.rows) {
    if (row.exists && row.in_spec()) in_order.push_back(&row);
  }
  std::ranges::sort(in_order, {}, &RowTable::Row::position);
  Json twins = Json::array();
  Json outcomes = Json::object();
  for (const RowTable::Row* packed : in_order) {
    const TwinRow row = entry.rows.unpack(*packed);
    if (Json twin = twin_json(row); !twin.is_null()) twins.push_back(std::move(twin));
    if (Json outcome = outcome_json(row); !outcome.is_null())
      outcomes[row.name] = std::move(outcome);
  }

  Json status = Json::object();
  if (!twins.empty()) status["twins"] = std::move(twins);
  if (!entry.state.state.empty()) status["state"] = entry.state.state;
  if (!entry.state.last_online.empty()) status["lastOnlineTime"] = entry.state.last_online;
  if (!entry.state.waiting.empty()) status["extensions"]["reason"] = entry.state.waiting;
  if (!entry.ignored.empty()) status["extensions"]["ignored"] = entry.ignored;
  if (!outcomes.empty()) status["extensions"]["properties"] = std::move(outcomes);
  return {{"apiVersion", dmi::api_version},
          {"kind", "DeviceStatus"},
          {"metadata", metadata_json(entry)},
          {"spec", Json::object()},
          {"status", std::move(status)}};
}

}  // namespace devicetwin

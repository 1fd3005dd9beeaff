#include "pacing.hpp"

#include "base/text.hpp"

namespace devicetwin {

using base::cat;
using base::Status;
using dmi::Json;

namespace {

bool has_pace(const Json& config) {
  if (!config.is_object()) return false;
  for (const auto key : {dmi::deadband_key, dmi::min_interval_key, dmi::max_interval_key}) {
    if (config.contains(key)) return true;
  }
  return false;
}

template <class Property>
Status check_properties(const dmi::ObjectId& id, const std::vector<Property>& properties) {
  for (const Property& property : properties) {
    if (!property.visitors || !has_pace(property.visitors->config)) continue;
    const dmi::Config config(property.visitors->config, cat(id.to_string(), ".properties.",
                                                            property.name, ".visitors.configData"));
    const auto rule = dmi::read_pace_rule(config);
    if (!rule) return Status(base::Code::invalid, rule.status().text());
  }
  return Status();
}

}  // namespace

Status check_paces(const dmi::Device& device) {
  return check_properties(device.id, device.properties);
}
Status check_paces(const dmi::DeviceModel& model) {
  return check_properties(model.id, model.properties);
}

std::map<std::string, Json, std::less<>> paces_of(const dmi::DeviceModel& model) {
  std::map<std::string, Json, std::less<>> paces;
  for (const auto& property : model.properties) {
    if (property.visitors && has_pace(property.visitors->config)) {
      paces.emplace(property.name, property.visitors->config);
    }
  }
  return paces;
}

PaceRules pace_rules(const dmi::Device& device, const ModelEntry* model) {
  PaceRules rules;
  for (const auto& property : device.properties) {
    // The instance's keys over the model's, as merge_defaults() lays all of them.
    Json config = Json::object();
    if (model != nullptr) {
      const auto found = model->paces.find(property.name);
      if (found != model->paces.end()) config = found->second;
    }
    if (property.visitors && has_pace(property.visitors->config)) {
      config.update(property.visitors->config);
    }
    if (config.empty()) continue;
    const auto rule = dmi::read_pace_rule(dmi::Config(std::move(config), property.name));
    if (rule && rule->paces()) rules.emplace(property.name, *rule);  // was checked where it came in
  }
  return rules;
}

void Pacing::follow(Paces& paces, const PaceRules& rules) {
  Paces now;
  for (const auto& [name, rule] : rules) {
    Pace& pace = now[name];
    if (const auto old = paces.find(name); old != paces.end()) pace = std::move(old->second);
    pace.rule = rule;
  }
  paces = std::move(now);
}

bool Pacing::takes(DeviceEntry& entry, const TwinUpdate::Property& property,
                   const std::string& actor, bool& again) {
  const auto found = entry.paces.find(property.name);
  if (found == entry.paces.end()) return true;
  Pace& pace = found->second;
  RowTable::Row* row = entry.rows.find(property.name);
  const base::SteadyTime now = state_.loop.now();
  switch (judge(pace, row, property, now)) {
    case Verdict::take:
      return true;
    case Verdict::again:
      again = true;
      return true;
    case Verdict::same:
      row->actual_ms = property.actual_ms.value_or(state_.now_ms());
      return false;
    case Verdict::wait:
      break;
  }
  if (!std::exchange(pace.timed, true)) {
    state_.loop.after(*pace.told + pace.rule.least - now,
                      [this, life = std::weak_ptr(state_.alive), id = entry.object.id,
                       name = property.name, actor] {
                        if (!life.expired()) stop_waiting(id, name, actor);
                      });
  }
  return false;
}

void Pacing::stop_waiting(const dmi::ObjectId& device, const std::string& property,
                          const std::string& actor) {
  DeviceEntry* const entry = state_.device(device);
  if (entry == nullptr) return;
  const auto pace = entry->paces.find(property);
  if (pace == entry->paces.end()) return;
  pace->second.timed = false;
  auto waiting = std::exchange(pace->second.waiting, std::nullopt);
  if (!waiting) return;
  TwinUpdate update;
  update.properties.push_back(std::move(*waiting));
  update.actor = actor;
  report_(device, std::move(update));
}

}  // namespace devicetwin

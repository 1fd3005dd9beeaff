// Which reports are taken, and when: dmi::PaceRule of the properties that have one.
#include <cassert>

#include "base/text.hpp"
#include "impl.hpp"

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

void Core::Impl::follow_pace(DeviceEntry& entry, const dmi::Device& device) {
  const auto model = models.find(entry.model);
  Paces paces;
  for (const auto& property : device.properties) {
    // The instance's keys over the model's, as merge_defaults() lays all of them.
    Json config = Json::object();
    if (model != models.end()) {
      const auto found = model->second.paces.find(property.name);
      if (found != model->second.paces.end()) config = found->second;
    }
    if (property.visitors && has_pace(property.visitors->config)) {
      config.update(property.visitors->config);
    }
    if (config.empty()) continue;
    const auto rule = dmi::read_pace_rule(dmi::Config(std::move(config), property.name));
    if (!rule || !rule->paces()) continue;  // was checked where it came in
    const auto old = entry.paces.find(property.name);
    Pace& pace = paces[property.name];
    if (old != entry.paces.end()) pace = std::move(old->second);
    pace.rule = *rule;
  }
  entry.paces = std::move(paces);
}

bool Core::Impl::takes(DeviceEntry& entry, const TwinUpdate::Property& property,
                       const std::string& actor, bool& again) {
  const auto found = entry.paces.find(property.name);
  if (found == entry.paces.end()) return true;
  Pace& pace = found->second;
  RowTable::Row* row = entry.rows.find(property.name);
  const base::SteadyTime now = core.loop_.now();
  switch (judge(pace, row, property, now)) {
    case Verdict::take:
      return true;
    case Verdict::again:
      again = true;
      return true;
    case Verdict::same:
      row->actual_ms = property.actual_ms.value_or(now_ms());
      return false;
    case Verdict::wait:
      break;
  }
  if (!std::exchange(pace.timed, true)) {
    core.loop_.after(
        *pace.told + pace.rule.least - now,
        [this, life = std::weak_ptr(alive), id = entry.object.id, name = property.name, actor] {
          if (!life.expired()) stop_waiting(id, name, actor);
        });
  }
  return false;
}

void Core::Impl::stop_waiting(const dmi::ObjectId& device, const std::string& property,
                              const std::string& actor) {
  const auto entry = devices.find(device);
  if (entry == devices.end()) return;
  const auto pace = entry->second.paces.find(property);
  if (pace == entry->second.paces.end()) return;
  pace->second.timed = false;
  auto waiting = std::exchange(pace->second.waiting, std::nullopt);
  if (!waiting) return;
  TwinUpdate update;
  update.properties.push_back(std::move(*waiting));
  update.actor = actor;
  core.update_twin(device, std::move(update), Origin::mapper, [](const auto&) {});
}

}  // namespace devicetwin

#include "rules.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "base/text.hpp"

namespace devicetwin {

namespace {

// Whether an object's JSON text may have one of the keys: most have not, and are not parsed.
bool may_ask(const Object* object) {
  if (object == nullptr) return false;
  const std::string text = object->text.str();
  return text.find(dmi::history_age_key) != text.npos ||
         text.find(dmi::history_count_key) != text.npos;
}

}  // namespace

const DeviceRules* HistoryRules::of(const dmi::ObjectId& device) {
  const auto known = known_.find(device);
  if (known != known_.end()) return known->second.get();
  return (known_[device] = read(device)).get();
}

void HistoryRules::model_changed(const dmi::ObjectId& model) {
  models_ask_.erase(model.space);
  for (const dmi::ObjectId& device : core_.devices_of_model(model)) known_.erase(device);
}

bool HistoryRules::models_ask(const std::string& space) {
  const auto [known, added] = models_ask_.try_emplace(space, false);
  if (added) {
    const auto models = core_.list(Kind::device_model, space);
    known->second = std::any_of(models.begin(), models.end(), may_ask);
  }
  return known->second;
}

std::unique_ptr<DeviceRules> HistoryRules::read(const dmi::ObjectId& id) {
  auto rules = std::make_unique<DeviceRules>();
  rules->everything = everything_;
  // Which model it is costs parsing the device; with no model that asks there is no need.
  const bool asks = may_ask(core_.find(Kind::device, id)) || models_ask(id.space);
  const auto device = asks ? core_.merged_device(id) : std::nullopt;
  if (device) {
    for (const dmi::DeviceProperty& property : device->properties) {
      if (!property.visitors) continue;
      const dmi::Config visitor(
          property.visitors->config,
          base::cat(id.to_string(), ".properties.", property.name, ".visitors.configData"));
      const auto rule = dmi::read_history_rule(visitor, everything_);
      if (!rule) {
        // The object is accepted: stock tools know nothing of the key.
        ++wrong_;
        base::log_warning(base::cat(rule.status().text(), ": no history is kept"));
        rules->own[property.name] = {};
      } else if (*rule != everything_) {
        rules->own[property.name] = *rule;
      }
    }
  }
  if (!everything_.keeps() && rules->own.empty()) return nullptr;
  return rules;
}

}  // namespace devicetwin

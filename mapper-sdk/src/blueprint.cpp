#include "blueprint.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "target.hpp"

namespace mapper {

using base::cat;
using base::Status;
using Properties = std::vector<dmi::DeviceProperty>;

namespace {

bool is_path_of_device(const std::string& text) {
  constexpr std::string_view word = "properties";
  return text.starts_with(word) && text.size() > word.size() &&
         (text[word.size()] == '.' || text[word.size()] == '[' || text[word.size()] == ':');
}

std::size_t hash_of(const Properties& properties, const dmi::DeviceModel* model) {
  std::size_t hash = std::hash<const void*>()(model);
  const auto mix = [&](std::size_t more) {
    hash = hash * 0x9E3779B97F4A7C15u + (more ^ hash >> 29);
  };
  for (const dmi::DeviceProperty& property : properties) {
    mix(std::hash<std::string>()(property.name));
    mix(static_cast<std::size_t>(property.collect_cycle_ms));
    if (property.visitors) mix(std::hash<dmi::Json>()(property.visitors->config));
  }
  return hash;
}

bool equal(const Blueprint& known, const Properties& properties,
           const std::shared_ptr<const dmi::DeviceModel>& model) {
  return known.model == model &&
         std::ranges::equal(*known.properties, properties, equal_but_desired);
}

std::vector<Blueprint::Group> groups_of(const Points& points) {
  std::vector<Blueprint::Group> groups;
  for (const Point& point : points) {
    auto group = std::ranges::find(groups, point.cycle, &Blueprint::Group::cycle);
    if (group == groups.end()) group = groups.insert(group, {point.cycle, {}});
    group->points.push_back(static_cast<std::uint32_t>(point.index));
  }
  return groups;
}

}  // namespace

bool equal_but_desired(const dmi::DeviceProperty& a, const dmi::DeviceProperty& b) {
  return a.name == b.name && a.visitors == b.visitors && a.report_cycle_ms == b.report_cycle_ms &&
         a.collect_cycle_ms == b.collect_cycle_ms && a.report_to_cloud == b.report_to_cloud &&
         a.push == b.push;
}

Status with_device(const dmi::ObjectId& device, Status status) {
  if (!is_path_of_device(status.text())) return status;
  return Status(status.code(), cat(device.to_string(), ".", status.text()));
}

Status named(const dmi::ObjectId& device, Status status) {
  const std::string name = device.to_string();
  if (status.text().starts_with(name)) return status;
  if (is_path_of_device(status.text())) return with_device(device, std::move(status));
  return Status(status.code(), cat(name, ": ", status.text()));
}

std::shared_ptr<const Blueprint> Blueprints::share(Properties properties,
                                                   std::shared_ptr<const dmi::DeviceModel> model) {
  const std::size_t hash = hash_of(properties, model.get());
  const auto [first, last] = known_.equal_range(hash);
  for (auto known = first; known != last; ++known) {
    auto blueprint = known->second.lock();
    if (blueprint && equal(*blueprint, properties, model)) return blueprint;
  }
  const auto made = std::make_shared<Blueprint>();
  made->model = std::move(model);
  for (dmi::DeviceProperty& property : properties) property.desired.reset();
  properties.shrink_to_fit();
  made->properties = std::make_shared<const Properties>(std::move(properties));
  base::Result<Points> points = Status(base::Code::not_found, "waits for its model");
  if (made->model != nullptr) points = make_points(made->properties, *made->model);
  made->wrong = points.status();
  made->points = points ? std::move(*points) : names_only(*made->properties);
  if (points) made->groups = groups_of(made->points);
  sweep();
  known_.emplace(hash, made);
  return made;
}

void Blueprints::sweep() {
  if (known_.size() < sweep_at_) return;
  std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
  sweep_at_ = std::max<std::size_t>(64, 2 * known_.size());
}

}  // namespace mapper

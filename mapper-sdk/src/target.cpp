#include "target.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_set>

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/history_rule.hpp"
#include "dmi/pace_rule.hpp"
#include "refine.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using std::chrono::milliseconds;

namespace {

Status invalid(std::string_view path, std::string_view what) {
  return Status(Code::invalid, cat(path, ": ", what));
}

using Mistakes = std::vector<Status>;

void take_limits(const dmi::ModelProperty& model, const std::string& path, Point& point,
                 Mistakes& mistakes) {
  if (!is_number(point.type)) return;
  const auto limit = [&](const std::string& text, const char* key, std::optional<double>& out) {
    double number = 0;
    if (text.empty()) return;
    if (base::parse_double(text, number)) {
      out = number;
    } else {
      mistakes.push_back(
          invalid(cat(path, ".", key), cat('"', base::cut(text, 40), "\" is not a number")));
    }
  };
  limit(model.minimum, "minimum", point.minimum);
  limit(model.maximum, "maximum", point.maximum);
  if (point.minimum && point.maximum && *point.minimum > *point.maximum) {
    mistakes.push_back(invalid(cat(path, ".minimum"),
                               cat(*point.minimum, " is above the maximum ", *point.maximum)));
  }
}

void take_model(const dmi::ModelProperty& model, const std::string& path, Point& point,
                Mistakes& mistakes) {
  const Result<dmi::Type> type = dmi::type_of(model.type);
  if (!type) mistakes.push_back(invalid(cat(path, ".type"), type.status().text()));
  if (type) point.type = *type;
  if (model.access_mode != "ReadWrite" && model.access_mode != "ReadOnly" &&
      !model.access_mode.empty()) {
    mistakes.push_back(invalid(
        cat(path, ".accessMode"),
        cat('"', base::cut(model.access_mode, 40), "\" is neither ReadWrite nor ReadOnly")));
  }
  point.writable = model.access_mode == "ReadWrite";
  point.unit = model.unit;
  if (type) take_limits(model, path, point, mistakes);
}

void take_cycle(const dmi::DeviceProperty& property, const std::string& path, Point& point,
                Mistakes& mistakes) {
  const std::int64_t cycle = property.collect_cycle_ms;
  if (cycle == 0) return;  // the default stands
  if (cycle < min_cycle.count() || cycle > max_cycle.count()) {
    mistakes.push_back(
        Status(Code::out_of_range, cat(path, ".collectCycle: ", cycle, " is outside ",
                                       min_cycle.count(), "..", max_cycle.count(), " ms")));
    return;
  }
  point.cycle = milliseconds(cycle);
  if (point.cycle > noted_cycle) {
    base::log_info(cat(path, ".collectCycle: ", cycle, " ms is ", cycle / 86'400'000,
                       " days; KubeEdge before 1.17.2 counted nanoseconds"));
  }
}

void take_scale(Point& point, Mistakes& mistakes) {
  const Result<double> scale = point.visitor.number("scale", 1);
  const Result<double> offset = point.visitor.number("valueOffset", 0);
  if (!scale) mistakes.push_back(scale.status());
  if (!offset) mistakes.push_back(offset.status());
  if (!scale || !offset) return;
  if (*scale == 0) {
    mistakes.push_back(invalid(cat(point.visitor.path(), ".scale"), "0 would make every value 0"));
  }
  if (!is_number(point.type) && (*scale != 1 || *offset != 0)) {
    mistakes.push_back(
        invalid(cat(point.visitor.path(), *scale != 1 ? ".scale" : ".valueOffset"),
                cat("is for INT, FLOAT and DOUBLE, not for ", dmi::name(point.type))));
  }
  point.scale = *scale;
  point.value_offset = *offset;
}

void take_write_once(Point& point, Mistakes& mistakes) {
  const Result<bool> once = point.visitor.boolean("writeOnce", false);
  if (!once) {
    mistakes.push_back(once.status());
  } else if (*once && !point.writable) {
    mistakes.push_back(invalid(cat(point.visitor.path(), ".writeOnce"), "the model says ReadOnly"));
  } else {
    point.write_once = *once;
  }
}

// path: "properties.temp", with the device in front or without.
// The edge core's keys: checked here, because a wrong one must not pass unseen, and taken away, so
// that no driver need know them.
dmi::Config take_edge_keys(dmi::Config visitor, Mistakes& mistakes) {
  constexpr std::string_view keys[] = {dmi::history_age_key, dmi::history_count_key,
                                       dmi::deadband_key, dmi::min_interval_key,
                                       dmi::max_interval_key};
  if (std::none_of(std::begin(keys), std::end(keys),
                   [&](std::string_view key) { return visitor.json().contains(key); })) {
    return visitor;
  }
  if (const auto rule = dmi::read_history_rule(visitor, {}); !rule) {
    mistakes.push_back(rule.status());
  }
  if (const auto rule = dmi::read_pace_rule(visitor); !rule) mistakes.push_back(rule.status());
  dmi::Json config = visitor.json();
  for (const std::string_view key : keys) config.erase(std::string(key));
  return dmi::Config(std::move(config), visitor.path());
}

Point make_point(const dmi::DeviceProperty& property, std::size_t index, const std::string& path,
                 dmi::Config visitor, const dmi::DeviceModel& model, Mistakes& mistakes) {
  Point point;
  point.index = index;
  point.name = property.name;
  point.cycle = default_cycle;
  point.visitor = take_edge_keys(std::move(visitor), mistakes);
  const dmi::ModelProperty* described = model.find(property.name);
  if (described == nullptr) {
    mistakes.push_back(invalid(path, cat("model ", model.id.to_string(), " has no such property")));
    return point;
  }
  take_model(*described, path, point, mistakes);
  take_cycle(property, path, point, mistakes);
  take_scale(point, mistakes);
  take_write_once(point, mistakes);
  return point;
}

// The same with the device's name in every path.
Point make_point(const dmi::Device& device, const dmi::DeviceModel& model, std::size_t index,
                 Mistakes& mistakes) {
  const dmi::DeviceProperty& property = device.properties[index];
  const std::string path = cat(device.id.to_string(), ".properties.", property.name);
  dmi::Json config = property.visitors ? property.visitors->config : dmi::Json::object();
  return make_point(property, index, path,
                    dmi::Config(std::move(config), path + ".visitors.configData"), model, mistakes);
}

// prefix: "" or "default/boiler.".
Status check(const std::vector<dmi::DeviceProperty>& properties, const std::string& prefix) {
  if (properties.size() > dmi::max_properties) {
    return Status(Code::out_of_range, cat(prefix, "properties: ", properties.size(),
                                          " entries, above ", dmi::max_properties));
  }
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const std::string& name = properties[i].name;
    if (name.empty()) return invalid(cat(prefix, "properties[", i, "].name"), "missing");
    if (!names.insert(name).second) {
      return invalid(cat(prefix, "properties[", i, "].name"),
                     cat('"', name, "\" is there already"));
    }
  }
  return Status();
}

bool same(const Point& a, const Point& b) {
  return a.name == b.name && a.type == b.type && a.writable == b.writable &&
         a.minimum == b.minimum && a.maximum == b.maximum && a.unit == b.unit &&
         a.cycle == b.cycle && a.write_once == b.write_once && a.scale == b.scale &&
         a.value_offset == b.value_offset && a.visitor.json() == b.visitor.json();
}

}  // namespace

namespace {

Target empty_target(const dmi::Device& device) {
  Target target;
  target.id = device.id;
  target.protocol =
      dmi::Config(device.protocol.config, device.id.to_string() + ".protocol.configData");
  return target;
}

}  // namespace

Result<Target> make_target(const dmi::Device& device, const dmi::DeviceModel& model,
                           std::string_view protocol) {
  Result<Target> target = make_address(device, protocol);
  if (!target) return target;
  Status wrong = check(device.properties, device.id.to_string() + ".");
  if (!wrong.ok()) return wrong;
  Mistakes mistakes;
  std::vector<Point> points;
  points.reserve(device.properties.size());
  for (std::size_t i = 0; i < device.properties.size(); ++i) {
    points.push_back(make_point(device, model, i, mistakes));
    if (!mistakes.empty()) return mistakes.front();
  }
  target->points = std::move(points);
  return target;
}

Result<Target> make_address(const dmi::Device& device, std::string_view protocol) {
  if (device.protocol.protocol != protocol) {
    return invalid(device.id.to_string() + ".protocol.protocolName",
                   cat('"', base::cut(device.protocol.protocol, 40), "\" is not this mapper's \"",
                       protocol, '"'));
  }
  return empty_target(device);
}

Result<Points> make_points(
    const std::shared_ptr<const std::vector<dmi::DeviceProperty>>& properties,
    const dmi::DeviceModel& model) {
  if (Status wrong = check(*properties, ""); !wrong.ok()) return wrong;
  static const dmi::Json none = dmi::Json::object();
  Mistakes mistakes;
  std::vector<Point> points;
  points.reserve(properties->size());
  for (const dmi::DeviceProperty& property : *properties) {
    const std::string path = "properties." + property.name;
    const dmi::Json& config = property.visitors ? property.visitors->config : none;
    points.push_back(make_point(property, points.size(), path,
                                dmi::Config(std::shared_ptr<const dmi::Json>(properties, &config),
                                            path + ".visitors.configData"),
                                model, mistakes));
    if (!mistakes.empty()) return mistakes.front();
  }
  return Points(std::move(points));
}

std::vector<Status> target_mistakes(const dmi::Device& device, const dmi::DeviceModel& model,
                                    Target& good) {
  good = empty_target(device);
  Mistakes mistakes;
  for (std::size_t i = 0; i < device.properties.size(); ++i) {
    const std::size_t before = mistakes.size();
    Point point = make_point(device, model, i, mistakes);
    if (mistakes.size() != before || point.name.empty()) continue;
    point.index = good.points.size();
    good.points.push_back(std::move(point));
  }
  return mistakes;
}

Points names_only(const std::vector<dmi::DeviceProperty>& properties) {
  std::vector<Point> points;
  std::unordered_set<std::string_view> names;
  for (const dmi::DeviceProperty& property : properties) {
    if (points.size() == dmi::max_properties) break;
    if (property.name.empty() || !names.insert(property.name).second) continue;
    Point point;
    point.index = points.size();
    point.name = property.name;
    points.push_back(std::move(point));
  }
  return points;
}

bool same(const Target& a, const Target& b) {
  if (a.id != b.id || a.points.size() != b.points.size()) return false;
  if (a.protocol.json() != b.protocol.json()) return false;
  if (a.points.data() == b.points.data()) return true;
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    if (!same(a.points[i], b.points[i])) return false;
  }
  return true;
}

}  // namespace mapper

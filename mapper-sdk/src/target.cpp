#include "target.hpp"

#include <optional>
#include <unordered_set>

#include "base/log.hpp"
#include "base/text.hpp"
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

Status take_limits(const dmi::ModelProperty& model, const std::string& path, Point& point) {
  if (!is_number(point.type)) return Status();
  const auto limit = [&](const std::string& text, const char* key,
                         std::optional<double>& out) -> Status {
    if (text.empty()) return Status();
    double number = 0;
    if (!base::parse_double(text, number)) {
      return invalid(cat(path, ".", key), cat('"', text.substr(0, 40), "\" is not a number"));
    }
    out = number;
    return Status();
  };
  if (Status wrong = limit(model.minimum, "minimum", point.minimum); !wrong.ok()) return wrong;
  if (Status wrong = limit(model.maximum, "maximum", point.maximum); !wrong.ok()) return wrong;
  if (point.minimum && point.maximum && *point.minimum > *point.maximum) {
    return invalid(cat(path, ".minimum"),
                   cat(*point.minimum, " is above the maximum ", *point.maximum));
  }
  return Status();
}

Status take_model(const dmi::ModelProperty& model, const std::string& path, Point& point) {
  const Result<dmi::Type> type = dmi::type_of(model.type);
  if (!type) return invalid(cat(path, ".type"), type.status().text());
  point.type = *type;
  if (model.access_mode != "ReadWrite" && model.access_mode != "ReadOnly" &&
      !model.access_mode.empty()) {
    return invalid(cat(path, ".accessMode"), cat('"', model.access_mode.substr(0, 40),
                                                 "\" is neither ReadWrite nor ReadOnly"));
  }
  point.writable = model.access_mode == "ReadWrite";
  point.unit = model.unit;
  return take_limits(model, path, point);
}

Status take_cycle(const dmi::DeviceProperty& property, const std::string& path, Point& point) {
  const std::int64_t cycle = property.collect_cycle_ms;
  if (cycle == 0) return Status();  // the default stands
  if (cycle < min_cycle.count() || cycle > max_cycle.count()) {
    return Status(Code::out_of_range, cat(path, ".collectCycle: ", cycle, " is outside ",
                                          min_cycle.count(), "..", max_cycle.count(), " ms"));
  }
  point.cycle = milliseconds(cycle);
  if (point.cycle > noted_cycle) {
    base::log_info(cat(path, ".collectCycle: ", cycle, " ms is ", cycle / 86'400'000,
                       " days; KubeEdge before 1.17.2 counted nanoseconds"));
  }
  return Status();
}

Status take_scale(Point& point) {
  const Result<double> scale = point.visitor.number("scale", 1);
  if (!scale) return scale.status();
  const Result<double> offset = point.visitor.number("valueOffset", 0);
  if (!offset) return offset.status();
  if (*scale == 0) {
    return invalid(cat(point.visitor.path(), ".scale"), "0 would make every value 0");
  }
  if (!is_number(point.type) && (*scale != 1 || *offset != 0)) {
    return invalid(cat(point.visitor.path(), *scale != 1 ? ".scale" : ".valueOffset"),
                   cat("is for INT, FLOAT and DOUBLE, not for ", dmi::name(point.type)));
  }
  point.scale = *scale;
  point.value_offset = *offset;
  return Status();
}

Status take_write_once(Point& point) {
  const Result<bool> once = point.visitor.boolean("writeOnce", false);
  if (!once) return once.status();
  if (*once && !point.writable) {
    return invalid(cat(point.visitor.path(), ".writeOnce"), "the model says ReadOnly");
  }
  point.write_once = *once;
  return Status();
}

Result<Point> make_point(const dmi::Device& device, const dmi::DeviceModel& model,
                         std::size_t index) {
  const dmi::DeviceProperty& property = device.properties[index];
  const std::string path = cat(device.id.to_string(), ".properties.", property.name);
  const dmi::ModelProperty* described = model.find(property.name);
  if (described == nullptr) {
    return invalid(path, cat("model ", model.id.to_string(), " has no such property"));
  }
  Point point;
  point.index = index;
  point.name = property.name;
  point.cycle = default_cycle;
  const dmi::Json config = property.visitors ? property.visitors->config : dmi::Json::object();
  point.visitor = dmi::Config(config, path + ".visitors.configData");
  if (Status wrong = take_model(*described, path, point); !wrong.ok()) return wrong;
  if (Status wrong = take_cycle(property, path, point); !wrong.ok()) return wrong;
  if (Status wrong = take_scale(point); !wrong.ok()) return wrong;
  if (Status wrong = take_write_once(point); !wrong.ok()) return wrong;
  return point;
}

Status check(const dmi::Device& device, std::string_view protocol) {
  const std::string path = device.id.to_string();
  if (device.protocol.protocol != protocol) {
    return invalid(path + ".protocol.protocolName",
                   cat('"', device.protocol.protocol.substr(0, 40), "\" is not this mapper's \"",
                       protocol, '"'));
  }
  if (device.properties.size() > dmi::max_properties) {
    return Status(Code::out_of_range, cat(path, ".properties: ", device.properties.size(),
                                          " entries, above ", dmi::max_properties));
  }
  std::unordered_set<std::string_view> names;
  for (std::size_t i = 0; i < device.properties.size(); ++i) {
    const std::string& name = device.properties[i].name;
    if (name.empty()) return invalid(cat(path, ".properties[", i, "].name"), "missing");
    if (!names.insert(name).second) {
      return invalid(cat(path, ".properties[", i, "].name"), cat('"', name, "\" is there already"));
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

Result<Target> make_target(const dmi::Device& device, const dmi::DeviceModel& model,
                           std::string_view protocol) {
  if (Status wrong = check(device, protocol); !wrong.ok()) return wrong;
  Target target;
  target.id = device.id;
  target.protocol =
      dmi::Config(device.protocol.config, device.id.to_string() + ".protocol.configData");
  target.points.reserve(device.properties.size());
  for (std::size_t i = 0; i < device.properties.size(); ++i) {
    Result<Point> point = make_point(device, model, i);
    if (!point) return point.status();
    target.points.push_back(std::move(*point));
  }
  return target;
}

Target names_only(const dmi::Device& device) {
  Target target;
  target.id = device.id;
  std::unordered_set<std::string_view> names;
  for (const dmi::DeviceProperty& property : device.properties) {
    if (target.points.size() == dmi::max_properties) break;
    if (property.name.empty() || !names.insert(property.name).second) continue;
    Point point;
    point.index = target.points.size();
    point.name = property.name;
    target.points.push_back(std::move(point));
  }
  return target;
}

bool same(const Target& a, const Target& b) {
  if (a.id != b.id || a.points.size() != b.points.size()) return false;
  if (a.protocol.json() != b.protocol.json()) return false;
  for (std::size_t i = 0; i < a.points.size(); ++i) {
    if (!same(a.points[i], b.points[i])) return false;
  }
  return true;
}

}  // namespace mapper

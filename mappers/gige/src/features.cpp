#include "gige/features.hpp"

#include <arv.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "aravis.hpp"
#include "base/text.hpp"
#include "feature_names.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

constexpr int max_depth = 32;  // of categories in each other
constexpr std::size_t max_features = 20'000;

// What Aravis said went wrong, with the feature's name before it.
Status wrong(std::string_view name, const Error& error) {
  return Status(error.code(), cat(name, ": ", error.text()));
}

Kind kind_of(ArvGcFeatureNode* node) {
  if (ARV_IS_GC_COMMAND(node)) return Kind::command;
  if (ARV_IS_GC_BOOLEAN(node)) return Kind::boolean;
  if (ARV_IS_GC_ENUMERATION(node)) return Kind::enumeration;
  // A converter is both to Aravis: the float is the nearer.
  if (ARV_IS_GC_FLOAT(node)) return Kind::floating;
  if (ARV_IS_GC_INTEGER(node)) return Kind::integer;
  if (ARV_IS_GC_STRING(node)) return Kind::string;
  return Kind::bytes;
}

// error: the camera did not answer; asking it on would take seconds for every question.
Access access_of(ArvGcFeatureNode* node, Kind kind, Error& error) {
  if (!arv_gc_feature_node_is_implemented(node, error.out()) || error) return Access::none;
  if (!arv_gc_feature_node_is_available(node, error.out()) || error) return Access::none;
  if (kind == Kind::command) return Access::write;
  const bool locked = arv_gc_feature_node_is_locked(node, error.out());
  if (error) return Access::none;
  switch (arv_gc_feature_node_get_actual_access_mode(node)) {
    case ARV_GC_ACCESS_MODE_RO:
      return Access::read;
    case ARV_GC_ACCESS_MODE_WO:
      return locked ? Access::none : Access::write;
    default:
      return locked ? Access::read : Access::read_write;
  }
}

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

std::string visibility_of(ArvGcFeatureNode* node) {
  switch (arv_gc_feature_node_get_visibility(node)) {
    case ARV_GC_VISIBILITY_EXPERT:
      return "Expert";
    case ARV_GC_VISIBILITY_GURU:
      return "Guru";
    case ARV_GC_VISIBILITY_INVISIBLE:
      return "Invisible";
    default:
      return "Beginner";
  }
}

// A limit that the camera does not give, or gives as the type's own end, is none.
std::optional<double> limit(double value, const Error& error) {
  if (error || !std::isfinite(value) || std::fabs(value) >= 9.2e18) return std::nullopt;
  return value;
}

void fill_integer(ArvGcInteger* node, Feature& feature) {
  Error error;
  const auto number = [&](gint64 (*call)(ArvGcInteger*, GError**)) {
    const auto value = static_cast<double>(call(node, error.out()));
    return limit(value, error);
  };
  feature.minimum = number(arv_gc_integer_get_min);
  feature.maximum = number(arv_gc_integer_get_max);
  feature.increment = number(arv_gc_integer_get_inc);
  feature.unit = text_of(arv_gc_integer_get_unit(node));
}

void fill_float(ArvGcFloat* node, Feature& feature) {
  Error error;
  const auto number = [&](double (*call)(ArvGcFloat*, GError**)) {
    const double value = call(node, error.out());
    return std::fabs(value) >= 1e300 ? std::nullopt : limit(value, error);
  };
  feature.minimum = number(arv_gc_float_get_min);
  feature.maximum = number(arv_gc_float_get_max);
  feature.increment = number(arv_gc_float_get_inc);
  // Aravis says the smallest double where the camera gives no increment.
  if (feature.increment && *feature.increment < 1e-300) feature.increment.reset();
  feature.unit = text_of(arv_gc_float_get_unit(node));
}

std::vector<std::string> entries_of(ArvGcEnumeration* node) {
  Error error;
  guint count = 0;
  const char** names = arv_gc_enumeration_dup_available_string_values(node, &count, error.out());
  std::vector<std::string> entries;
  for (guint i = 0; names != nullptr && i < count; ++i) entries.emplace_back(names[i]);
  g_free(names);
  return entries;
}

Feature describe_node(ArvGcFeatureNode* node) {
  Feature feature;
  feature.name = text_of(arv_gc_feature_node_get_name(node));
  feature.description = text_of(arv_gc_feature_node_get_description(node));
  if (feature.description.empty()) {
    feature.description = text_of(arv_gc_feature_node_get_tooltip(node));
  }
  feature.visibility = visibility_of(node);
  feature.kind = kind_of(node);
  Error error;
  feature.access = access_of(node, feature.kind, error);
  if (feature.access == Access::none) return feature;
  if (feature.kind == Kind::integer) fill_integer(ARV_GC_INTEGER(node), feature);
  if (feature.kind == Kind::floating) fill_float(ARV_GC_FLOAT(node), feature);
  if (feature.kind == Kind::enumeration) feature.entries = entries_of(ARV_GC_ENUMERATION(node));
  return feature;
}

Result<Value> read_node(ArvGcFeatureNode* node, std::string_view name) {
  Error error;
  Value value;
  switch (kind_of(node)) {
    case Kind::integer:
      value =
          static_cast<std::int64_t>(arv_gc_integer_get_value(ARV_GC_INTEGER(node), error.out()));
      break;
    case Kind::floating:
      value = arv_gc_float_get_value(ARV_GC_FLOAT(node), error.out());
      break;
    case Kind::boolean:
      value = arv_gc_boolean_get_value(ARV_GC_BOOLEAN(node), error.out()) != FALSE;
      break;
    case Kind::enumeration:
      value = text_of(arv_gc_enumeration_get_string_value(ARV_GC_ENUMERATION(node), error.out()));
      break;
    case Kind::string:
      value = text_of(arv_gc_string_get_value(ARV_GC_STRING(node), error.out()));
      break;
    case Kind::command:
      return Value(false);
    case Kind::bytes:
      return Status(Code::unsupported, cat(name, ": bytes of a register are not read"));
  }
  if (error) return wrong(name, error);
  return value;
}

struct Walk {
  enum class Extent { names, descriptions, values };  // names ask the camera nothing
  ArvGc* genicam;
  Extent extent;
  std::vector<Feature> features;
  std::set<std::string> seen;  // a feature may stand in several categories
  std::map<std::string, std::vector<std::string>> selectors;

  void root() {
    ArvGcNode* node = arv_gc_get_node(genicam, "Root");
    if (ARV_IS_GC_CATEGORY(node)) category(ARV_GC_CATEGORY(node), "Root", 0);
  }
  void category(ArvGcCategory* node, const std::string& name, int depth) {
    if (depth > max_depth) return;
    for (const GSList* each = arv_gc_category_get_features(node); each != nullptr;
         each = each->next) {
      const auto* child = static_cast<const char*>(each->data);
      ArvGcNode* found = arv_gc_get_node(genicam, child);
      if (!ARV_IS_GC_FEATURE_NODE(found) || features.size() >= max_features) continue;
      if (!seen.insert(child).second) continue;
      if (ARV_IS_GC_CATEGORY(found)) {
        category(ARV_GC_CATEGORY(found), child, depth + 1);
      } else {
        take(ARV_GC_FEATURE_NODE(found), name);
      }
    }
  }
  void take(ArvGcFeatureNode* node, const std::string& category) {
    if (extent == Extent::names) {
      features.emplace_back().name = text_of(arv_gc_feature_node_get_name(node));
      return;
    }
    Feature feature = describe_node(node);
    feature.category = category;
    const bool readable = feature.access == Access::read || feature.access == Access::read_write;
    if (extent == Extent::values && readable) {
      Result<Value> value = read_node(node, feature.name);
      if (value) feature.value = std::move(*value);
    }
    if (ARV_IS_GC_SELECTOR(node) && arv_gc_selector_is_selector(ARV_GC_SELECTOR(node))) {
      for (const GSList* each = arv_gc_selector_get_selected_features(ARV_GC_SELECTOR(node));
           each != nullptr; each = each->next) {
        const char* name = arv_gc_feature_node_get_name(ARV_GC_FEATURE_NODE(each->data));
        if (name != nullptr) selectors[name].push_back(feature.name);
      }
    }
    features.push_back(std::move(feature));
  }
};

std::string quoted(double value) { return dmi::to_text(value, dmi::Type::float64); }

std::string bounds(const Feature& feature) {
  const auto one = [](const std::optional<double>& value) { return value ? quoted(*value) : "…"; };
  return cat("the camera allows ", one(feature.minimum), "..", one(feature.maximum),
             feature.unit.empty() ? "" : " ", feature.unit, " now");
}

// The number a value means for a numeric feature, within the camera's limits of now.
Result<double> number_for(const Feature& feature, const Value& value) {
  double number = 0;
  if (const auto* text = std::get_if<std::string>(&value)) {
    const Result<Value> parsed = dmi::parse_value(*text, dmi::Type::float64);
    if (!parsed) return Status(Code::invalid, cat(feature.name, ": ", parsed.status().text()));
    number = std::get<double>(*parsed);
  } else if (!dmi::to_number(value, number)) {
    return Status(Code::invalid, cat(feature.name, " is a number"));
  }
  if (feature.kind == Kind::integer && number != std::floor(number)) {
    return Status(Code::invalid, cat(feature.name, ": ", quoted(number), " is not whole"));
  }
  const auto refuse = [&](std::string_view how, double bound) {
    return Status(Code::out_of_range, cat(feature.name, ": ", quoted(number), " is ", how, " ",
                                          quoted(bound), "; ", bounds(feature)));
  };
  if (feature.minimum && number < *feature.minimum) return refuse("below", *feature.minimum);
  if (feature.maximum && number > *feature.maximum) return refuse("above", *feature.maximum);
  if (feature.kind == Kind::integer && feature.increment && *feature.increment > 1) {
    const double steps = (number - feature.minimum.value_or(0)) / *feature.increment;
    if (steps != std::floor(steps)) {
      return Status(Code::out_of_range,
                    cat(feature.name, ": ", quoted(number), " is not in steps of ",
                        quoted(*feature.increment), " from ", quoted(feature.minimum.value_or(0)),
                        "; ", bounds(feature)));
    }
  }
  return number;
}

Result<std::string> entry_for(const Feature& feature, const Value& value) {
  std::string text;
  if (const auto* given = std::get_if<std::string>(&value)) text = *given;
  const auto found = std::ranges::find_if(feature.entries, [&](const std::string& entry) {
    return base::lower(entry) == base::lower(text);
  });
  if (found != feature.entries.end()) return *found;
  std::string all;
  for (const std::string& entry : feature.entries) all += (all.empty() ? "" : ", ") + entry;
  return Status(Code::invalid, cat(feature.name, ": \"", text.substr(0, 40),
                                   "\" is none of the camera's entries: ", all));
}

}  // namespace

std::string_view name(Kind kind) {
  constexpr std::string_view names[] = {"integer", "float",   "boolean", "enumeration",
                                        "string",  "command", "register"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view name(Access access) {
  constexpr std::string_view names[] = {"-", "RO", "WO", "RW"};
  return names[static_cast<std::size_t>(access)];
}

Features::Features(ArvDevice* device) : device_(device) {}

std::vector<Feature> Features::list(bool with_values) {
  Walk walk{arv_device_get_genicam(device_),
            with_values ? Walk::Extent::values : Walk::Extent::descriptions,
            {},
            {},
            {}};
  walk.root();
  for (Feature& feature : walk.features) {
    const auto selectors = walk.selectors.find(feature.name);
    if (selectors != walk.selectors.end()) feature.selectors = selectors->second;
  }
  return std::move(walk.features);
}

namespace {

// The node of a name, or of what the name was or is called otherwise; null: none.
ArvGcFeatureNode* node_of(ArvDevice* device, std::string_view name) {
  for (const std::string& word : names_of(name)) {
    ArvGcNode* node = arv_device_get_feature(device, word.c_str());
    if (ARV_IS_GC_FEATURE_NODE(node) && !ARV_IS_GC_CATEGORY(node)) return ARV_GC_FEATURE_NODE(node);
  }
  return nullptr;
}

}  // namespace

bool Features::needs_stop(std::string_view name) {
  if (shapes_frames(name)) return true;
  ArvGcFeatureNode* node = node_of(device_, name);
  Error error;
  return node != nullptr && arv_gc_feature_node_is_locked(node, error.out()) && !error;
}

bool Features::has(std::string_view name) { return node_of(device_, name) != nullptr; }

Result<Feature> Features::describe(std::string_view name) {
  ArvGcFeatureNode* node = node_of(device_, name);
  if (node == nullptr) {
    Walk walk{arv_device_get_genicam(device_), Walk::Extent::names, {}, {}, {}};
    walk.root();
    std::vector<std::string> all;
    for (const Feature& feature : walk.features) all.push_back(feature.name);
    return Status(Code::not_found, cat("the camera has no feature ", name, nearest(name, all)));
  }
  return describe_node(node);
}

Result<Value> Features::read(std::string_view name, const Selection& selection) {
  if (Status failed = select(selection); !failed.ok()) return failed;
  ArvGcFeatureNode* node = node_of(device_, name);
  if (node == nullptr) return describe(name).status();
  Error error;
  const Access access = access_of(node, kind_of(node), error);
  if (error) return wrong(name, error);
  if (access == Access::none || (access == Access::write && kind_of(node) != Kind::command)) {
    return Status(Code::refused, cat(name, ": not readable now"));
  }
  return read_node(node, name);
}

Status Features::select(const Selection& selection) {
  for (const auto& [selector, entry] : selection) {
    const Result<Value> now = read(selector);
    if (now && *now == Value(entry)) continue;
    if (Status failed = write(selector, Value(entry)); !failed.ok()) return failed;
  }
  return Status();
}

Status Features::write(std::string_view name, const Value& value, const Selection& selection) {
  if (Status failed = select(selection); !failed.ok()) return failed;
  const Result<Feature> feature = describe(name);
  if (!feature) return feature.status();
  if (feature->access != Access::write && feature->access != Access::read_write) {
    return Status(Code::refused, cat(feature->name, ": not writable now"));
  }
  ArvGcFeatureNode* node = node_of(device_, name);
  Error error;
  switch (feature->kind) {
    case Kind::integer: {
      // Exact beyond 2^53, which a double is not.
      Value exact = value;
      if (const auto* text = std::get_if<std::string>(&value)) {
        const Result<Value> parsed = dmi::parse_value(*text, dmi::Type::integer);
        if (parsed) exact = *parsed;
      }
      const auto* whole = std::get_if<std::int64_t>(&exact);
      const Result<double> number = number_for(*feature, value);
      if (!number) return number.status();
      arv_gc_integer_set_value(ARV_GC_INTEGER(node),
                               whole ? *whole : static_cast<std::int64_t>(*number), error.out());
      break;
    }
    case Kind::floating: {
      const Result<double> number = number_for(*feature, value);
      if (!number) return number.status();
      arv_gc_float_set_value(ARV_GC_FLOAT(node), *number, error.out());
      break;
    }
    case Kind::boolean: {
      const Result<Value> flag =
          std::holds_alternative<std::string>(value)
              ? dmi::parse_value(std::get<std::string>(value), dmi::Type::boolean)
              : Result<Value>(value);
      double number = 0;
      if (!flag || !dmi::to_number(*flag, number) || (number != 0 && number != 1)) {
        return Status(Code::invalid, cat(feature->name, " is true or false"));
      }
      arv_gc_boolean_set_value(ARV_GC_BOOLEAN(node), number != 0, error.out());
      break;
    }
    case Kind::enumeration: {
      if (const auto* whole = std::get_if<std::int64_t>(&value)) {
        arv_gc_enumeration_set_int_value(ARV_GC_ENUMERATION(node), *whole, error.out());
        break;
      }
      const Result<std::string> entry = entry_for(*feature, value);
      if (!entry) return entry.status();
      arv_gc_enumeration_set_string_value(ARV_GC_ENUMERATION(node), entry->c_str(), error.out());
      break;
    }
    case Kind::string: {
      const auto* text = std::get_if<std::string>(&value);
      if (text == nullptr) return Status(Code::invalid, cat(feature->name, " is a text"));
      arv_gc_string_set_value(ARV_GC_STRING(node), text->c_str(), error.out());
      break;
    }
    case Kind::command:
      arv_gc_command_execute(ARV_GC_COMMAND(node), error.out());
      break;
    case Kind::bytes:
      return Status(Code::unsupported, cat(feature->name, ": bytes of a register are not written"));
  }
  return error ? wrong(feature->name, error) : Status();
}

}  // namespace gige

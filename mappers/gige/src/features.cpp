#include "gige/features.hpp"

#include <arv.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "feature_names.hpp"
#include "feature_node.hpp"

namespace gige {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Value;

namespace {

constexpr int max_depth = 32;  // of categories in each other
constexpr std::size_t max_features = 20'000;

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
    Feature feature;
    feature.name = text_of(arv_gc_feature_node_get_name(node));
    if (extent != Extent::names) {
      Result<Feature> described = describe_node(node);
      // A camera that has gone is not asked about the others: each question would take seconds.
      if (!described) extent = Extent::names;
      if (described) feature = std::move(*described);
    }
    feature.category = category;
    if (extent == Extent::values && readable(feature.access)) {
      Result<Value> value = read_node(node, feature.name);
      if (value) feature.value = std::move(*value);
      if (!value && value.status().retriable()) extent = Extent::names;
    }
    if (ARV_IS_GC_SELECTOR(node) && arv_gc_selector_is_selector(ARV_GC_SELECTOR(node))) {
      for (const GSList* each = arv_gc_selector_get_selected_features(ARV_GC_SELECTOR(node));
           each != nullptr; each = each->next) {
        selectors[text_of(arv_gc_feature_node_get_name(ARV_GC_FEATURE_NODE(each->data)))].push_back(
            feature.name);
      }
    }
    features.push_back(std::move(feature));
  }
};

std::vector<Feature> walked(ArvDevice* device, Walk::Extent extent) {
  Walk walk{arv_device_get_genicam(device), extent, {}, {}, {}};
  walk.root();
  for (Feature& feature : walk.features) {
    const auto selectors = walk.selectors.find(feature.name);
    if (selectors != walk.selectors.end()) feature.selectors = selectors->second;
  }
  return std::move(walk.features);
}

// The node of a name, or of what the name was or is called otherwise; null: none.
ArvGcFeatureNode* node_of(ArvDevice* device, std::string_view name) {
  for (const std::string& word : names_of(name)) {
    ArvGcNode* node = arv_device_get_feature(device, word.c_str());
    if (ARV_IS_GC_FEATURE_NODE(node) && !ARV_IS_GC_CATEGORY(node)) return ARV_GC_FEATURE_NODE(node);
  }
  return nullptr;
}

Status unknown(ArvDevice* device, std::string_view name) {
  std::vector<std::string> all;
  for (const Feature& feature : walked(device, Walk::Extent::names)) all.push_back(feature.name);
  return Status(Code::not_found, cat("the camera has no feature ", name, nearest(name, all)));
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
  return walked(device_, with_values ? Walk::Extent::values : Walk::Extent::descriptions);
}

bool Features::needs_stop(std::string_view name) {
  // By any of its names: the packet size is one under its old and its new one.
  if (std::ranges::any_of(names_of(name), shapes_frames)) return true;
  ArvGcFeatureNode* node = node_of(device_, name);
  Error error;
  return node != nullptr && arv_gc_feature_node_is_locked(node, error.out()) && !error;
}

bool Features::has(std::string_view name) { return node_of(device_, name) != nullptr; }

Result<Feature> Features::describe(std::string_view name) {
  ArvGcFeatureNode* node = node_of(device_, name);
  if (node == nullptr) return unknown(device_, name);
  Result<Feature> feature = describe_node(node);
  if (!feature) return feature;
  const std::vector<Feature> all = walked(device_, Walk::Extent::names);
  const auto place = std::ranges::find(all, feature->name, &Feature::name);
  if (place != all.end()) {
    feature->category = place->category;
    feature->selectors = place->selectors;
  }
  return feature;
}

Result<Value> Features::read(std::string_view name, const Selection& selection) {
  if (Status failed = select(selection); !failed.ok()) return failed;
  ArvGcFeatureNode* node = node_of(device_, name);
  if (node == nullptr) return unknown(device_, name);
  Error error;
  const Kind kind = kind_of(node);
  const Access access = access_of(node, kind, error);
  if (error) return wrong(name, error);
  if (access == Access::none || (access == Access::write && kind != Kind::command)) {
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
  ArvGcFeatureNode* node = node_of(device_, name);
  if (node == nullptr) return unknown(device_, name);
  Error error;
  const Access access = access_of(node, kind_of(node), error);
  const std::string own = text_of(arv_gc_feature_node_get_name(node));
  if (error) return wrong(own, error);
  if (!writable(access)) return Status(Code::refused, cat(own, ": not writable now"));
  return write_node(node, value);
}

}  // namespace gige

#include "lint_place.hpp"

#include <optional>

#include "base/text.hpp"

namespace mapper {

using base::cat;
using dmi::Json;

namespace {

// The key after "configData.", up to the next part of the path; "" when there is none.
std::string config_key(const std::string& path, std::string_view config) {
  const std::size_t at = path.find(config);
  if (at == path.npos || path.size() <= at + config.size()) return "";
  const std::string rest = path.substr(at + config.size() + 1);
  return rest.substr(0, rest.find_first_of(".["));
}

// Whether the object at pointer ("/spec/protocol") has that key.
bool has(const Json& object, const std::string& pointer, const std::string& key) {
  const Json::json_pointer at(pointer);
  return object.contains(at) && object[at].is_object() && object[at].contains(key);
}

template <class Object>
std::optional<std::size_t> index_of(const Object& object, std::string_view name) {
  for (std::size_t i = 0; i < object.properties.size(); ++i) {
    if (object.properties[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace

std::string LintMap::line_in_device(const std::string& path, const std::string& text) const {
  return cat(device_.where(path), ": ", text);
}

std::string LintMap::line_in_model(const std::string& path, const std::string& text) const {
  const std::size_t what = text.find(": ");
  return cat(model_.where(path), ": ", model_.object.id.to_string(), ": ", path,
             what == text.npos ? "" : text.substr(what));
}

std::string LintMap::line(const std::string& text) const {
  const std::string id = device_.object.id.to_string();
  constexpr std::string_view properties = ".properties.";
  if (text.starts_with(id + ".protocol")) return line_in_protocol(text);
  if (text.starts_with(cat(id, properties))) {
    return line_in_property(text, std::string_view(text).substr(id.size() + properties.size()));
  }
  return line_in_device("metadata.name", text);
}

std::string LintMap::line_in_protocol(const std::string& text) const {
  const std::string path = path_of(text.substr(device_.object.id.to_string().size()));
  const std::string key = config_key(path, "configData");
  const bool in_device = has(device_.json, "/spec/protocol/configData", key);
  if (!in_device && has(model_.json, "/spec/protocolConfigData", key)) {
    return line_in_model(cat("spec.protocolConfigData.", key), text);
  }
  return line_in_device(cat("spec", path), text);
}

// rest: "temp.visitors.configData.offset: 70000 is above 65535". Names may hold dots: the longest
// property that fits is meant.
std::string LintMap::line_in_property(const std::string& text, std::string_view rest) const {
  std::string name;
  std::size_t index = 0;
  for (std::size_t i = 0; i < device_.object.properties.size(); ++i) {
    const std::string& candidate = device_.object.properties[i].name;
    if (candidate.size() <= name.size() || !rest.starts_with(candidate)) continue;
    const std::string_view after = rest.substr(candidate.size());
    if (!after.empty() && after.front() != '.' && after.front() != ':') continue;
    name = candidate;
    index = i;
  }
  if (name.empty()) return line_in_device("metadata.name", text);
  const std::string path = path_of(rest.substr(name.size()));
  const std::string own = cat("spec.properties[", index, "]", path);
  const std::optional<std::size_t> in_model = index_of(model_.object, name);
  if (!in_model) return line_in_device(own, text);
  const std::string models = cat("spec.properties[", *in_model, "]", path);
  if (path == ".type" || path == ".accessMode" || path == ".minimum" || path == ".maximum") {
    return line_in_model(models, text);
  }
  const std::string key = config_key(path, "configData");
  const auto visitors = [](std::size_t property) {
    return cat("/spec/properties/", property, "/visitors/configData");
  };
  const bool own_key = key.empty() || has(device_.json, visitors(index), key);
  if (!own_key && has(model_.json, visitors(*in_model), key)) return line_in_model(models, text);
  return line_in_device(own, text);
}

}  // namespace mapper

// From a mistake's text to its place in a YAML file: texts of the SDK and of drivers have paths of
// merged devices ("default/boiler.properties.temp.visitors.configData.offset"), the files have
// lists and two objects. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "dmi/device.hpp"
#include "dmi/json.hpp"
#include "yaml.hpp"

namespace mapper {

// "spec.properties[2].name: missing" → "spec.properties[2].name"
inline std::string path_of(std::string_view text) {
  return std::string(text.substr(0, text.find(": ")));
}

// An object of a file: Object is dmi::Device or dmi::DeviceModel.
template <class Object>
struct LintEntry {
  YamlDocument document;
  dmi::Json json;      // the object, as it stands in the document
  std::string prefix;  // "items[3]." within a List
  Object object;

  std::string where(const std::string& path) const { return document.where(prefix + path); }
};

// The places of one device's mistakes.
class LintMap {
 public:
  LintMap(const LintEntry<dmi::Device>& device, const LintEntry<dmi::DeviceModel>& model)
      : device_(device), model_(model) {}

  // "plant.yaml:12:5: " and the text; the place is the device's name when the text begins with no
  // path of this device. What stands in the model is the model's mistake: it has the same line for
  // each of its devices.
  std::string line(const std::string& text) const;

 private:
  std::string line_in_protocol(const std::string& text) const;
  std::string line_in_property(const std::string& text, std::string_view rest) const;
  std::string line_in_device(const std::string& path, const std::string& text) const;
  std::string line_in_model(const std::string& path, const std::string& text) const;

  const LintEntry<dmi::Device>& device_;
  const LintEntry<dmi::DeviceModel>& model_;
};

}  // namespace mapper

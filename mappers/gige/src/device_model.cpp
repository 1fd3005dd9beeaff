// A camera's features as objects that kubectl apply takes.
#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.hpp"
#include "dmi/json.hpp"
#include "feature_names.hpp"
#include "gige/features.hpp"

namespace gige {

using base::cat;

namespace {

// What the mapper knows of a camera beside its features: the useful beginning.
struct Known {
  std::string_view name;
  std::string_view type;
  std::string_view description;
};
constexpr std::array<Known, 5> known{{
    {"Image", "STRING", "link, size, hash and time of the newest image"},
    {"FrameRate", "DOUBLE", "frames per second that arrive"},
    {"FramesComplete", "INT", "since the mapper started"},
    {"FramesMissingPackets", "INT", "frames with gaps"},
    {"Controller", "STRING", "who controls the camera"},
}};

std::string yaml_text(std::string_view text) {
  return dmi::Json(std::string(text)).dump(-1, ' ', false, dmi::Json::error_handler_t::replace);
}

// In one line: a comment ends where a line does, and the words come from the network.
std::string comment_text(std::string_view text) {
  std::string line;
  for (const char c : text) line += c >= ' ' && c < 0x7F ? c : '?';
  return line;
}

// A name for Kubernetes: lower-case letters, digits and single dashes; at most 50 characters, so
// that users can add to it.
std::string object_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) && byte < 128) {
      name += static_cast<char>(std::tolower(byte));
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  if (name.size() > 50) name.resize(50);
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "camera" : name;
}

std::string_view type_of(Kind kind) {
  switch (kind) {
    case Kind::integer:
      return "INT";
    case Kind::floating:
      return "DOUBLE";
    case Kind::boolean:
    case Kind::command:
      return "BOOLEAN";
    default:
      return "STRING";
  }
}

bool usable(const Feature& feature) {
  return feature.access != Access::none && feature.kind != Kind::bytes &&
         (feature.access != Access::write || feature.kind == Kind::command);
}

std::string property(const Feature& feature) {
  // What is locked while the model is made, because the camera streams, is written in a stop.
  const bool writable =
      feature.locked || feature.access == Access::write || feature.access == Access::read_write;
  std::string line = cat("  - {name: ", yaml_text(feature.name), ", type: ", type_of(feature.kind),
                         ", accessMode: ", writable ? "ReadWrite" : "ReadOnly");
  // Limits that hang on other features are left to the camera, which is asked before every write.
  const bool numeric = feature.kind == Kind::integer || feature.kind == Kind::floating;
  if (writable && numeric && !shapes_frames(feature.name)) {
    const auto limit = [&](std::string_view key, const std::optional<double>& value) {
      if (value) line += cat(", ", key, ": \"", dmi::to_text(*value, dmi::Type::float64), "\"");
    };
    limit("minimum", feature.minimum);
    limit("maximum", feature.maximum);
  }
  if (!feature.unit.empty()) line += cat(", unit: ", yaml_text(feature.unit));
  if (!feature.description.empty()) line += cat(", description: ", yaml_text(feature.description));
  return line + "}\n";
}

std::string visit(std::string_view name, std::string_view feature, int cycle_ms, bool once) {
  return cat("  - {name: ", yaml_text(name), ", collectCycle: ", cycle_ms,
             ", visitors: {protocolName: GigEVision, configData: {FeatureName: ",
             yaml_text(feature), once ? ", writeOnce: true" : "", "}}}\n");
}

}  // namespace

std::string to_device_model(const CameraInfo& camera, const std::vector<Feature>& features) {
  const std::string model = object_name(cat(camera.manufacturer, "-", camera.model));
  std::string properties;
  std::string visitors;
  std::string methods;
  for (const Feature& feature : features) {
    if (!usable(feature)) continue;
    // What is known of it goes by its own name, the camera's by another.
    const bool taken = std::ranges::find(known, feature.name, &Known::name) != known.end();
    const std::string reached = taken ? "Camera." + feature.name : feature.name;
    Feature named = feature;
    named.name = reached;
    properties += property(named);
    visitors += visit(reached, reached, 10'000, feature.kind == Kind::command);
    if (feature.kind == Kind::command) {
      methods +=
          cat("  - {name: ", yaml_text(reached), ", propertyNames: [", yaml_text(reached), "]}\n");
    }
  }
  for (const Known& each : known) {
    properties += cat("  - {name: ", each.name, ", type: ", each.type,
                      ", accessMode: ReadOnly, description: ", yaml_text(each.description), "}\n");
    visitors += visit(each.name, each.name, 1'000, false);
  }
  return cat(
      "# ",
      comment_text(cat(camera.manufacturer, " ", camera.model, ", serial number ", camera.serial)),
      ", as it described itself. Delete what you do not need.\n",
      "apiVersion: devices.kubeedge.io/v1beta1\nkind: DeviceModel\nmetadata:\n  name: ", model,
      "\n  namespace: default\nspec:\n  protocol: GigEVision\n  properties:\n", properties,
      "---\napiVersion: devices.kubeedge.io/v1beta1\nkind: Device\nmetadata:\n  name: ",
      object_name(cat(camera.model, "-", camera.serial)),
      "\n  namespace: default\nspec:\n  deviceModelRef: {name: ", model,
      "}\n  nodeName: edge-node\n  protocol:\n    protocolName: GigEVision\n"
      "    configData: {",
      camera.serial.empty() ? "mac: " : "deviceSN: ",
      yaml_text(camera.serial.empty() ? camera.mac : camera.serial), "}\n",
      methods.empty() ? "" : "  methods:\n", methods, "  properties:\n", visitors);
}

}  // namespace gige

#include "dmi/crd.hpp"

#include <set>

#include "base/text.hpp"

namespace dmi {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

namespace {

using Mistakes = std::vector<Status>;

// Reads fields of one object, remembering its mistakes: callers read everything in a row and ask
// once. A reader of an absent object yields defaults.
class Reader {
 public:
  Reader(const Json* object, std::string path, Mistakes& mistakes)
      : object_(object), path_(std::move(path)), mistakes_(mistakes) {
    if (object_ != nullptr && !object_->is_object()) {
      fail("is not an object");
      object_ = nullptr;
    }
  }

  bool present() const { return object_ != nullptr; }
  const std::string& path() const { return path_; }

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    fail_at(key, "is not a text");
    return "";
  }
  bool boolean(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    fail_at(key, "is neither true nor false");
    return false;
  }
  std::int64_t integer(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return 0;
    std::int64_t number = 0;
    if (!to_int64(*value, number)) {
      fail_at(key, value->is_number_integer() ? cat(to_text(*value), " is beyond a 64-bit integer")
                                              : "is not a whole number");
    }
    return number;
  }
  Json object(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return Json::object();
    if (value->is_object()) return *value;
    fail_at(key, "is not an object");
    return Json::object();
  }
  Reader inner(const char* key) { return Reader(find(key), at(key), mistakes_); }

  // Calls each(Reader) for every element of an array.
  template <class Each>
  void each(const char* key, Each each) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_array()) return fail_at(key, "is not a list");
    if (value->size() > max_properties) {
      return fail_at(key, cat("has ", value->size(), " entries, above ", max_properties));
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      each(Reader(&(*value)[i], cat(at(key), "[", i, "]"), mistakes_));
    }
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> out;
    const Json* value = find(key);
    if (value == nullptr) return out;
    if (!value->is_array()) fail_at(key, "is not a list");
    for (const Json& element : *value) {
      if (element.is_string()) {
        out.push_back(element.get<std::string>());
      } else {
        fail_at(key, "holds something that is not a text");
      }
    }
    return out;
  }
  void fail_at(const char* key, std::string_view what) { say(at(key), what); }
  void fail(std::string_view what) { say(path_, what); }

 private:
  const Json* find(const char* key) const {
    if (object_ == nullptr) return nullptr;
    const auto found = object_->find(key);
    return found == object_->end() || found->is_null() ? nullptr : &*found;
  }
  std::string at(const char* key) const { return path_.empty() ? key : cat(path_, ".", key); }
  void say(const std::string& where, std::string_view what) {
    if (mistakes_.size() < max_mistakes) {
      mistakes_.push_back(Status(Code::invalid, cat(where, ": ", what)));
    }
  }

  const Json* object_;
  std::string path_;
  Mistakes& mistakes_;
};

ObjectId read_id(Reader& root) {
  Reader metadata = root.inner("metadata");
  ObjectId id{metadata.text("namespace"), metadata.text("name")};
  if (id.space.empty()) id.space = "default";
  if (id.name.empty()) metadata.fail_at("name", "missing");
  return id;
}

std::optional<ProtocolConfig> read_protocol(Reader reader) {
  if (!reader.present()) return std::nullopt;
  return ProtocolConfig{reader.text("protocolName"), reader.object("configData")};
}

std::optional<TwinValue> read_twin_value(Reader reader) {
  if (!reader.present()) return std::nullopt;
  TwinValue value{reader.text("value"), {}};
  if (value.value.size() > max_value_bytes) {
    reader.fail_at("value", cat("longer than ", max_value_bytes, " bytes"));
  }
  const Json metadata = reader.object("metadata");
  for (const auto& [key, text] : metadata.items()) {
    if (text.is_string()) {
      value.metadata[key] = text.get<std::string>();
    } else {
      reader.fail_at("metadata", cat(key, " is not a text"));
    }
  }
  return value;
}

// Names must exist and differ; says so with the place of the second one.
void check_name(Reader& reader, const std::string& name, std::set<std::string>& names) {
  if (name.empty()) {
    reader.fail_at("name", "missing");
  } else if (!names.insert(name).second) {
    reader.fail_at("name", cat("\"", name, "\" is there already"));
  }
}

DeviceProperty read_device_property(Reader& reader) {
  DeviceProperty property;
  property.name = reader.text("name");
  property.desired = read_twin_value(reader.inner("desired"));
  property.visitors = read_protocol(reader.inner("visitors"));
  property.report_cycle_ms = reader.integer("reportCycle");
  property.collect_cycle_ms = reader.integer("collectCycle");
  property.report_to_cloud = reader.boolean("reportToCloud");
  const Json push = reader.object("pushMethod");
  if (!push.empty()) property.push = push;
  return property;
}

ModelProperty read_model_property(Reader& reader) {
  ModelProperty property;
  property.name = reader.text("name");
  property.description = reader.text("description");
  property.type = reader.text("type");
  property.access_mode = reader.text("accessMode");
  property.minimum = reader.text("minimum");
  property.maximum = reader.text("maximum");
  property.unit = reader.text("unit");
  property.visitors = read_protocol(reader.inner("visitors"));
  return property;
}

void read_spec(Reader spec, Device& device) {
  device.model = spec.inner("deviceModelRef").text("name");
  device.node = spec.text("nodeName");
  device.protocol = read_protocol(spec.inner("protocol")).value_or(ProtocolConfig());
  std::set<std::string> names;
  spec.each("properties", [&](Reader reader) {
    device.properties.push_back(read_device_property(reader));
    check_name(reader, device.properties.back().name, names);
  });
  spec.each("methods", [&](Reader reader) {
    device.methods.push_back(
        {reader.text("name"), reader.text("description"), reader.texts("propertyNames")});
  });
  Reader report = spec.inner("stateReport");
  if (report.present()) {
    device.state_report =
        StateReport{report.boolean("reportToCloud"), report.integer("reportCycle")};
  }
}

Status with_object(const Status& mistake, const ObjectId& id) {
  return Status(mistake.code(),
                cat(id.name.empty() ? "object" : id.to_string(), ": ", mistake.text()));
}

Json metadata_json(const ObjectId& id) { return {{"name", id.name}, {"namespace", id.space}}; }

Json protocol_json(const ProtocolConfig& protocol) {
  Json json = {{"protocolName", protocol.protocol}};
  if (!protocol.config.empty()) json["configData"] = protocol.config;
  return json;
}

void put_text(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json[key] = text;
}

Json property_json(const DeviceProperty& property) {
  Json json = {{"name", property.name}};
  if (property.desired) {
    json["desired"] = {{"value", property.desired->value}};
    if (!property.desired->metadata.empty())
      json["desired"]["metadata"] = property.desired->metadata;
  }
  if (property.visitors) json["visitors"] = protocol_json(*property.visitors);
  if (property.report_cycle_ms != 0) json["reportCycle"] = property.report_cycle_ms;
  if (property.collect_cycle_ms != 0) json["collectCycle"] = property.collect_cycle_ms;
  if (property.report_to_cloud) json["reportToCloud"] = true;
  if (!property.push.is_null()) json["pushMethod"] = property.push;
  return json;
}

Json property_json(const ModelProperty& property) {
  Json json = {{"name", property.name}};
  put_text(json, "description", property.description);
  put_text(json, "type", property.type);
  put_text(json, "accessMode", property.access_mode);
  put_text(json, "minimum", property.minimum);
  put_text(json, "maximum", property.maximum);
  put_text(json, "unit", property.unit);
  if (property.visitors) json["visitors"] = protocol_json(*property.visitors);
  return json;
}

Json method_json(const DeviceMethod& method) {
  Json json = {{"name", method.name}};
  put_text(json, "description", method.description);
  if (!method.properties.empty()) json["propertyNames"] = method.properties;
  return json;
}

// Keys of `over` win; values are not merged any deeper.
Json overlay(Json under, const Json& over) {
  for (const auto& [key, value] : over.items()) under[key] = value;
  return under;
}

}  // namespace

std::vector<Status> read_object(const Json& object, Device& device) {
  Mistakes mistakes;
  device = Device();
  Reader root(&object, "", mistakes);
  device.id = read_id(root);
  device.generation = root.inner("metadata").integer("generation");
  read_spec(root.inner("spec"), device);
  return mistakes;
}

std::vector<Status> read_object(const Json& object, DeviceModel& model) {
  Mistakes mistakes;
  model = DeviceModel();
  Reader root(&object, "", mistakes);
  model.id = read_id(root);
  Reader spec = root.inner("spec");
  model.protocol = spec.text("protocol");
  model.protocol_config = spec.object("protocolConfigData");
  std::set<std::string> names;
  spec.each("properties", [&](Reader reader) {
    model.properties.push_back(read_model_property(reader));
    check_name(reader, model.properties.back().name, names);
  });
  return mistakes;
}

Result<Device> device_from_json(const Json& object) {
  Device device;
  const Mistakes mistakes = read_object(object, device);
  if (!mistakes.empty()) return with_object(mistakes.front(), device.id);
  return device;
}

Result<DeviceModel> model_from_json(const Json& object) {
  DeviceModel model;
  const Mistakes mistakes = read_object(object, model);
  if (!mistakes.empty()) return with_object(mistakes.front(), model.id);
  return model;
}

Json to_json(const Device& device) {
  Json spec = Json::object();
  if (!device.model.empty()) spec["deviceModelRef"] = {{"name", device.model}};
  put_text(spec, "nodeName", device.node);
  if (device.protocol != ProtocolConfig()) spec["protocol"] = protocol_json(device.protocol);
  for (const DeviceProperty& property : device.properties) {
    spec["properties"].push_back(property_json(property));
  }
  for (const DeviceMethod& method : device.methods) spec["methods"].push_back(method_json(method));
  if (device.state_report) {
    spec["stateReport"] = {{"reportToCloud", device.state_report->report_to_cloud},
                           {"reportCycle", device.state_report->cycle_ms}};
  }
  Json metadata = metadata_json(device.id);
  if (device.generation != 0) metadata["generation"] = device.generation;
  return {{"apiVersion", api_version},
          {"kind", "Device"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)}};
}

Json to_json(const DeviceModel& model) {
  Json spec = Json::object();
  put_text(spec, "protocol", model.protocol);
  if (!model.protocol_config.empty()) spec["protocolConfigData"] = model.protocol_config;
  for (const ModelProperty& property : model.properties) {
    spec["properties"].push_back(property_json(property));
  }
  return {{"apiVersion", api_version},
          {"kind", "DeviceModel"},
          {"metadata", metadata_json(model.id)},
          {"spec", std::move(spec)}};
}

Device merge_defaults(Device device, const DeviceModel& model) {
  device.protocol.config = overlay(model.protocol_config, device.protocol.config);
  for (DeviceProperty& property : device.properties) {
    const ModelProperty* defaults = model.find(property.name);
    if (defaults == nullptr || !defaults->visitors) continue;
    const ProtocolConfig own = property.visitors.value_or(ProtocolConfig());
    const std::string& protocol = defaults->visitors->protocol;
    property.visitors = ProtocolConfig{protocol.empty() ? own.protocol : protocol,
                                       overlay(defaults->visitors->config, own.config)};
  }
  return device;
}

}  // namespace dmi

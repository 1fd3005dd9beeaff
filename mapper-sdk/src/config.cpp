#include "config.hpp"

#include <map>

#include "base/file.hpp"
#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "yaml.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

// A unix socket's path ends at 107 characters.
constexpr std::size_t max_socket_path = 107;
constexpr std::size_t max_word = 255;

// Collects the mistakes of a file, so that they are mended in one go.
class Mistakes {
 public:
  void add(const YamlDocument& document, std::string_view path, std::string_view what) {
    text_ += cat(text_.empty() ? "" : "\n", document.where(path), ": ");
    if (!path.empty()) text_ += cat(path, ": ");
    text_ += what;
  }
  void add(std::string_view line) { text_ += cat(text_.empty() ? "" : "\n", line); }
  bool none() const { return text_.empty(); }
  Status status() const { return Status(Code::invalid, text_); }

 private:
  std::string text_;
};

void check_word(const YamlDocument& document, const std::string& path, const Json& value,
                Mistakes& mistakes, std::string& out) {
  if (!value.is_string()) {
    return mistakes.add(document, path, cat(dmi::to_text(value), " is not a text"));
  }
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty() || text.size() > max_word) {
    return mistakes.add(document, path, cat(text.size(), " characters, allowed are 1..", max_word));
  }
  out = text;
}

void check_socket(const YamlDocument& document, const std::string& path, const Json& value,
                  Mistakes& mistakes, std::string& out) {
  std::string text;
  check_word(document, path, value, mistakes, text);
  if (text.empty()) return;
  if (text.starts_with("unix://")) text.erase(0, 7);
  if (!text.starts_with('/')) {
    return mistakes.add(document, path, cat('"', text, "\" is not an absolute path"));
  }
  if (text.size() > max_socket_path) {
    return mistakes.add(
        document, path,
        cat(text.size(), " characters, a socket's path has at most ", max_socket_path));
  }
  out = text;
}

// KubeEdge's samples write the port as a text.
void check_port(const YamlDocument& document, const std::string& path, const Json& value,
                Mistakes& mistakes) {
  std::int64_t port = 0;
  const bool is_number =
      dmi::to_int64(value, port) ||
      (value.is_string() && base::parse_int(value.get_ref<const std::string&>(), port));
  if (!is_number || port < 1 || port > 65535) {
    mistakes.add(document, path, cat(dmi::to_text(value), " is outside 1..65535"));
  }
}

void unknown(const YamlDocument& document, const std::string& path, std::string_view known,
             Mistakes& mistakes) {
  mistakes.add(document, path, cat("unknown key (known: ", known, ")"));
}

void read_common(const YamlDocument& document, const Json& common, Mistakes& mistakes,
                 MapperConfig& config) {
  for (const auto& [key, value] : common.items()) {
    const std::string path = cat("common.", key);
    if (key == "name") {
      check_word(document, path, value, mistakes, config.name);
    } else if (key == "version") {
      check_word(document, path, value, mistakes, config.version);
    } else if (key == "api_version") {
      check_word(document, path, value, mistakes, config.api_version);
    } else if (key == "protocol") {
      check_word(document, path, value, mistakes, config.protocol);
    } else if (key == "edgecore_sock") {
      check_socket(document, path, value, mistakes, config.edgecore_sock);
    } else if (key == "http_port") {
      check_port(document, path, value, mistakes);
    } else if (key == "address") {
      std::string unused;
      check_word(document, path, value, mistakes, unused);
    } else {
      unknown(document, path,
              "name, version, api_version, protocol, address, edgecore_sock, http_port", mistakes);
    }
  }
}

void read_server(const YamlDocument& document, const Json& server, Mistakes& mistakes,
                 MapperConfig& config) {
  for (const auto& [key, value] : server.items()) {
    const std::string path = cat("grpc_server.", key);
    if (key == "socket_path") {
      check_socket(document, path, value, mistakes, config.socket_path);
    } else {
      unknown(document, path, "socket_path", mistakes);
    }
  }
}

// "default/boiler: spec.properties[2].name: missing" → place, then the text as it is.
void add_object_mistake(const YamlDocument& document, const Status& wrong, Mistakes& mistakes) {
  const std::string& text = wrong.text();
  const std::size_t begin = text.find(": ");
  const std::size_t end = begin == text.npos ? begin : text.find(": ", begin + 2);
  const std::string path = end == text.npos ? "" : text.substr(begin + 2, end - begin - 2);
  mistakes.add(cat(document.where(path), ": ", text));
}

void read_object(const YamlDocument& document, const Json& object, Mistakes& mistakes,
                 Objects& objects) {
  const std::string kind =
      object.is_object()
          ? object.value("kind", Json()).is_string() ? object["kind"].get<std::string>() : ""
          : "";
  if (kind == "Device") {
    Result<dmi::Device> device = dmi::device_from_json(object);
    if (!device) return add_object_mistake(document, device.status(), mistakes);
    objects.devices.push_back(std::move(*device));
  } else if (kind == "DeviceModel") {
    Result<dmi::DeviceModel> model = dmi::model_from_json(object);
    if (!model) return add_object_mistake(document, model.status(), mistakes);
    objects.models.push_back(std::move(*model));
  } else if (kind == "List" && object.contains("items") && object["items"].is_array()) {
    for (const Json& item : object["items"]) read_object(document, item, mistakes, objects);
  } else {
    mistakes.add(document, "kind", cat('"', kind, "\" is none of Device, DeviceModel, List"));
  }
}

// Lays models under their devices and finds what is missing or there twice.
void resolve(const std::string& file, Mistakes& mistakes, Objects& objects) {
  std::map<dmi::ObjectId, const dmi::DeviceModel*> models;
  for (const dmi::DeviceModel& model : objects.models) {
    if (!models.emplace(model.id, &model).second) {
      mistakes.add(cat(file, ": two models ", model.id.to_string()));
    }
  }
  std::map<dmi::ObjectId, bool> devices;
  for (dmi::Device& device : objects.devices) {
    if (!devices.emplace(device.id, true).second) {
      mistakes.add(cat(file, ": two devices ", device.id.to_string()));
    }
    const auto model = models.find({device.id.space, device.model});
    if (model == models.end()) {
      mistakes.add(cat(file, ": ", device.id.to_string(), ": model ", device.id.space, "/",
                       device.model, " is not there"));
      continue;
    }
    device = dmi::merge_defaults(std::move(device), *model->second);
  }
  if (objects.devices.empty() && mistakes.none()) mistakes.add(cat(file, ": no Device in it"));
}

}  // namespace

MapperConfig default_config(const std::string& protocol, const std::string& version) {
  MapperConfig config;
  config.name = protocol + "-mapper";
  config.version = version;
  config.protocol = protocol;
  config.socket_path = cat("/etc/kubeedge/", protocol, ".sock");
  return config;
}

Result<MapperConfig> parse_config(const std::string& text, const std::string& file,
                                  MapperConfig config) {
  Result<std::vector<YamlDocument>> documents = parse_yaml(text, file);
  if (!documents) return documents.status();
  if (documents->empty()) return config;  // an empty file says nothing
  const YamlDocument& document = documents->front();
  Mistakes mistakes;
  if (documents->size() > 1) mistakes.add((*documents)[1], "", "more than one document");
  if (!document.json.is_object()) {
    mistakes.add(document, "", "not a map of grpc_server and common");
    return mistakes.status();
  }
  for (const auto& [key, value] : document.json.items()) {
    if (key != "grpc_server" && key != "common") {
      unknown(document, key, "grpc_server, common", mistakes);
    } else if (!value.is_object() && !value.is_null()) {
      mistakes.add(document, key, "is not a map");
    } else if (key == "common") {
      read_common(document, value, mistakes, config);
    } else {
      read_server(document, value, mistakes, config);
    }
  }
  if (!mistakes.none()) return mistakes.status();
  return config;
}

Result<MapperConfig> load_config(const std::string& path, MapperConfig defaults) {
  Result<std::string> text = base::read_file(path);
  if (!text) return text.status();
  return parse_config(*text, path, std::move(defaults));
}

namespace {

Status read_objects(const std::string& text, const std::string& file, Mistakes& mistakes,
                    Objects& objects) {
  Result<std::vector<YamlDocument>> documents = parse_yaml(text, file);
  if (!documents) return documents.status();
  for (const YamlDocument& document : *documents) {
    read_object(document, document.json, mistakes, objects);
  }
  return Status();
}

}  // namespace

Result<Objects> parse_objects(const std::string& text, const std::string& file) {
  Mistakes mistakes;
  Objects objects;
  if (Status wrong = read_objects(text, file, mistakes, objects); !wrong.ok()) return wrong;
  resolve(file, mistakes, objects);
  if (!mistakes.none()) return mistakes.status();
  return objects;
}

Result<Objects> load_objects(const std::vector<std::string>& paths) {
  Mistakes mistakes;
  Objects objects;
  std::string names;
  for (const std::string& path : paths) {
    Result<std::string> text = base::read_file(path);
    if (!text) return text.status();
    if (Status wrong = read_objects(*text, path, mistakes, objects); !wrong.ok()) return wrong;
    names += cat(names.empty() ? "" : ", ", path);
  }
  resolve(names, mistakes, objects);
  if (!mistakes.none()) return mistakes.status();
  return objects;
}

}  // namespace mapper

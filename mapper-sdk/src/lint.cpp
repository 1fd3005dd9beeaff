#include "lint.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/file.hpp"
#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "dmi/idle_keys.hpp"
#include "known_keys.hpp"
#include "lint_place.hpp"
#include "refine.hpp"
#include "target.hpp"
#include "yaml.hpp"

namespace mapper {

using base::cat;
using base::Code;
using base::Result;
using base::Status;
using dmi::Json;

namespace {

template <class Object>
using Entries = std::vector<LintEntry<Object>>;

class Linter {
 public:
  explicit Linter(const Protocol& protocol) : protocol_(protocol) {}

  void read_file(const std::string& file) {
    const std::size_t before = lines_.size();
    files_.push_back(file);
    const Result<std::string> text = base::read_file(file);
    if (!text) {
      const std::string why = text.status().text();
      const std::string path = file + ": ";
      return add(cat(file, ":1:1"), why.starts_with(path) ? why.substr(path.size()) : why);
    }
    const YamlFile yaml = read_yaml(*text, file);
    for (const Status& mistake : yaml.mistakes) add("", mistake.text());
    for (const YamlDocument& document : yaml.documents) {
      read_object(document, document.json, "");
    }
    if (yaml.documents.empty() && lines_.size() == before) {
      add(cat(file, ":1:1"), "nothing in it; a file has Device and DeviceModel objects");
    }
  }

  void resolve() {
    for (const auto& model : models_) {
      const auto [first, fresh] = model_of_.emplace(model.object.id, &model);
      if (!fresh) add_twin("model", model, *first->second);
    }
    std::map<dmi::ObjectId, const LintEntry<dmi::Device>*> devices;
    for (const auto& device : devices_) {
      const auto [first, fresh] = devices.emplace(device.object.id, &device);
      if (!fresh && !device.object.id.name.empty()) add_twin("device", device, *first->second);
      check(device);
    }
  }

  LintResult result() {
    std::sort(lines_.begin(), lines_.end());
    lines_.erase(std::unique(lines_.begin(), lines_.end()), lines_.end());
    LintResult result{{}, std::move(notes_), 0, checked_, others_};
    std::set<std::size_t> wrong;
    for (const Line& line : lines_) {
      wrong.insert(line.file);
      result.mistakes.push_back(line.text);
    }
    result.wrong_files = wrong.size();
    return result;
  }

 private:
  struct Line {
    std::size_t file = 0;  // by the order of the arguments
    std::int64_t line = 0;
    std::int64_t column = 0;
    std::string text;
    auto operator<=>(const Line&) const = default;
  };

  // where: "file:3:5"; "" when text begins with it.
  void add(const std::string& where, const std::string& text) {
    Line line;
    line.text = where.empty() ? text : cat(where, ": ", text);
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const std::string& file = files_[i];
      if (!line.text.starts_with(file + ":")) continue;
      line.file = i;
      const auto numbers = base::split(std::string_view(line.text).substr(file.size() + 1), ':');
      base::parse_int(numbers[0], line.line);
      if (numbers.size() > 1) base::parse_int(numbers[1], line.column);
      break;
    }
    lines_.push_back(std::move(line));
  }

  template <class Object>
  void add(const LintEntry<Object>& entry, const std::string& path, const std::string& what) {
    const std::string& name = entry.object.id.name;
    add(entry.where(path),
        cat(name.empty() ? "object" : entry.object.id.to_string(), ": ", path, ": ", what));
  }

  template <class Object>
  void add_twin(const char* kind, const LintEntry<Object>& entry, const LintEntry<Object>& first) {
    add(entry, "metadata.name",
        cat("a ", kind, " of this name stands at ", first.where("metadata.name"),
            " already; rename one or remove it"));
  }

  void read_object(const YamlDocument& document, const Json& json, const std::string& prefix) {
    const auto found = json.is_object() ? json.find("kind") : json.end();
    const std::string kind = json.is_object() && found != json.end() && found->is_string()
                                 ? found->get<std::string>()
                                 : "";
    if (kind == "Device") {
      read_kind(document, json, prefix, kind, devices_);
    } else if (kind == "DeviceModel") {
      read_kind(document, json, prefix, kind, models_);
    } else if (kind == "List" && json.contains("items") && json["items"].is_array()) {
      for (std::size_t i = 0; i < json["items"].size(); ++i) {
        read_object(document, json["items"][i], cat(prefix, "items[", i, "]."));
      }
    } else {
      add(document.where(prefix + "kind"),
          cat(prefix, "kind: \"", kind, "\" is none of Device, DeviceModel, List"));
    }
  }

  template <class Object>
  void read_kind(const YamlDocument& document, const Json& json, const std::string& prefix,
                 const std::string& kind, Entries<Object>& entries) {
    LintEntry<Object> entry{document, json, prefix, {}};
    for (const Status& mistake : dmi::read_object(json, entry.object)) {
      add(entry.where(path_of(mistake.text())),
          cat(entry.object.id.name.empty() ? "object" : entry.object.id.to_string(), ": ",
              mistake.text()));
    }
    find_unknown_keys(kind, json, [&](const std::string& path, const std::string& what) {
      add(entry, path, what);
    });
    const auto version = json.find("apiVersion");
    if (version != json.end() && *version != dmi::api_version) {
      add(entry, "apiVersion", cat(dmi::to_text(*version), " is not ", dmi::api_version));
    }
    for (const dmi::IdleKey& key : dmi::idle_keys(entry.object)) {
      notes_.push_back(cat(entry.where(key.path), ": ", entry.object.id.to_string(), ": ", key.path,
                           ": ", key.what));
    }
    entries.push_back(std::move(entry));
  }

  void check(const LintEntry<dmi::Device>& entry) {
    const dmi::Device& device = entry.object;
    const auto model = model_of_.find({device.id.space, device.model});
    if (device.model.empty()) {
      return add(entry, "spec.deviceModelRef.name", "missing; name the device's DeviceModel");
    }
    if (model == model_of_.end()) {
      return add(entry, "spec.deviceModelRef.name",
                 cat("model ", device.id.space, "/", device.model,
                     " is in none of the files; give the file that has it, or mend the name"));
    }
    const LintMap places(entry, *model->second);
    const auto tell = [&](const Status& mistake) { add("", places.line(mistake.text())); };
    const dmi::Device merged = dmi::merge_defaults(device, model->second->object);
    Target good;
    for (const Status& mistake : target_mistakes(merged, model->second->object, good)) {
      tell(mistake);
    }
    check_desired(merged, good, tell);
    if (device.protocol.protocol != protocol_.name) {
      if (device.protocol.protocol.empty()) {
        add(entry, "spec.protocol.protocolName",
            cat("missing; this mapper serves \"", protocol_.name, '"'));
      }
      ++others_;
      return;
    }
    ++checked_;
    for (const Status& mistake : protocol_mistakes(good)) tell(mistake);
  }

  template <class Tell>
  void check_desired(const dmi::Device& device, const Target& good, const Tell& tell) {
    for (const Point& point : good.points) {
      const dmi::DeviceProperty* property = device.find(point.name);
      if (property == nullptr || !property->desired || property->desired->value.empty()) continue;
      const Result<dmi::Value> value = dmi::parse_value(property->desired->value, point.type);
      const Status wrong = value ? to_raw(point, *value).status() : value.status();
      if (wrong.ok()) continue;
      // A refined value's text begins with the property's name, which the path has already.
      std::string what = wrong.text();
      if (what.starts_with(point.name + ": ")) what.erase(0, point.name.size() + 2);
      tell(Status(wrong.code(),
                  cat(good.id.to_string(), ".properties.", point.name, ".desired.value: ", what)));
    }
  }

  // What the protocol says of a device whose properties are right as far as the SDK knows.
  std::vector<Status> protocol_mistakes(const Target& target) const {
    if (protocol_.check) return protocol_.check(target);
    const Status said = opening_says(target);
    const bool spec_is_wrong = said.code() == Code::invalid || said.code() == Code::unsupported ||
                               said.code() == Code::out_of_range;
    return spec_is_wrong ? std::vector<Status>{said} : std::vector<Status>{};
  }

  Status opening_says(const Target& target) const {
    try {
      if (protocol_.open) return protocol_.open(target, Sink()).status();
      base::IoLoop loop;  // never runs: a driver connects in its first read
      return protocol_.open_async(target, Sink(), loop).status();
    } catch (const std::exception& error) {  // the boundary to code of the mapper's author
      return Status(Code::internal, error.what());
    }
  }

  const Protocol& protocol_;
  std::vector<std::string> files_;
  std::vector<Line> lines_;
  std::vector<std::string> notes_;
  Entries<dmi::DeviceModel> models_;
  Entries<dmi::Device> devices_;
  std::map<dmi::ObjectId, const LintEntry<dmi::DeviceModel>*> model_of_;
  std::size_t checked_ = 0;
  std::size_t others_ = 0;
};

}  // namespace

LintResult lint(const std::vector<std::string>& files, const Protocol& protocol) {
  Linter linter(protocol);
  for (const std::string& file : files) linter.read_file(file);
  linter.resolve();
  return linter.result();
}

}  // namespace mapper

#include "admission.hpp"

#include <algorithm>
#include <charconv>

#include "base/log.hpp"
#include "base/text.hpp"
#include "dmi/crd.hpp"
#include "dmi/idle_keys.hpp"
#include "schema.hpp"

namespace devicetwin::kube {

using base::cat;
using dmi::Json;

namespace {

// As deep as dmi::parse_json reads, so that what is stored can be loaded again.
constexpr int max_depth = 64;
// Header lines, not a report: the rest is in what kubectl shows anyway.
constexpr std::size_t max_warnings = 16;
constexpr std::size_t max_warning_bytes = 256;

bool too_deep(const Json& json, int depth) {
  if (!json.is_structured()) return false;
  if (depth >= max_depth) return true;
  return std::any_of(json.begin(), json.end(),
                     [&](const Json& inner) { return too_deep(inner, depth + 1); });
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string unknown_field(const std::string& path) { return cat("unknown field \"", path, "\""); }
std::string duplicate_field(const std::string& path) {
  return cat("duplicate field \"", path, "\"");
}

Failure strict_failure(const Resource& resource, const std::vector<std::string>& complaints) {
  std::string list;
  for (const std::string& text : complaints) list += cat(list.empty() ? "" : ", ", text);
  return bad_request(cat(resource.name, " in version \"v1beta1\" cannot be handled as a ",
                         resource.name, ": strict decoding error: ", list));
}

// Kubernetes leaves out what is easily misread; so do names made up here.
std::string random_suffix() {
  constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
  std::string suffix;
  for (const char c : base::random_hex(5).substr(0, 10)) {
    if (suffix.size() < 5) suffix += letters[static_cast<unsigned char>(c) % letters.size()];
  }
  return suffix;
}

std::optional<Failure> check_kind(const Resource& resource, const Json& object) {
  const std::string kind = text_or_empty(object, "kind");
  const std::string version = text_or_empty(object, "apiVersion");
  if (kind.empty()) return bad_request("Object 'Kind' is missing");
  if (version.empty()) return bad_request("Object 'apiVersion' is missing");
  if (kind == resource.name && version == group_version) return std::nullopt;
  return bad_request(cat("the object is a ", kind, " of ", version, ", this path takes a ",
                         resource.name, " of ", group_version));
}

std::optional<Failure> check_id(const Place& place, Json& metadata) {
  const Resource& resource = *place.resource;
  const std::string space = text_or_empty(metadata, "namespace");
  if (!space.empty() && space != place.space) {
    return bad_request(
        cat("the namespace of the provided object does not match the namespace sent on the request"
            " (\"",
            space, "\" and \"", place.space, "\")"));
  }
  if (const auto why = namespace_objection(place.space); !why.empty()) {
    return invalid(resource, place.name,
                   {cat("metadata.namespace: Invalid value: \"", place.space, "\": ", why)});
  }
  metadata["namespace"] = place.space;
  std::string name = text_or_empty(metadata, "name");
  const std::string prefix = text_or_empty(metadata, "generateName");
  if (name.empty() && place.name.empty() && !prefix.empty()) name = prefix + random_suffix();
  if (name.empty() && place.name.empty()) {
    return invalid(resource, "",
                   {"metadata.name: Required value: name or generateName is required"});
  }
  if (name.empty()) name = place.name;
  if (!place.name.empty() && name != place.name) {
    return bad_request(cat("the name of the object (", name,
                           ") does not match the name on the URL (", place.name, ")"));
  }
  if (const auto why = name_objection(name); !why.empty()) {
    return invalid(resource, name, {cat("metadata.name: Invalid value: \"", name, "\": ", why)});
  }
  metadata["name"] = name;
  return std::nullopt;
}

std::vector<dmi::IdleKey> idle_keys_of(Kind kind, const Json& object) {
  if (kind == Kind::device_model) {
    const auto model = dmi::model_from_json(object);
    return model ? dmi::idle_keys(*model) : std::vector<dmi::IdleKey>();
  }
  const auto device = dmi::device_from_json(object);
  return device ? dmi::idle_keys(*device) : std::vector<dmi::IdleKey>();
}

}  // namespace

std::optional<Failure> read_options(const base::http::Request& request, WriteOptions& options) {
  const std::string_view validation = request.parameter("fieldValidation");
  if (validation == "Strict") {
    options.validation = WriteOptions::Validation::strict;
  } else if (validation == "Ignore") {
    options.validation = WriteOptions::Validation::ignore;
  } else if (!validation.empty() && validation != "Warn") {
    return bad_request(cat("fieldValidation: Unsupported value: \"", validation,
                           "\": supported values: \"Ignore\", \"Strict\", \"Warn\""));
  }
  const std::string_view dry_run = request.parameter("dryRun");
  if (!dry_run.empty() && dry_run != "All") {
    return bad_request(
        cat("dryRun: Unsupported value: \"", dry_run, "\": supported values: \"All\""));
  }
  options.dry_run = !dry_run.empty();
  return std::nullopt;
}

std::string media_type(const base::http::Request& request) {
  std::string_view type = request.header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return base::lower(type);
}

std::optional<Failure> admit(const Place& place, const WriteOptions& options,
                             const std::vector<std::string>& duplicates, Json& object,
                             std::vector<std::string>& warnings) {
  const Resource& resource = *place.resource;
  if (!object.is_object()) return bad_request("the body is not a JSON object");
  if (too_deep(object, 0)) {
    return bad_request(cat("the object is nested deeper than ", max_depth, " levels"));
  }
  if (auto failure = check_kind(resource, object)) return failure;
  Json& metadata = object["metadata"];
  if (metadata.is_null()) metadata = Json::object();
  if (!metadata.is_object()) return bad_request("metadata is not an object");
  if (auto failure = check_id(place, metadata)) return failure;
  // Field owners are not kept; clients that send them back mean nothing by it.
  metadata.erase("managedFields");

  const std::string name = text_or_empty(metadata, "name");
  const Findings findings = check(resource.kind, object);
  std::vector<std::string> complaints;
  for (const std::string& path : findings.unknown) complaints.push_back(unknown_field(path));
  for (const std::string& path : duplicates) complaints.push_back(duplicate_field(path));
  if (options.validation == WriteOptions::Validation::strict && !complaints.empty()) {
    return strict_failure(resource, complaints);
  }
  if (!findings.errors.empty()) return invalid(resource, name, findings.errors);
  if (options.validation == WriteOptions::Validation::warn) warnings = std::move(complaints);
  if (options.validation != WriteOptions::Validation::ignore) {
    for (const dmi::IdleKey& key : idle_keys_of(resource.kind, object)) {
      base::log_info(cat(resource.name, ' ', place.space, '/', name, ": ", key.text()));
      warnings.push_back(key.text());
    }
  }
  if (!version_of(object)) {
    return invalid(resource, name,
                   {cat("metadata.resourceVersion: Invalid value: \"",
                        text_or_empty(object["metadata"], "resourceVersion"), "\": not a number")});
  }
  if (dmi::to_text(object).size() > max_object_bytes) {
    return Failure{413, "RequestEntityTooLarge",
                   cat("the object is larger than ", max_object_bytes, " bytes"), &resource, name};
  }
  return std::nullopt;
}

std::optional<std::uint64_t> version_of(const Json& object) {
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object()) return 0;
  const std::string text = text_or_empty(*metadata, "resourceVersion");
  if (text.empty()) return 0;
  std::uint64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return version;
}

base::http::Response::Headers warning_headers(const std::vector<std::string>& warnings) {
  base::http::Response::Headers headers;
  for (const std::string& warning : warnings) {
    if (headers.size() == max_warnings) break;
    std::string text;
    for (const char c : warning.substr(0, max_warning_bytes)) {
      if (c == '"' || c == '\\') text += '\\';
      // A line break in a field's name must not become a header of its own.
      text += c >= ' ' && c <= '~' ? c : '?';
    }
    headers.emplace_back("Warning", cat("299 - \"", text, "\""));
  }
  return headers;
}

}  // namespace devicetwin::kube

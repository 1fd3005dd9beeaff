#include "failure.hpp"

#include "base/text.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Code;

namespace {

// Enough for a screen; a body of nothing but mistakes must not become an answer of its size.
constexpr std::size_t max_causes = 32;

std::string_view cause_reason(std::string_view what) {
  if (what.starts_with("Unsupported value")) return "FieldValueNotSupported";
  if (what.starts_with("Required value")) return "FieldValueRequired";
  return "FieldValueInvalid";
}

dmi::Json cause_json(std::string_view cause) {
  const std::size_t colon = cause.find(": ");
  // kubectl prints "field: message", so that what has no path still needs something to stand there.
  const bool path = colon != cause.npos && cause.substr(0, colon).find(' ') == cause.npos;
  const std::string_view field = path ? cause.substr(0, colon) : "object";
  const std::string_view what = path ? cause.substr(colon + 2) : cause;
  return {{"reason", cause_reason(what)}, {"message", what}, {"field", field}};
}

std::string joined(const std::vector<std::string>& texts) {
  if (texts.size() == 1) return texts.front();
  std::string list;
  for (const std::string& text : texts) list += cat(list.empty() ? "" : ", ", text);
  return cat('[', list, ']');
}

// Core's texts begin with "space/name: ", which the message says already.
std::string without_id(std::string_view text, std::string_view name) {
  const std::size_t colon = text.find(": ");
  const bool id = colon != text.npos && text.substr(0, colon).ends_with(cat('/', name));
  return std::string(id ? text.substr(colon + 2) : text);
}

}  // namespace

dmi::Json Failure::to_json() const {
  dmi::Json json = {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", dmi::Json::object()},
                    {"status", "Failure"}, {"message", message}, {"reason", reason},
                    {"code", code}};
  if (resource == nullptr) return json;
  // Kubernetes' own details: kind is the plural except where the object itself is at fault.
  dmi::Json& details = json["details"];
  details = {{"group", group}, {"kind", reason == "Invalid" ? resource->name : resource->plural}};
  if (!name.empty()) details["name"] = name;
  for (const std::string& cause : causes) details["causes"].push_back(cause_json(cause));
  return json;
}

Failure bad_request(std::string message) {
  return {400, "BadRequest", std::move(message), nullptr, ""};
}

Failure unknown_path() {
  return {404, "NotFound", "the server could not find the requested resource", nullptr, ""};
}

Failure not_found(const Resource& resource, std::string_view name) {
  return {404, "NotFound", cat(resource.qualified(), " \"", name, "\" not found"), &resource,
          std::string(name)};
}

Failure already_exists(const Resource& resource, std::string_view name) {
  return {409, "AlreadyExists", cat(resource.qualified(), " \"", name, "\" already exists"),
          &resource, std::string(name)};
}

Failure changed_meanwhile(const Resource& resource, std::string_view name) {
  return {409, "Conflict",
          cat("Operation cannot be fulfilled on ", resource.qualified(), " \"", name,
              "\": the object has been modified; please apply your changes to the latest version "
              "and try again"),
          &resource, std::string(name)};
}

Failure invalid(const Resource& resource, std::string_view name, std::vector<std::string> causes) {
  if (causes.size() > max_causes) {
    causes.resize(max_causes);
    causes.push_back("object: has more mistakes");
  }
  std::string message =
      cat(resource.name, ".", group, " \"", name, "\" is invalid: ", joined(causes));
  return {422, "Invalid", std::move(message), &resource, std::string(name), std::move(causes)};
}

Failure not_allowed(const Resource& resource, std::string_view name) {
  std::string message = "the server does not allow this method on the requested resource";
  if (!resource.writable) {
    message = cat(resource.plural,
                  " are owned by devicetwin and cannot be written: to set a value, patch the "
                  "Device's spec.properties[].desired");
  }
  return {405, "MethodNotAllowed", std::move(message), &resource, std::string(name)};
}

Failure unsupported_media_type(std::string message) {
  return {415, "UnsupportedMediaType", std::move(message), nullptr, ""};
}

Failure gone(std::string message) { return {410, "Expired", std::move(message), nullptr, ""}; }

Failure too_many(std::string message) {
  return {429, "TooManyRequests", std::move(message), nullptr, ""};
}

Failure unauthorized() { return {401, "Unauthorized", "Unauthorized", nullptr, ""}; }

Failure only_get() { return {405, "MethodNotAllowed", "this path is read with GET", nullptr, ""}; }

Failure failure_of(const base::Status& status) {
  switch (status.code()) {
    case Code::not_found:
      return {404, "NotFound", status.text(), nullptr, ""};
    case Code::invalid:
      return bad_request(status.text());
    case Code::out_of_range:
      return {413, "RequestEntityTooLarge", status.text(), nullptr, ""};
    case Code::unavailable:
      return {503, "ServiceUnavailable", status.text(), nullptr, ""};
    default:
      return {500, "InternalError", cat("Internal error occurred: ", status.text()), nullptr, ""};
  }
}

Failure failure_of(const base::Status& status, const Resource& resource, std::string_view name,
                   bool creating) {
  switch (status.code()) {
    case Code::not_found:
      return not_found(resource, name);
    case Code::conflict:
      return creating ? already_exists(resource, name) : changed_meanwhile(resource, name);
    case Code::invalid:
    case Code::out_of_range:
    case Code::unsupported:
      return invalid(resource, name, {without_id(status.text(), name)});
    case Code::unavailable:
    case Code::timeout:
      return {503, "ServiceUnavailable", status.text(), &resource, std::string(name)};
    default:
      return {500, "InternalError", cat("Internal error occurred: ", status.text()), &resource,
              std::string(name)};
  }
}

}  // namespace devicetwin::kube

#include "openapi.hpp"

#include <functional>

#include "base/text.hpp"
#include "resource.hpp"
#include "schema.hpp"

namespace devicetwin::kube {

using base::cat;
using dmi::Json;

namespace {

std::string schema_name(std::string_view kind) { return cat("io.kubeedge.devices.v1beta1.", kind); }

Json group_version_kind(std::string_view kind) {
  return {{"group", group}, {"version", "v1beta1"}, {"kind", kind}};
}

Json parameter(const char* name, const char* in, const char* type) {
  Json json = {{"name", name}, {"in", in}, {"schema", {{"type", type}, {"uniqueItems", true}}}};
  if (json["in"] == "path") json["required"] = true;
  return json;
}

Json content(const Json& schema, std::initializer_list<const char*> types) {
  Json json = Json::object();
  for (const char* type : types) json[type] = {{"schema", schema}};
  return json;
}

Json operation(const Resource& resource, const char* action, const Json& answer) {
  return {{"x-kubernetes-action", action},
          {"x-kubernetes-group-version-kind", group_version_kind(resource.name)},
          {"responses",
           {{"200", {{"description", "OK"}, {"content", content(answer, {"application/json"})}}}}}};
}

// kubectl looks for these parameters before it believes that the server validates.
Json writing(const Resource& resource, const char* action, const Json& object) {
  Json json = operation(resource, action, object);
  json["parameters"] = {parameter("dryRun", "query", "string"),
                        parameter("fieldManager", "query", "string"),
                        parameter("fieldValidation", "query", "string")};
  if (json["x-kubernetes-action"] == "patch") {
    json["parameters"].push_back(parameter("force", "query", "boolean"));
    json["requestBody"]["content"] = content(
        {{"type", "object"}}, {"application/merge-patch+json", "application/json-patch+json",
                               "application/apply-patch+yaml"});
  } else {
    json["requestBody"]["content"] = content(object, {"application/json"});
  }
  return json;
}

void add_paths(const Resource& resource, Json& paths) {
  const Json object = {{"$ref", cat("#/components/schemas/", schema_name(resource.name))}};
  const Json list = {{"$ref", cat("#/components/schemas/", schema_name(resource.list_name()))}};
  const Json space = parameter("namespace", "path", "string");
  const std::string root = cat("/apis/", group_version, "/");
  const std::string collection = cat(root, "namespaces/{namespace}/", resource.plural);

  paths[cat(root, resource.plural)] = {{"get", operation(resource, "list", list)}};
  Json& all = paths[collection] = {{"parameters", Json::array({space})},
                                   {"get", operation(resource, "list", list)}};
  Json& one = paths[collection + "/{name}"] = {
      {"parameters", Json::array({space, parameter("name", "path", "string")})},
      {"get", operation(resource, "get", object)}};
  if (!resource.writable) return;
  all["post"] = writing(resource, "post", object);
  all["delete"] = operation(resource, "deletecollection", list);
  one["put"] = writing(resource, "put", object);
  one["patch"] = writing(resource, "patch", object);
  one["delete"] = operation(resource, "delete", {{"type", "object"}});
}

void add_schemas(const Resource& resource, Json& schemas) {
  Json object = schema_of(resource.kind);
  object["x-kubernetes-group-version-kind"] = Json::array({group_version_kind(resource.name)});
  schemas[schema_name(resource.name)] = std::move(object);
  schemas[schema_name(resource.list_name())] = {
      {"type", "object"},
      {"description", cat("A list of ", resource.name, ".")},
      {"required", {"items"}},
      {"properties",
       {{"apiVersion", {{"type", "string"}}},
        {"kind", {{"type", "string"}}},
        {"metadata", {{"type", "object"}}},
        {"items",
         {{"type", "array"},
          {"items", {{"$ref", cat("#/components/schemas/", schema_name(resource.name))}}}}}}},
      {"x-kubernetes-group-version-kind", Json::array({group_version_kind(resource.list_name())})}};
}

std::string make_document() {
  Json document = {{"openapi", "3.0.0"},
                   {"info", {{"title", "devicetwin"}, {"version", "v1beta1"}}},
                   {"paths", Json::object()},
                   {"components", {{"schemas", Json::object()}}}};
  for (const Resource& resource : resources) {
    add_paths(resource, document["paths"]);
    add_schemas(resource, document["components"]["schemas"]);
  }
  return dmi::to_text(document);
}

// ---- protobuf by hand: the whole of gnostic's schema for some 700 bytes would be out of scale
// ----

void put_varint(std::string& to, std::size_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>((number & 0x7f) | 0x80);
  to += static_cast<char>(number);
}

// A length-delimited field (wire type 2): texts and messages.
std::string field(unsigned number, std::string_view content) {
  std::string text;
  put_varint(text, (number << 3) | 2);
  put_varint(text, content.size());
  return text.append(content);
}

// Parameter.non_body_parameter.query_parameter_sub_schema{in, name, type}
std::string query_parameter(std::string_view name) {
  const std::string query = field(2, "query") + field(4, name) + field(6, "string");
  return field(8, field(1, field(2, field(3, query))));
}

// Operation.vendor_extension{name, value.yaml}
std::string extension(std::string_view name, std::string_view yaml) {
  return field(13, field(1, name) + field(2, field(2, yaml)));
}

std::string patch_path(const Resource& resource) {
  const std::string operation =
      query_parameter("dryRun") + query_parameter("fieldManager") + query_parameter("force") +
      extension("x-kubernetes-action", "patch\n") +
      extension("x-kubernetes-group-version-kind",
                cat("group: ", group, "\nkind: ", resource.name, "\nversion: v1beta1\n"));
  const std::string path =
      cat("/apis/", group_version, "/namespaces/{namespace}/", resource.plural, "/{name}");
  // Paths.path{name, value: PathItem.patch}
  return field(2, field(1, path) + field(2, field(8, operation)));
}

}  // namespace

const std::string& openapi_v3_document() {
  static const std::string document = make_document();
  return document;
}

std::string openapi_v3_index() {
  const std::string path = cat("apis/", group_version);
  const auto hash = std::hash<std::string>()(openapi_v3_document());
  const Json index = {
      {"paths", {{path, {{"serverRelativeURL", cat("/openapi/v3/", path, "?hash=", hash)}}}}}};
  return dmi::to_text(index);
}

std::string openapi_v2_protobuf() {
  std::string paths;
  for (const Resource& resource : resources) {
    if (resource.writable) paths += patch_path(resource);
  }
  return field(1, "2.0") + field(2, field(1, "devicetwin") + field(2, "v1beta1")) + field(8, paths);
}

}  // namespace devicetwin::kube

#include "discovery.hpp"

#include "base/text.hpp"
#include "failure.hpp"
#include "openapi.hpp"
#include "resource.hpp"

namespace devicetwin::kube {

using base::cat;
using dmi::Json;

namespace {

Json verbs_of(const Resource& resource) {
  if (!resource.writable) return {"get", "list", "watch"};
  return {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
}

Json categories_of(const Resource& resource) {
  return resource.writable ? Json::array({"all"}) : Json::array();
}

Answer json_answer(const Json& json, int status = 200) {
  return {status, "application/json", dmi::to_text(json)};
}

Json core_resources() {
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", "v1"},
          {"resources",
           {{{"name", "namespaces"},
             {"singularName", "namespace"},
             {"namespaced", false},
             {"kind", "Namespace"},
             {"shortNames", {"ns"}},
             {"verbs", {"get", "list"}}},
            {{"name", "events"},
             {"singularName", "event"},
             {"namespaced", true},
             {"kind", "Event"},
             {"shortNames", {"ev"}},
             {"verbs", {"get", "list"}}}}}};
}

Json own_resources() {
  Json list = Json::array();
  for (const Resource& resource : resources) {
    Json entry = {{"name", resource.plural},
                  {"singularName", resource.singular},
                  {"namespaced", true},
                  {"kind", resource.name},
                  {"shortNames", {resource.short_name}},
                  {"verbs", verbs_of(resource)}};
    if (const Json categories = categories_of(resource); !categories.empty()) {
      entry["categories"] = categories;
    }
    list.push_back(std::move(entry));
  }
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group_version},
          {"resources", std::move(list)}};
}

Json own_group() {
  const Json version = {{"groupVersion", group_version}, {"version", "v1beta1"}};
  return {{"name", group}, {"versions", {version}}, {"preferredVersion", version}};
}

// "v2", "v2beta1", or "" when the client did not ask for aggregated discovery.
std::string_view aggregated_version(std::string_view accept) {
  if (accept.find("as=APIGroupDiscoveryList") == accept.npos) return "";
  return accept.find("v=v2;") != accept.npos ? "v2" : "v2beta1";
}

// The same lists in the shape of aggregated discovery.
Json aggregated(const Json& list, std::string_view group_name, std::string_view version) {
  Json entries = Json::array();
  for (const Json& resource : list["resources"]) {
    Json entry = {
        {"resource", resource["name"]},
        {"responseKind", {{"group", group_name}, {"version", version}, {"kind", resource["kind"]}}},
        {"scope", resource["namespaced"] == true ? "Namespaced" : "Cluster"},
        {"singularResource", resource["singularName"]},
        {"shortNames", resource["shortNames"]},
        {"verbs", resource["verbs"]}};
    if (resource.contains("categories")) entry["categories"] = resource["categories"];
    entries.push_back(std::move(entry));
  }
  Json metadata = Json::object();
  if (!group_name.empty()) metadata["name"] = group_name;
  return {
      {"metadata", std::move(metadata)},
      {"versions",
       Json::array(
           {{{"version", version}, {"freshness", "Current"}, {"resources", std::move(entries)}}})}};
}

Answer groups(bool core, std::string_view accept) {
  const std::string_view version = aggregated_version(accept);
  if (version.empty()) {
    if (core) {
      return json_answer({{"kind", "APIVersions"},
                          {"versions", {"v1"}},
                          {"serverAddressByClientCIDRs", Json::array()}});
    }
    return json_answer(
        {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", Json::array({own_group()})}});
  }
  const Json item =
      core ? aggregated(core_resources(), "", "v1") : aggregated(own_resources(), group, "v1beta1");
  Answer answer = json_answer({{"kind", "APIGroupDiscoveryList"},
                               {"apiVersion", cat("apidiscovery.k8s.io/", version)},
                               {"metadata", Json::object()},
                               {"items", Json::array({item})}});
  answer.content_type =
      cat("application/json;g=apidiscovery.k8s.io;v=", version, ";as=APIGroupDiscoveryList");
  return answer;
}

Json space_json(const std::string& space) {
  return {{"kind", "Namespace"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", space}, {"labels", {{"kubernetes.io/metadata.name", space}}}}},
          {"spec", Json::object()},
          {"status", {{"phase", "Active"}}}};
}

Json list_json(std::string_view kind, Json items) {
  return {{"kind", kind},
          {"apiVersion", "v1"},
          {"metadata", {{"resourceVersion", "0"}}},
          {"items", std::move(items)}};
}

std::optional<Answer> core_objects(std::string_view path, const std::set<std::string>& spaces) {
  if (path == "namespaces") {
    Json items = Json::array();
    for (const std::string& space : spaces) items.push_back(space_json(space));
    return json_answer(list_json("NamespaceList", std::move(items)));
  }
  const auto parts = base::split(path, '/');
  if (path == "events" || (parts.size() == 3 && parts[0] == "namespaces" && parts[2] == "events")) {
    return json_answer(list_json("EventList", Json::array()));
  }
  if (parts.size() != 2 || parts[0] != "namespaces") return std::nullopt;
  const std::string space(parts[1]);
  if (spaces.contains(space)) return json_answer(space_json(space));
  Failure missing{404, "NotFound", cat("namespaces \"", space, "\" not found"), nullptr, ""};
  return json_answer(missing.to_json(), 404);
}

// Whatever was asked, and in whatever encoding: kubectl 1.33 asks in protobuf and reads JSON.
Answer review() {
  return json_answer({{"kind", "SelfSubjectAccessReview"},
                      {"apiVersion", "authorization.k8s.io/v1"},
                      {"metadata", Json::object()},
                      {"spec", Json::object()},
                      {"status", {{"allowed", true}, {"reason", "the token may do everything"}}}},
                     201);
}

}  // namespace

std::optional<Answer> discover(const base::http::Request& request,
                               const std::set<std::string>& spaces) {
  const std::string_view path = request.path;
  if (request.method == "POST") {
    if (path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") {
      return review();
    }
    return std::nullopt;
  }
  if (request.method != "GET") return std::nullopt;
  if (path == "/api") return groups(true, request.header("accept"));
  if (path == "/apis") return groups(false, request.header("accept"));
  if (path == "/api/v1") return json_answer(core_resources());
  if (path == cat("/apis/", group)) {
    Json json = own_group();
    json["kind"] = "APIGroup";
    json["apiVersion"] = "v1";
    return json_answer(json);
  }
  if (path == cat("/apis/", group_version)) return json_answer(own_resources());
  if (path == "/openapi/v3") return Answer{200, "application/json", openapi_v3_index()};
  if (path == cat("/openapi/v3/apis/", group_version)) {
    return Answer{200, "application/json", openapi_v3_document()};
  }
  if (path == "/openapi/v2") return Answer{200, openapi_v2_type, openapi_v2_protobuf()};
  constexpr std::string_view core = "/api/v1/";
  if (path.starts_with(core)) return core_objects(path.substr(core.size()), spaces);
  return std::nullopt;
}

std::string version_text() {
  return dmi::to_text({{"major", "1"},
                       {"minor", "30"},
                       {"gitVersion", "v1.30.0-devicetwin"},
                       {"gitCommit", ""},
                       {"gitTreeState", "clean"},
                       {"buildDate", "1970-01-01T00:00:00Z"},
                       {"goVersion", ""},
                       {"compiler", "g++"},
                       {"platform", "linux"}});
}

}  // namespace devicetwin::kube

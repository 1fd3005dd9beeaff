#include "verbs.hpp"

#include <charconv>

#include "base/text.hpp"
#include "body.hpp"
#include "dmi/crd.hpp"
#include "patch.hpp"
#include "selector.hpp"
#include "table.hpp"
#include "view.hpp"

namespace devicetwin::kube {

using base::cat;
using base::Result;
using base::http::Request;
using dmi::Json;

namespace {

constexpr const char* json_type = "application/json";

void answer(const Verbs::Response& response, const Failure& failure) {
  base::http::Response::Headers headers;
  // client-go tries again after so many seconds instead of at once.
  if (failure.code == 429 || failure.code == 503) headers.emplace_back("Retry-After", "5");
  response->send(failure.code, json_type, failure.to_text(), std::move(headers));
}

// Core's answer to a create (201) or an update (200), whenever it comes.
Core::Done answer_with(int status, const Place& place, std::vector<std::string> warnings,
                       const Verbs::Response& response) {
  return [=](Result<Object> stored) {
    const bool creating = status == 201;
    if (!stored)
      return answer(response, failure_of(stored.status(), *place.resource, place.name, creating));
    response->send(status, json_type, stored->text.str(), warning_headers(warnings));
  };
}

std::optional<Failure> read_selector(const Request& request, Selector& selector) {
  auto parsed =
      Selector::parse(request.parameter("labelSelector"), request.parameter("fieldSelector"));
  if (!parsed) return bad_request(parsed.status().text());
  selector = std::move(*parsed);
  return std::nullopt;
}

// What Core checks of an object across its fields, for requests that Core does not get to see.
base::Status check_fields(Kind kind, const Json& object) {
  if (kind == Kind::device) return dmi::device_from_json(object).status();
  return dmi::model_from_json(object).status();
}

bool is_true(const Request& request, std::string_view name) {
  const std::string_view value = request.parameter(name);
  return value == "true" || value == "1";
}

std::string success(const Place& place, const View& removed) {
  const Json object = Json::parse(removed.text.str(), nullptr, false);
  Json details = {{"name", removed.id.name}, {"group", group}, {"kind", place.resource->plural}};
  if (object.is_object() && object.contains("metadata")) {
    details["uid"] = object["metadata"].value("uid", "");
  }
  return dmi::to_text({{"kind", "Status"},
                       {"apiVersion", "v1"},
                       {"metadata", Json::object()},
                       {"status", "Success"},
                       {"details", std::move(details)}});
}

// DeleteOptions in a body: what of them binds us.
struct RemoveOptions {
  bool dry_run = false;
  std::string uid;
  std::string version;
};

std::optional<Failure> read_remove_options(const Request& request, RemoveOptions& options) {
  WriteOptions from_query;
  if (auto failure = read_options(request, from_query)) return failure;
  options.dry_run = from_query.dry_run;
  if (request.body.empty()) return std::nullopt;
  const auto body = parse_body(request.body);
  if (!body || !body->json.is_object()) return bad_request("the body is not a JSON object");
  const Json& json = body->json;
  if (const auto dry_run = json.find("dryRun"); dry_run != json.end()) {
    options.dry_run = options.dry_run || *dry_run == Json::array({"All"});
  }
  const auto conditions = json.find("preconditions");
  if (conditions == json.end() || !conditions->is_object()) return std::nullopt;
  for (const auto& [key, value] : conditions->items()) {
    if (key == "uid" && value.is_string()) options.uid = value;
    if (key == "resourceVersion" && value.is_string()) options.version = value;
  }
  return std::nullopt;
}

// A collection that is being removed, object by object.
struct Removal {
  std::size_t left = 0;
  std::string items;
  std::optional<Failure> failure;
};

std::string list_text(const Resource& resource, std::uint64_t version, std::string_view items) {
  return cat("{\"apiVersion\":\"", group_version, "\",\"kind\":\"", resource.list_name(),
             "\",\"metadata\":{\"resourceVersion\":\"", version, "\"},\"items\":[", items, "]}");
}

}  // namespace

void Verbs::handle(const Place& place, const Request& request, const Response& response) {
  if (const Maybe failure = step(place, request, response)) answer(response, *failure);
}

Verbs::Maybe Verbs::step(const Place& place, const Request& request, const Response& response) {
  const bool one = !place.name.empty();
  if (request.method == "GET") {
    if (one) return get(place, request, response);
    return is_true(request, "watch") ? watch(place, request, response)
                                     : list(place, request, response);
  }
  if (!place.resource->writable || place.space.empty()) {
    return not_allowed(*place.resource, place.name);
  }
  if (request.method == "POST" && !one) return create(place, request, response);
  if (request.method == "PUT" && one) return in_turn(place, request, response, &Verbs::update);
  if (request.method == "PATCH" && one) return in_turn(place, request, response, &Verbs::patch);
  if (request.method == "DELETE") {
    return one ? in_turn(place, request, response, &Verbs::remove)
               : remove_all(place, request, response);
  }
  return not_allowed(*place.resource, place.name);
}

// What is made of the object as it is must be made of what the verbs before leave.
Verbs::Maybe Verbs::in_turn(const Place& place, const Request& request, const Response& response,
                            Step write) {
  const auto task = [=, this] {
    if (const Maybe failure = (this->*write)(place, request, response)) answer(response, *failure);
  };
  if (core_.in_turn(place.resource->kind, {place.space, place.name}, task)) return std::nullopt;
  return too_many(cat(place.resource->qualified(), " \"", place.name, "\": ", Core::max_waiting,
                      " changes of it wait for the disk"));
}

Verbs::Maybe Verbs::get(const Place& place, const Request& request, const Response& response) {
  const auto view = view_of(core_, place.resource->kind, {place.space, place.name});
  if (!view) return not_found(*place.resource, place.name);
  const Form form = form_of(request.header("accept"), request.parameter("includeObject"));
  if (form == Form::objects) {
    response->send(200, json_type, view->text.str());
    return std::nullopt;
  }
  Table table(core_, *place.resource, form, true, core_.loop().wall());
  table.add(view->id, view->text.str());
  response->send(200, json_type, std::move(table).text(view->version));
  return std::nullopt;
}

Verbs::Maybe Verbs::list(const Place& place, const Request& request, const Response& response) {
  Selector selector;
  if (auto failure = read_selector(request, selector)) return failure;
  const Resource& resource = *place.resource;
  const Form form = form_of(request.header("accept"), request.parameter("includeObject"));
  if (form != Form::objects) {
    Table table(core_, resource, form, true, core_.loop().wall());
    for_each_view(core_, resource.kind, place.space, selector,
                  [&](const View& view) { table.add(view.id, view.text.str()); });
    response->send(200, json_type, std::move(table).text(core_.shown_version()));
    return std::nullopt;
  }
  std::string items;
  for_each_view(core_, resource.kind, place.space, selector, [&](const View& view) {
    if (!items.empty()) items += ',';
    items += view.text.str();
  });
  response->send(200, json_type, list_text(resource, core_.shown_version(), items));
  return std::nullopt;
}

Verbs::Maybe Verbs::watch(const Place& place, const Request& request, const Response& response) {
  WatchRequest wanted;
  wanted.resource = place.resource;
  wanted.space = place.space;
  if (auto failure = read_selector(request, wanted.selector)) return failure;
  wanted.form = form_of(request.header("accept"), request.parameter("includeObject"));
  wanted.bookmarks = is_true(request, "allowWatchBookmarks");
  wanted.initial_bookmark = is_true(request, "sendInitialEvents");
  const std::string_view version = request.parameter("resourceVersion");
  if (!version.empty()) {
    const auto [end, error] =
        std::from_chars(version.data(), version.data() + version.size(), wanted.since);
    if (error != std::errc() || end != version.data() + version.size()) {
      return bad_request(cat("resourceVersion: Invalid value: \"", version, "\": not a number"));
    }
  }
  // sendInitialEvents asks for what there is, whatever the version it was seen at.
  if (wanted.initial_bookmark) wanted.since = 0;
  std::int64_t seconds = 0;
  if (base::parse_int(request.parameter("timeoutSeconds"), seconds) && seconds > 0) {
    wanted.timeout =
        std::min(wanted.timeout, std::chrono::seconds(std::min<std::int64_t>(seconds, 3600)));
  }
  return watches_.start(std::move(wanted), response);
}

Verbs::Maybe Verbs::create(const Place& place, const Request& request, const Response& response) {
  return store_body(place, request, response, &Verbs::store_new);
}

Verbs::Maybe Verbs::update(const Place& place, const Request& request, const Response& response) {
  return store_body(place, request, response, &Verbs::store_changed);
}

// POST and PUT: the body is the whole object.
Verbs::Maybe Verbs::store_body(const Place& place, const Request& request, const Response& response,
                               StoreObject store) {
  WriteOptions options;
  if (auto failure = read_options(request, options)) return failure;
  const std::string type = media_type(request);
  if (type != json_type && !type.empty()) {
    return unsupported_media_type(cat("the body is ", type, ", this server takes ", json_type));
  }
  auto body = parse_body(request.body);
  if (!body) return bad_request(body.status().text());
  std::vector<std::string> warnings;
  if (auto failure = admit(place, options, body->duplicates, body->json, warnings)) return failure;
  return (this->*store)(place, options, std::move(body->json), std::move(warnings), response);
}

Verbs::Maybe Verbs::store_new(const Place& place, const WriteOptions& options, Json object,
                              std::vector<std::string> warnings, const Response& response) {
  Place target = place;
  target.name = object["metadata"]["name"];
  if (!options.dry_run) {
    core_.create(place.resource->kind, std::move(object), Origin::kubernetes,
                 answer_with(201, target, std::move(warnings), response));
    return std::nullopt;
  }
  if (core_.find(place.resource->kind, {target.space, target.name}) != nullptr) {
    return already_exists(*place.resource, target.name);
  }
  if (const auto status = check_fields(place.resource->kind, object); !status.ok()) {
    return failure_of(status, *place.resource, target.name, true);
  }
  Json& metadata = object["metadata"];
  metadata["uid"] = base::uuid();
  metadata["generation"] = 1;
  metadata["creationTimestamp"] = base::to_rfc3339(core_.loop().wall());
  metadata.erase("resourceVersion");
  response->send(201, json_type, dmi::to_text(object), warning_headers(warnings));
  return std::nullopt;
}

Verbs::Maybe Verbs::store_changed(const Place& place, const WriteOptions& options, Json object,
                                  std::vector<std::string> warnings, const Response& response) {
  const Resource& resource = *place.resource;
  const Object* current = core_.newest(resource.kind, {place.space, place.name});
  if (current == nullptr) return not_found(resource, place.name);
  const Json& metadata = object["metadata"];
  const std::uint64_t expected = version_of(object).value_or(0);
  if (expected != 0 && expected != current->version) return changed_meanwhile(resource, place.name);
  if (const std::string uid = metadata.value("uid", ""); !uid.empty() && uid != current->uid) {
    Failure failure = changed_meanwhile(resource, place.name);
    failure.message = cat("Operation cannot be fulfilled on ", resource.qualified(), " \"",
                          place.name, "\": Precondition failed: UID in precondition: ", uid,
                          ", UID in object meta: ", current->uid);
    return failure;
  }
  if (!options.dry_run) {
    core_.update(resource.kind, std::move(object), expected, Origin::kubernetes,
                 answer_with(200, place, std::move(warnings), response));
    return std::nullopt;
  }
  if (const auto status = check_fields(resource.kind, object); !status.ok()) {
    return failure_of(status, resource, place.name, false);
  }
  const Json before = Json::parse(current->text.str(), nullptr, false);
  for (const char* kept : {"uid", "creationTimestamp", "resourceVersion", "generation"}) {
    if (before["metadata"].contains(kept)) object["metadata"][kept] = before["metadata"][kept];
  }
  response->send(200, json_type, dmi::to_text(object), warning_headers(warnings));
  return std::nullopt;
}

Verbs::Maybe Verbs::patch(const Place& place, const Request& request, const Response& response) {
  WriteOptions options;
  if (auto failure = read_options(request, options)) return failure;
  const std::string type = media_type(request);
  const bool apply = type == "application/apply-patch+yaml";
  if (!apply && type != "application/merge-patch+json" && type != "application/json-patch+json") {
    // Word for word what kube-apiserver says for custom resources, and kubectl shows.
    return unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
  }
  auto body = parse_body(request.body);
  if (!body) return bad_request(body.status().text());
  const Object* current = core_.newest(place.resource->kind, {place.space, place.name});
  if (current == nullptr && !apply) return not_found(*place.resource, place.name);

  Json object =
      current == nullptr ? Json::object() : Json::parse(current->text.str(), nullptr, false);
  if (type == "application/json-patch+json") {
    auto patched = json_patch(object, body->json);
    if (!patched)
      return invalid(*place.resource, place.name, {cat("patch: ", patched.status().text())});
    object = std::move(*patched);
  } else if (!body->json.is_object()) {
    return bad_request("the patch is not a JSON object");
  } else if (apply) {
    object = apply_patch(std::move(object), body->json);
  } else {
    object = merge_patch(std::move(object), body->json);
  }
  std::vector<std::string> warnings;
  if (auto failure = admit(place, options, body->duplicates, object, warnings)) return failure;
  if (current == nullptr) {
    return store_new(place, options, std::move(object), std::move(warnings), response);
  }
  return store_changed(place, options, std::move(object), std::move(warnings), response);
}

Verbs::Maybe Verbs::remove(const Place& place, const Request& request, const Response& response) {
  RemoveOptions options;
  if (auto failure = read_remove_options(request, options)) return failure;
  const Resource& resource = *place.resource;
  const dmi::ObjectId id{place.space, place.name};
  const Object* current = core_.newest(resource.kind, id);
  if (current == nullptr) return not_found(resource, place.name);
  if ((!options.uid.empty() && options.uid != current->uid) ||
      (!options.version.empty() && options.version != cat(current->version))) {
    return changed_meanwhile(resource, place.name);
  }
  std::string done = success(place, View{id, current->version, current->text});
  if (options.dry_run) {
    response->send(200, json_type, std::move(done));
    return std::nullopt;
  }
  core_.remove(
      resource.kind, id, Origin::kubernetes, [=, done = std::move(done)](Result<Object> removed) {
        if (!removed)
          return answer(response, failure_of(removed.status(), *place.resource, place.name, false));
        response->send(200, json_type, done);
      });
  return std::nullopt;
}

Verbs::Maybe Verbs::remove_all(const Place& place, const Request& request,
                               const Response& response) {
  RemoveOptions options;
  if (auto failure = read_remove_options(request, options)) return failure;
  Selector selector;
  if (auto failure = read_selector(request, selector)) return failure;
  const auto removal = std::make_shared<Removal>();
  std::vector<dmi::ObjectId> ids;
  for_each_view(core_, place.resource->kind, place.space, selector, [&](const View& view) {
    ids.push_back(view.id);
    removal->items += cat(removal->items.empty() ? "" : ",", view.text.str());
  });
  const auto finish = [removal, response, resource = place.resource,
                       version = core_.shown_version()] {
    if (removal->failure) return answer(response, *removal->failure);
    response->send(200, json_type, list_text(*resource, version, removal->items));
  };
  if (ids.empty() || options.dry_run) {
    finish();
    return std::nullopt;
  }
  removal->left = ids.size();
  for (const dmi::ObjectId& id : ids) {
    core_.remove(place.resource->kind, id, Origin::kubernetes,
                 [removal, finish, id, resource = place.resource](Result<Object> removed) {
                   // Gone already is what was asked for.
                   if (!removed && removed.status().code() != base::Code::not_found) {
                     removal->failure = failure_of(removed.status(), *resource, id.name, false);
                   }
                   if (--removal->left == 0) finish();
                 });
  }
  return std::nullopt;
}

}  // namespace devicetwin::kube

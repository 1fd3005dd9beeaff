// What a write must pass before Core sees it: the request's options, and the object itself. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/http.hpp"
#include "dmi/json.hpp"
#include "failure.hpp"
#include "resource.hpp"

namespace devicetwin::kube {

// kube-apiserver's limit on bodies, and ours on what patches may make of an object.
inline constexpr std::size_t max_object_bytes = 3u << 20;

struct WriteOptions {
  enum class Validation { ignore, warn, strict } validation = Validation::warn;
  bool dry_run = false;
};
std::optional<Failure> read_options(const base::http::Request& request, WriteOptions& options);

// "application/json; charset=utf-8" → "application/json".
std::string media_type(const base::http::Request& request);

// Checks that object is one of place's kind, in its namespace and (where it has one) of its name,
// fits the schema and the limits; fills apiVersion-independent defaults (namespace, a generated
// name) and prunes what the schema does not know. With Validation::warn, what was unknown or stood
// twice goes to warnings; with strict it is the failure. Keys that do nothing (dmi::idle_keys) go
// to warnings with both.
std::optional<Failure> admit(const Place& place, const WriteOptions& options,
                             const std::vector<std::string>& duplicates, dmi::Json& object,
                             std::vector<std::string>& warnings);

// metadata.resourceVersion; 0: none. nullopt: not a number.
std::optional<std::uint64_t> version_of(const dmi::Json& object);

// As "Warning" headers, safe whatever a client calls its fields.
base::http::Response::Headers warning_headers(const std::vector<std::string>& warnings);

}  // namespace devicetwin::kube

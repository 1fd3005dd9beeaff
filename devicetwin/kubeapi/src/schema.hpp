// Whether an object is one of its kind: KubeEdge's CRD schemas, applied as kube-apiserver does.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dmi/json.hpp"
#include "resource.hpp"

namespace devicetwin::kube {

// The OpenAPI v3 schema of a kind, metadata included.
dmi::Json schema_of(Kind kind);

struct Findings {
  // Fields the schema does not know, as paths: "spec.properties[0].bogus".
  std::vector<std::string> unknown;
  // What makes the object invalid, in Kubernetes' words and with the path first.
  std::vector<std::string> errors;
};
// Each list holds at most 33. Removes unknown fields and nulls from object, as the CRD's pruning
// does, and says what it found. Below x-kubernetes-preserve-unknown-fields everything stays.
Findings check(Kind kind, dmi::Json& object);

// "" when name can name an object (DNS-1123 subdomain), else Kubernetes' sentence why not.
std::string name_objection(std::string_view name);
// The same for a namespace (DNS-1123 label).
std::string namespace_objection(std::string_view space);

}  // namespace devicetwin::kube

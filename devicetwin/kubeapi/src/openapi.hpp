// What this endpoint says of its own schema: OpenAPI v3 for today's kubectl, and the little of v2
// that kubectl before 1.27 cannot do without. Pure; any thread.
#pragma once

#include <string>

namespace devicetwin::kube {

// GET /openapi/v3: where the document is; its hash changes with the document.
std::string openapi_v3_index();
// GET /openapi/v3/apis/devices.kubeedge.io/v1beta1
const std::string& openapi_v3_document();

// GET /openapi/v2 in gnostic's protobuf: only that PATCH takes dryRun, for each kind. Without it
// kubectl 1.20 refuses --dry-run=server and diff; with anything less it refuses create.
std::string openapi_v2_protobuf();
// As Go's mime parser accepts it: with '.' where the Accept header has '@'.
inline constexpr const char* openapi_v2_type =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

}  // namespace devicetwin::kube

// The fixed answers: which APIs there are, and the few foreign ones kubectl asks for. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/http.hpp"

namespace devicetwin::kube {

struct Answer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// What a path without objects answers; spaces are the namespaces in use. nullopt: not one of these.
// GET: /api, /apis (aggregated when the client asks for it), /api/v1, /apis/GROUP[/VERSION],
// /openapi/v2, /openapi/v3, /api/v1/namespaces[/NAME], events (there are none).
// POST: selfsubjectaccessreviews: whoever has the token may do everything.
std::optional<Answer> discover(const base::http::Request& request,
                               const std::set<std::string>& spaces);

// GET /version. kubectl's dispatcher takes the minor version for the client to run.
std::string version_text();

}  // namespace devicetwin::kube

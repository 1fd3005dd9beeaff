// Why a request was not carried out, as Kubernetes' Status object says it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "dmi/json.hpp"
#include "resource.hpp"

namespace devicetwin::kube {

struct Failure {
  int code = 500;
  std::string reason;   // "NotFound" ...: what clients switch on
  std::string message;  // what kubectl prints
  const Resource* resource = nullptr;
  std::string name;
  // Of an invalid object, each "path: what": kubectl prints these instead of the message.
  std::vector<std::string> causes = {};

  dmi::Json to_json() const;
  std::string to_text() const { return dmi::to_text(to_json()); }
};

Failure bad_request(std::string message);
Failure unknown_path();
Failure not_found(const Resource& resource, std::string_view name);
Failure already_exists(const Resource& resource, std::string_view name);
// Somebody else changed the object meanwhile.
Failure changed_meanwhile(const Resource& resource, std::string_view name);
// causes: each "spec.x: Invalid value: ..."; at most 32 are told.
Failure invalid(const Resource& resource, std::string_view name, std::vector<std::string> causes);
Failure not_allowed(const Resource& resource, std::string_view name);
Failure unsupported_media_type(std::string message);
Failure gone(std::string message);
Failure too_many(std::string message);
Failure unauthorized();
Failure only_get();  // of a path that is no resource

// What Core said to a verb. creating: a conflict means that the object exists.
Failure failure_of(const base::Status& status, const Resource& resource, std::string_view name,
                   bool creating);
// What a path that is no resource said.
Failure failure_of(const base::Status& status);

}  // namespace devicetwin::kube

// Which keys Device and DeviceModel objects have: a misspelt one passes unseen otherwise, because
// Kubernetes prunes what a CRD does not know. Pure; any thread.
#pragma once

#include <functional>
#include <string>

#include "dmi/json.hpp"

namespace mapper {

// Calls tell(path, what) for every key of an object of kind Device or DeviceModel that the CRD
// (v1beta1) does not have. What protocols define (configData), labels, annotations and status are
// free.
void find_unknown_keys(const std::string& kind, const dmi::Json& object,
                       const std::function<void(std::string path, std::string what)>& tell);

}  // namespace mapper

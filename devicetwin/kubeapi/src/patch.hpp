// The ways to change an object by a part of it. Pure; any thread.
#pragma once

#include <string_view>

#include "base/status.hpp"
#include "dmi/json.hpp"

namespace devicetwin::kube {

// RFC 7396: null removes a key, arrays are replaced whole.
dmi::Json merge_patch(dmi::Json object, const dmi::Json& patch);

// RFC 6902. invalid: not a patch, or an operation that does not apply; the text says which one.
base::Result<dmi::Json> json_patch(const dmi::Json& object, const dmi::Json& patch);

// Server-side apply without field owners: objects are merged, everything else is replaced, and
// what is not named stays (Kubernetes would remove what the same manager named before).
dmi::Json apply_patch(dmi::Json object, const dmi::Json& patch);

}  // namespace devicetwin::kube

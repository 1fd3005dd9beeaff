// The devices of YAML files as a driver sees them: for tools and simulators, which work without a
// session. Called before the loop runs; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/status.hpp"
#include "mapper/driver.hpp"

namespace mapper {

// Devices and models of multi-document YAML files as for kubectl apply, merged, typed and checked;
// devices of other protocols are left out. In the files' order.
// invalid: one line per mistake of all the files, each with file:line:column and path; also when
// no device of this protocol is there.
// devices: filled with what each target was made of, in the same order.
base::Result<std::vector<Target>> load_targets(const std::vector<std::string>& files,
                                               const std::string& protocol,
                                               std::vector<dmi::Device>* devices = nullptr);

}  // namespace mapper

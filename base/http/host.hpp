// Whom a request asks for. Pure but for the machine's name; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/http.hpp"

namespace base::http {

// The text of what is wrong; "": every Host (there is none, or several) is an IP address,
// localhost, this machine's name, or one of options.names.
std::string host_objection(const Request& request, const Options& options);

}  // namespace base::http

// The first line of an HTTP request taken apart. Pure; any thread.
#pragma once

#include <string_view>

#include "base/http.hpp"

namespace base::http {

// Fills path and query from "/a%20b?x=1&y", decoded ('+' is a space in the query, RFC 1866 §8.2.1).
// false: a broken %-sequence, a NUL, or no leading '/'; request is then in an unspecified state.
bool parse_target(std::string_view target, Request& request);

}  // namespace base::http

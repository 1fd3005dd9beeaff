// What the settings of an access to a server have in common, whether over MQTT or HTTP. name: what
// a person calls the setting; texts begin with it. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.hpp"
#include "base/trust.hpp"

namespace base {

// invalid: one of two settings that go together is missing. Pure.
Status check_both(std::string_view name, const std::string& value, std::string_view other_name,
                  const std::string& other);
// As read_trusted() of a file that is set; "": none is.
Status check_file(std::string_view name, const std::string& file, Trust how);
// The first line of a secret file. As read_trusted().
Result<std::string> read_password(const std::string& file);

}  // namespace base

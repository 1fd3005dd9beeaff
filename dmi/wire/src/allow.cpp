#include "dmi/wire/allow.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/text.hpp"

namespace dmi::wire {

using base::Code;
using base::Status;

base::Status Allow::add(std::string_view who) {
  const bool group = who.starts_with('@');
  const std::string name(group ? who.substr(1) : who);
  std::int64_t number = -1;
  if (!base::parse_int(name, number)) {
    // Called at start, before there are threads that could ask the same.
    if (group) {
      if (const ::group* found = ::getgrnam(name.c_str())) number = found->gr_gid;
    } else {
      if (const ::passwd* found = ::getpwnam(name.c_str())) number = found->pw_uid;
    }
  }
  if (number < 0 || number >= std::numeric_limits<std::uint32_t>::max()) {
    return Status(Code::invalid, base::cat(who, ": there is no such ", group ? "group" : "user",
                                           "; USER, UID, @GROUP or @GID"));
  }
  (group ? gids_ : uids_).push_back(static_cast<std::uint32_t>(number));
  return Status();
}

bool Allow::permits(std::uint32_t uid, const std::vector<std::uint32_t>& groups) const {
  if (empty() || uid == 0 || uid == ::geteuid() || std::ranges::find(uids_, uid) != uids_.end()) {
    return true;
  }
  return std::ranges::any_of(groups, [this](std::uint32_t group) {
    return std::ranges::find(gids_, group) != gids_.end();
  });
}

}  // namespace dmi::wire

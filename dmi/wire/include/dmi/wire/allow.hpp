// Who may connect to a socket, besides what its file mode says. Value; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.hpp"

namespace dmi::wire {

class Allow {
 public:
  // who: a user's name or number, or '@' and a group's. invalid: there is none of that name.
  base::Status add(std::string_view who);
  // Nobody was named: everybody whom the file mode lets in.
  bool empty() const { return uids_.empty() && gids_.empty(); }
  // root and the user that asks are always let in. groups: all of the peer's.
  bool permits(std::uint32_t uid, const std::vector<std::uint32_t>& groups) const;

 private:
  std::vector<std::uint32_t> uids_;
  std::vector<std::uint32_t> gids_;
};

}  // namespace dmi::wire

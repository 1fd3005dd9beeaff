// Which desired values of writeOnce points were sent: noted on disk before they go out, so that no
// kill and no restart makes a mapper send one again.
//
// Threads: all on the loop. note() waits for the disk; commands are rare.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/status.hpp"

namespace mapper {

class Ledger {
 public:
  // In memory only: forgets when the mapper ends.
  Ledger() = default;
  // Reads path; a file that is not there yet is an empty one. invalid: not a ledger.
  static base::Result<Ledger> open(std::filesystem::path path);

  // Whether this is the value that was sent last. point: "default/pump.start".
  bool sent(const std::string& point, const std::string& value) const;
  // Whether it is known, in this process, that the device took it.
  bool was_carried_out(const std::string& point, const std::string& value) const;
  void carried_out(const std::string& point);
  // To be called before it is sent. unavailable: the disk says why; it must not be sent then.
  base::Status note(const std::string& point, const std::string& value);

 private:
  std::filesystem::path path_;  // empty: in memory only
  std::map<std::string, std::string> last_;
  std::set<std::string> carried_out_;
};

}  // namespace mapper

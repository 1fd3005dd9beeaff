// The computer's IPv4 interfaces. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gige {

struct Interface {
  std::string name;  // "eth1", without the label of a second address ("lo:2")
  std::uint32_t ip = 0;
  std::uint32_t mask = 0;
  std::uint32_t broadcast = 0;  // 0: has none
  unsigned index = 0;
  int mtu = 0;  // bytes with IP header; 0: not known
  bool loopback = false;
};

// One for each address, of interfaces that are up. wanted: a name or an address of ours; empty:
// all.
std::vector<Interface> interfaces(const std::string& wanted);

}  // namespace gige

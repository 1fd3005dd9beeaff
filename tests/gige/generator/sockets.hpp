// The UDP sockets of a camera at one address. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.hpp"

namespace generator {

class Sockets {
 public:
  // unavailable: not an address of an interface, or its port 3956 is taken (the text says which).
  static base::Result<Sockets> open(const std::string& address);
  Sockets(Sockets&& other) noexcept { *this = std::move(other); }
  Sockets& operator=(Sockets&& other) noexcept;
  ~Sockets();

  std::uint32_t ip = 0;         // host order
  int control = -1;             // ADDRESS:3956
  std::vector<int> broadcasts;  // 255.255.255.255:3956 and the network's own
  int stream = -1;              // ADDRESS, any port
  std::uint16_t stream_port = 0;
  int foreign = -1;  // not the camera's: another address of 127.0.0.0/8, or port

 private:
  Sockets() = default;
};

}  // namespace generator

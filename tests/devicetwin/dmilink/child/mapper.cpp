// A mapper at the socket that is the first argument; prints what it is told, a line a call, until
// it is killed. A process that tests can stop and continue.
#include <unistd.h>

#include <cstdio>

#include "devicetwin/dmilink/mapper.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  devicetwin::Mapper mapper(argv[1]);
  std::puts("serving");
  for (std::size_t told = 0;; ::usleep(2000)) {
    const auto calls = mapper.calls();
    for (; told < calls.size(); ++told) std::printf("%s\n", calls[told].c_str());
    std::fflush(stdout);
  }
}

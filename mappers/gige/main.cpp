// The GigE Vision mapper: the protocol with its verbs, and the SDK's program around it.
#include "gige/driver.hpp"
#include "mapper/driver.hpp"

int main(int argc, char** argv) {
  mapper::Protocol protocol = gige::protocol();
  return mapper::run(argc, argv, protocol);
}

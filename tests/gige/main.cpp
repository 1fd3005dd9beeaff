// Tests of cameras need addresses and the camera's fixed port, 3956, for themselves: the program
// moves into a network namespace of its own first, so that tests run beside each other and the
// host's network stays as it is. In it: lo with 127.0.0.1 … 127.0.0.8, one for each camera.
#include <gtest/gtest.h>

#include "support/own_network.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!testing::GTEST_FLAG(list_tests)) test_support::enter_own_network(8);
  return RUN_ALL_TESTS();
}

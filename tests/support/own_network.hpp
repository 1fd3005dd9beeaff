// A network namespace for this process and its children.
#pragma once

namespace test_support {

// Called in main(), before any thread. Afterwards there is only lo, up, with 127.0.0.1 to
// 127.0.0.N as addresses of interfaces (lo, lo:2 …), N at most 8, MTU 65536. Works as root and,
// where the system allows user namespaces, as anybody. Ends the process with a text when it cannot.
void enter_own_network(int addresses);

}  // namespace test_support

// The verbs of every mapper: `read`, `write` and `lint`, and the protocol's own (Protocol::tools).
// Called in main(), before any loop runs.
#pragma once

#include <optional>
#include <string>

#include "mapper/driver.hpp"

namespace mapper {

// Runs the verb that argv[1] names; its exit status: 0, 1 failed, 2 wrong usage. nullopt: argv[1]
// is no verb, or is not there.
std::optional<int> run_verb(int argc, char** argv, const Protocol& protocol);

// The list of verbs for --help.
std::string verbs_manual(const Protocol& protocol);

// One verb each; argv[0] is "modbus-mapper read".
int read_verb(int argc, char** argv, const Protocol& protocol);
int write_verb(int argc, char** argv, const Protocol& protocol);
int lint_verb(int argc, char** argv, const Protocol& protocol);

}  // namespace mapper

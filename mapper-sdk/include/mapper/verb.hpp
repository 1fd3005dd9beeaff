// What the program and its verbs, the SDK's and a mapper's own, do with a command line: wrong words
// and exit statuses are alike everywhere. Called in main(), before any loop runs.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace mapper {

inline constexpr int exit_failed = 1;  // what was asked for could not be done
inline constexpr int exit_usage = 2;   // the arguments or files are wrong

// Parses the flags; nullopt: go on. Otherwise help or what is wrong was printed, and this is the
// exit status: 0 or exit_usage.
std::optional<int> parse_flags(CLI::App& app, int argc, char** argv);

// Prints what is wrong with the arguments to stderr. exit_usage.
int usage(const std::string& wrong);

}  // namespace mapper

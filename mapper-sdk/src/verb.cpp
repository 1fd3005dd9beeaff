#include "mapper/verb.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

namespace mapper {

std::optional<int> parse_flags(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  return std::nullopt;
}

int usage(const std::string& wrong) {
  std::fprintf(stderr, "%s\n", wrong.c_str());
  return exit_usage;
}

}  // namespace mapper

#include "tools.hpp"

#include <vector>

#include "base/text.hpp"
#include "print.hpp"

namespace mapper {

namespace {

// The SDK's verbs as Tools of this protocol; the protocol's own follow.
std::vector<Tool> tools_of(const Protocol& protocol) {
  std::vector<Tool> tools = {
      {"read", "read properties of devices once, or again and again",
       [&](int argc, char** argv) { return read_verb(argc, argv, protocol); }},
      {"write", "write properties of a device and read them back",
       [&](int argc, char** argv) { return write_verb(argc, argv, protocol); }},
      {"lint", "tell every mistake of Device and DeviceModel files",
       [&](int argc, char** argv) { return lint_verb(argc, argv, protocol); }}};
  tools.insert(tools.end(), protocol.tools.begin(), protocol.tools.end());
  return tools;
}

}  // namespace

std::optional<int> run_verb(int argc, char** argv, const Protocol& protocol) {
  if (argc < 2) return std::nullopt;
  for (const Tool& tool : tools_of(protocol)) {
    if (tool.name != argv[1]) continue;
    std::string name = base::cat(argv[0], " ", argv[1]);
    std::vector<char*> arguments = {name.data()};
    arguments.insert(arguments.end(), argv + 2, argv + argc);
    arguments.push_back(nullptr);
    return tool.main(argc - 1, arguments.data());
  }
  return std::nullopt;
}

std::string verbs_manual(const Protocol& protocol) {
  std::string text =
      base::cat("Verbs, instead of serving (", protocol.name, "-mapper VERB --help tells more):\n");
  for (const Tool& tool : tools_of(protocol)) {
    text += base::cat("  ", padded(tool.name, 7), " ", tool.summary, "\n");
  }
  return text;
}

}  // namespace mapper

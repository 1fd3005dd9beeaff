// `lint`: every mistake of Device and DeviceModel files at once.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <set>

#include "base/log.hpp"
#include "base/text.hpp"
#include "leave.hpp"
#include "lint.hpp"
#include "mapper/verb.hpp"
#include "tools.hpp"

namespace mapper {

using base::cat;

namespace {

constexpr const char* lint_manual =
    R"(The files are taken together, as kubectl apply takes them: a device may stand in one, its model in
another. Told are: what is no YAML, keys that are unknown or there twice, objects that are there
twice, devices without their model, properties that the model does not have, limits, desired values
the model forbids, and whatever the protocol has to say of settings and visitors. Devices of other
protocols are looked at as far as the protocol does not matter.

Every mistake is a line FILE:LINE:COLUMN: OBJECT: PATH: WHAT on stdout; the last line counts them.
Keys that are right and do nothing here are told the same way, after the word "note"; they are no mistake.

Exit status: 0 no mistake; 1 mistakes; 2 wrong flags.)";

std::string counted(std::size_t count, const char* word) {
  return cat(count, " ", word, count == 1 ? "" : "s");
}

}  // namespace

int lint_verb(int argc, char** argv, const Protocol& protocol) {
  std::vector<std::string> arguments;
  CLI::App app(cat("Tells every mistake of files for ", protocol.name, " devices."), argv[0]);
  app.footer(lint_manual);
  app.add_option("FILE", arguments, "YAML files, as for kubectl apply")
      ->required()
      ->type_name("FILE...");
  if (const std::optional<int> status = parse_flags(app, argc, argv)) return *status;
  base::set_log_level(base::Level::warning);
  std::vector<std::string> files;  // a file that is given twice is one file
  std::set<std::string> seen;
  for (const std::string& file : arguments) {
    if (seen.insert(file).second) files.push_back(file);
  }
  const LintResult result = lint(files, protocol);
  for (const std::string& note : result.notes) std::printf("note: %s\n", note.c_str());
  for (const std::string& mistake : result.mistakes) std::printf("%s\n", mistake.c_str());
  if (!result.mistakes.empty()) {
    std::printf("%s in %s\n", counted(result.mistakes.size(), "mistake").c_str(),
                counted(result.wrong_files, "file").c_str());
    return exit_failed;
  }
  std::printf("no mistake in %s: %s of protocol %s", counted(files.size(), "file").c_str(),
              counted(result.devices, "device").c_str(), protocol.name.c_str());
  if (result.others != 0) std::printf(", %zu of others", result.others);
  std::printf("\n");
  return 0;
}

}  // namespace mapper

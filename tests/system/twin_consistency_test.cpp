// Concurrent writers, readers and panel changes while every process is killed: the checker knows
// what must hold (history_check.hpp). CONSISTENCY_SEED and CONSISTENCY_SECONDS for other runs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>

#include "base/text.hpp"
#include "system/load.hpp"

namespace system_test {
namespace {

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

// What went wrong, each setting's history beside it; in a file, because it is long.
std::string report(const History& history, const std::vector<Violation>& violations) {
  std::string text;
  std::set<std::string> keys;
  for (const Violation& violation : violations) {
    text += base::cat("[", name(violation.rule), "] ", violation.key, ": ", violation.text, '\n');
    keys.insert(violation.key);
  }
  for (const std::string& key : keys) {
    const std::string file =
        base::cat("/tmp/consistency-", ::getpid(), '-', key.substr(key.find('/') + 1), ".txt");
    std::ofstream(file) << to_text(history, key);
    text += base::cat("history of ", key, ": ", file, '\n');
  }
  return text;
}

TEST(TwinConsistency, NoPromiseIsBrokenWhileEverythingIsKilled) {
  const unsigned seed = number_from("CONSISTENCY_SEED", 20261123);
  const auto duration = std::chrono::seconds(number_from("CONSISTENCY_SECONDS", 10));
  SCOPED_TRACE(base::cat("CONSISTENCY_SEED=", seed));
  Load load({.seed = seed});
  ASSERT_TRUE(load.start()) << load.diagnosis();
  load.begin_clients();
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) ASSERT_EQ(load.strike(), "");
  load.end_clients();
  const bool quiet = load.becomes_quiet(std::chrono::seconds(40));
  const History history = load.history();
  const auto violations = check(history);
  EXPECT_TRUE(violations.empty()) << report(history, violations) << load.diagnosis();
  EXPECT_TRUE(quiet) << load.diagnosis();
  EXPECT_GT(history.actuations.size(), 20u) << load.summary();
  EXPECT_GT(history.edge_versions.size(), 20u) << load.summary();
  EXPECT_FALSE(history.faults.empty());
  std::printf("%s\n", load.summary().c_str());
}

}  // namespace
}  // namespace system_test

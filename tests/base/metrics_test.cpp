#include "base/metrics.hpp"

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(MetricsTest, FamiliesHaveHelpTypeAndSamples) {
  Metrics metrics;
  metrics.counter("calls_total", "calls by verb");
  metrics.sample(3, {{"verb", "get"}, {"code", "200"}});
  metrics.sample(0.5);
  metrics.gauge("size_bytes", "size in bytes", 12345678901);
  EXPECT_EQ(metrics.text(),
            "# HELP calls_total calls by verb\n"
            "# TYPE calls_total counter\n"
            "calls_total{verb=\"get\",code=\"200\"} 3\n"
            "calls_total 0.5\n"
            "# HELP size_bytes size in bytes\n"
            "# TYPE size_bytes gauge\n"
            "size_bytes 12345678901\n");
}

TEST(MetricsTest, LabelsAreEscaped) {
  Metrics metrics;
  metrics.gauge("g", "h");
  metrics.sample(1, {{"name", "a\"b\\c\nd"}});
  EXPECT_NE(metrics.text().find(R"(g{name="a\"b\\c\nd"} 1)"), std::string::npos);
}

TEST(MetricsTest, OfThisProcess) {
  Metrics metrics;
  add_process(metrics);
  for (const char* name : {"process_resident_memory_bytes ", "process_open_fds ",
                           "process_cpu_seconds_total ", "process_start_time_seconds "}) {
    const std::size_t at = metrics.text().find(std::string("\n") + name);
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GT(std::stod(metrics.text().substr(at + 1 + std::string(name).size())), 0) << name;
  }
}

}  // namespace
}  // namespace base

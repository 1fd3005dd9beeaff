// How every benchmark prints: the machine, a table, and with --json FILE its metrics.
#pragma once

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

class Report {
 public:
  Report(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; ++i) {
      if (std::string_view(argv[i]) == "--json") json_ = argv[i + 1];
    }
    std::printf("machine: %s, %ld cores\n", processor().c_str(), ::sysconf(_SC_NPROCESSORS_ONLN));
  }

  // One line of the table. metric: its name in the JSON file, "" for lines that are only shown.
  void add(std::string_view metric, std::string_view what, double value, std::string_view unit,
           std::string_view aim = "") {
    std::printf("  %-58.*s %12.2f %-10.*s %.*s\n", int(what.size()), what.data(), value,
                int(unit.size()), unit.data(), int(aim.size()), aim.data());
    std::fflush(stdout);
    if (!metric.empty()) metrics_.emplace_back(metric, value);
  }

  ~Report() {
    if (json_.empty()) return;
    std::ofstream file(json_);
    const char* separator = "{";
    for (const auto& [name, value] : metrics_) {
      file << separator << "\n  \"" << name << "\": " << value;
      separator = ",";
    }
    file << "\n}\n";
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

 private:
  static std::string processor() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    }
    return "unknown processor";
  }

  std::string json_;
  std::vector<std::pair<std::string, double>> metrics_;
};

}  // namespace bench

#include "base/metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.hpp"

namespace base {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

// Field 22 of /proc/self/stat, in ticks since the machine started; the name in field 2 has blanks.
double start_seconds() {
  std::ifstream stat("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), {});
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  const auto fields = split(std::string_view(text).substr(name_end + 2), ' ');
  std::int64_t ticks = 0;
  if (fields.size() < 20 || !parse_int(fields[19], ticks)) return 0;
  std::ifstream kernel("/proc/stat");
  for (std::string line; std::getline(kernel, line);) {
    std::int64_t boot = 0;
    if (line.starts_with("btime ") && parse_int(std::string_view(line).substr(6), boot)) {
      return static_cast<double>(boot) +
             static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_files() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  // One of them is the iterator's own.
  return error ? 0 : static_cast<double>(std::distance(begin(files), end(files)) - 1);
}

}  // namespace

void Metrics::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += cat("# HELP ", name, ' ', help, "\n# TYPE ", name, ' ', type, '\n');
}

void Metrics::sample(double value, const Labels& labels) {
  text_ += name_;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    text_ += cat(i == 0 ? '{' : ',', labels[i].first, "=\"", escaped(labels[i].second), '"');
  }
  if (!labels.empty()) text_ += '}';
  // Counts are written as what they are; 2^53 is where a double stops being exact.
  const bool whole = std::trunc(value) == value && std::abs(value) < 9007199254740992.0;
  text_ += whole ? cat(' ', static_cast<std::int64_t>(value), '\n') : cat(' ', value, '\n');
}

void Metrics::counter(std::string_view name, std::string_view help, double value) {
  counter(name, help);
  sample(value);
}

void Metrics::gauge(std::string_view name, std::string_view help, double value) {
  gauge(name, help);
  sample(value);
}

void add_process(Metrics& metrics) {
  metrics.gauge("process_resident_memory_bytes", "resident memory in bytes", resident_bytes());
  metrics.gauge("process_open_fds", "open file descriptors", open_files());
  ::rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  metrics.counter("process_cpu_seconds_total", "user and system CPU time in seconds",
                  seconds(usage.ru_utime) + seconds(usage.ru_stime));
  metrics.gauge("process_start_time_seconds", "start of the process, in seconds since 1970",
                start_seconds());
}

}  // namespace base

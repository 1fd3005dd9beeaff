// A page of metrics in Prometheus' text format, version 0.0.4. Value; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace base {

class Metrics {
 public:
  static constexpr const char* content_type = "text/plain; version=0.0.4";
  using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

  // What follows are samples of this family. name: [a-z0-9_]+, of a counter ending in _total. help:
  // one line, with the unit.
  void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
  void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
  // Of the last family. Label values are any text.
  void sample(double value, const Labels& labels = {});
  // A family of one sample.
  void counter(std::string_view name, std::string_view help, double value);
  void gauge(std::string_view name, std::string_view help, double value);

  const std::string& text() const { return text_; }

 private:
  void family(std::string_view name, std::string_view type, std::string_view help);

  std::string text_;
  std::string name_;
};

// Of this process, by the names that Prometheus' clients use: process_resident_memory_bytes,
// process_open_fds, process_cpu_seconds_total, process_start_time_seconds.
void add_process(Metrics& metrics);

}  // namespace base

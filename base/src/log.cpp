#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.hpp"

namespace base {

namespace {

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      break;
  }
  return spdlog::level::err;
}

// Built at first use and never destroyed: threads of gRPC and Paho may log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto made = new spdlog::logger("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%d %H:%M:%S.%e %-7l %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_level(Level level) { logger().set_level(level_of(level)); }

void log(Level level, std::string_view text) {
  logger().log(level_of(level), spdlog::string_view_t(text.data(), text.size()));
}

void Repeats::warn(SteadyTime now, const std::string& key, std::string_view text) {
  if (entries_.size() >= max_keys && !entries_.contains(key)) entries_.clear();
  const auto [found, first] = entries_.try_emplace(key, Entry{now});
  Entry& entry = found->second;
  if (!first && now - entry.since < window) {
    ++entry.suppressed;
    return;
  }
  if (entry.suppressed == 0) {
    log_warning(text);
  } else {
    log_warning(cat(text, " (and ", entry.suppressed, " times more since it was logged last)"));
  }
  entry = Entry{now};
}

void Repeats::over(const std::string& key, std::string_view text) {
  if (entries_.erase(key) > 0) log_info(text);
}

}  // namespace base

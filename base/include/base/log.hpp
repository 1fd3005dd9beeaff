// The log of a process: one line an event, to stderr. Any thread.
// First occurrence is logged, repeats are counted and summed once a minute: see Repeats.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/loop.hpp"

namespace base {

enum class Level { debug, info, warning, error };

// Lines below this are dropped; default info.
void set_log_level(Level level);
void log(Level level, std::string_view text);
inline void log_info(std::string_view text) { log(Level::info, text); }
inline void log_warning(std::string_view text) { log(Level::warning, text); }
inline void log_error(std::string_view text) { log(Level::error, text); }

// Says a thing once, then counts it: the first text of a key is logged at once, further ones of
// the same key within the window only counted, and the sum is logged with the next one after it.
// Confined to one thread.
class Repeats {
 public:
  // key names the thing ("line2/boiler read"); text is what is logged the first time.
  void warn(SteadyTime now, const std::string& key, std::string_view text);
  // The thing is over: logs text if key had been warned about, and starts anew.
  void over(const std::string& key, std::string_view text);

  static constexpr auto window = std::chrono::minutes(1);
  // Keys remembered; past it the oldest knowledge is dropped and things are said again.
  static constexpr std::size_t max_keys = 4096;

 private:
  struct Entry {
    SteadyTime since;
    std::uint64_t suppressed = 0;
  };
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace base

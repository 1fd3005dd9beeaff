#include "dmi/history_rule.hpp"

#include <utility>

#include "base/text.hpp"

namespace dmi {

using base::cat;
using base::Code;
using base::Result;
using base::Status;

Result<std::int64_t> parse_history_age(std::string_view text) {
  constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  if (text == "0") return std::int64_t{0};
  for (const auto& [unit, factor] : units) {
    std::int64_t number = 0;
    if (!text.ends_with(unit) ||
        !base::parse_int(text.substr(0, text.size() - unit.size()), number)) {
      continue;
    }
    if (number == 0) return std::int64_t{0};
    if (number < 0 || number > max_history_age_ms / factor ||
        number * factor < min_history_age_ms) {
      return Status(Code::out_of_range, cat('"', text, "\" is neither 0 nor 1s to 366d"));
    }
    return number * factor;
  }
  return Status(Code::invalid, cat('"', base::cut(text, 40), "\" is no time like 90s, 24h or 7d"));
}

Result<HistoryRule> parse_history_rule(std::string_view text) {
  const std::size_t comma = text.find(',');
  const auto age = parse_history_age(text.substr(0, comma));
  if (!age) return age.status();
  HistoryRule rule{*age, default_history.count};
  if (comma == text.npos) return rule;
  const std::string_view count = text.substr(comma + 1);
  if (!base::parse_int(count, rule.count) || rule.count < 0 || rule.count > max_history_count) {
    return Status(Code::invalid, cat('"', base::cut(count, 40), "\" is no number of samples, 0 to ",
                                     max_history_count));
  }
  return rule;
}

Result<HistoryRule> read_history_rule(const Config& visitor, HistoryRule fallback) {
  if (!visitor.has(history_age_key) && !visitor.has(history_count_key)) return fallback;
  HistoryRule rule = default_history;
  if (visitor.has(history_age_key)) {
    // 0 may be written as a number, and then says what "0" says.
    const auto none = visitor.integer(history_age_key, 1, 0, 0);
    const auto text = none ? Result<std::string>("0") : visitor.text(history_age_key, "");
    if (!text) return text.status();
    const auto age = parse_history_age(*text);
    if (!age) {
      return Status(age.status().code(),
                    cat(visitor.path(), ".", history_age_key, ": ", age.status().text()));
    }
    rule.age_ms = *age;
  }
  const auto count = visitor.integer(history_count_key, rule.count, 0, max_history_count);
  if (!count) return count.status();
  rule.count = *count;
  return rule;
}

}  // namespace dmi

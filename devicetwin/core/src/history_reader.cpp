#include "devicetwin/history_reader.hpp"

#include "base/loop.hpp"
#include "base/text.hpp"
#include "dmi/json.hpp"

namespace devicetwin {

using base::cat;
using base::Code;
using base::Status;

std::string to_json(const HistoryPage& page) {
  std::string text = "{\"samples\":[";
  for (const HistorySample& sample : page.samples) {
    // Written by hand: a tree of ten thousand would hold the loop.
    text += cat(&sample == page.samples.data() ? "" : ",", "{\"time\":", sample.time_ms,
                ",\"value\":", dmi::to_text(sample.value), ",\"type\":", dmi::to_text(sample.type),
                ",\"status\":\"", base::name(sample.quality.code()), '"');
    if (!sample.quality.ok()) text += cat(",\"reason\":", dmi::to_text(sample.quality.text()));
    text += cat(",\"came\":", sample.came_ms, '}');
  }
  text += ']';
  if (!page.token.empty()) text += cat(",\"continue\":\"", page.token, '"');
  return text += '}';
}

Status read_history_time(std::string_view key, std::string_view text,
                         std::optional<std::int64_t>& ms) {
  std::int64_t value = 0;
  if (!base::parse_int(text, value) && !base::from_rfc3339(text, value)) {
    return Status(Code::invalid, cat(key, ": \"", base::is_utf8(text) ? base::cut(text, 40) : "",
                                     "\" is neither milliseconds since 1970 nor a time like "
                                     "2026-11-22T19:27:29Z"));
  }
  ms = value;
  return Status();
}

Status check_history_limit(std::int64_t limit) {
  if (limit < 1) {
    return Status(Code::invalid, cat("limit: ", limit, " is below 1"));
  }
  if (limit > static_cast<std::int64_t>(HistoryQuery::max_limit)) {
    return Status(Code::out_of_range, cat("limit: ", limit, " is above ", HistoryQuery::max_limit,
                                          "; ask for less and go on with continue"));
  }
  return Status();
}

Status read_history_order(std::string_view word, bool& newest_first) {
  if (!word.empty() && word != "asc" && word != "desc") {
    return Status(Code::invalid, "order: neither asc (oldest first) nor desc (newest first)");
  }
  newest_first = word == "desc";
  return Status();
}

}  // namespace devicetwin

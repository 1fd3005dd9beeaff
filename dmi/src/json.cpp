#include "dmi/json.hpp"

#include <utility>

#include "base/text.hpp"

namespace dmi {

using base::Code;
using base::Status;

base::Result<Json> parse_json(std::string_view text) {
  // Far above any object of ours, far below what overflows a parser's stack.
  constexpr int max_depth = 64;
  constexpr std::size_t max_reason = 300;
  bool too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth >= max_depth;  // depth counts from 0
    return !too_deep;
  };
  try {
    Json json = Json::parse(text, watch_depth);
    if (too_deep) {
      return Status(Code::invalid, base::cat("JSON nested deeper than ", max_depth, " levels"));
    }
    return json;
  } catch (const Json::exception& error) {
    // The library's text starts with its own code in brackets, which helps nobody.
    const std::string_view what(error.what());
    const std::size_t start = what.find("] ");
    std::string reason(base::cut(start == what.npos ? what : what.substr(start + 2), max_reason));
    // It ends with the bytes that were read last, whatever and however many they are; and it goes
    // back to who sent them, as text.
    if (!base::is_utf8(reason)) {
      for (char& c : reason) c = static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
    return Status(Code::invalid, base::cat("not JSON: ", reason));
  }
}

bool to_int64(const Json& json, std::int64_t& out) {
  if (!json.is_number_integer()) return false;
  if (json.is_number_unsigned() && !std::in_range<std::int64_t>(json.get<std::uint64_t>())) {
    return false;
  }
  out = json.get<std::int64_t>();
  return true;
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace dmi

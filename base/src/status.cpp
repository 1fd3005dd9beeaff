#include "base/status.hpp"

#include <array>

namespace base {

namespace {
constexpr std::array<std::string_view, 12> names = {
    "ok",       "timeout", "unavailable", "invalid",      "unsupported", "not_found",
    "conflict", "refused", "malformed",   "out_of_range", "stale",       "internal"};
}  // namespace

std::string_view name(Code code) { return names[static_cast<std::size_t>(code)]; }

Code code_of(std::string_view text) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<Code>(i);
  }
  return Code::internal;
}

const std::string& Status::text() const {
  static const std::string none;
  return why_ ? why_->text : none;
}

std::string Status::to_string() const {
  if (ok()) return "ok";
  return std::string(name(code())) + ": " + text();
}

}  // namespace base
